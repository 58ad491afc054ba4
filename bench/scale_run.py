"""Measures the points of the curves, each in a fresh process, and works out what all of WLASL would cost."""

from __future__ import annotations

import math
import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.guide import ITEM_SHAPES, WLASL_CLIPS
from bench.measure import Summary
from bench.plan import Options, Row
from bench.run import run_job
from bench.scale import (
    BATCH,
    CLIPS,
    EXTRACT,
    FRAMES,
    TRAIN,
    WORKERS,
    Forecast,
    Measurement,
    Point,
    Scale,
    Sizes,
    choose_points,
    line_at,
    store_of,
)
from bench.scale_worker import ScaleJob
from toolkit.clips import Clip

EPOCHS = 50  # of the guide's command, and of configs/small_config.yaml
PACKED_BYTES = 4  # per landmark


@dataclass
class Measuring:
    """A point and what its processes said so far. made: the store that the last one made."""

    point: Point
    rounds: list[dict[str, float]] = field(default_factory=list)
    reason: str = ""
    made: str = ""


def measure_points(
    sizes: Sizes, clips: tuple[Clip, ...], measured: list[Measuring], progress: Callable[[int, int], None]
) -> None:
    """Fill `measured`, in place, so that what is finished outlives a KeyboardInterrupt."""
    measured += [Measuring(point) for point in choose_points(sizes)]
    runs = [
        (number, one)
        for number in range(sizes.repeats)
        for one in measured
        if not (number and one.point.once)
    ]
    with tempfile.TemporaryDirectory(prefix="sign-bench-") as folder:
        for finished, (_, one) in enumerate(runs, start=1):
            if not one.reason:
                _measure(one, measured, sizes, clips, Path(folder) / str(finished))
            progress(finished, len(runs))


def _measure(
    one: Measuring, all_points: Sequence[Measuring], sizes: Sizes, clips: tuple[Clip, ...], work_dir: Path
) -> None:
    stores: dict[str, Path] = {}
    needed = store_of(one.point, sizes)
    if needed is not None:
        source = next(other for other in all_points if other.point.name == needed.name)
        if source.reason:
            one.reason = f"needs the store of '{needed.name}', which failed"
            return
        stores[sizes.mode] = Path(source.made)
    answer = run_job(_job(one.point, sizes, clips, stores, work_dir), "bench.scale_worker")
    if "error" in answer:
        one.reason = str(answer["error"])
        return
    one.rounds.append(answer["figures"])
    one.made = answer["made"]


def _job(
    point: Point, sizes: Sizes, clips: tuple[Clip, ...], stores: dict[str, Path], work_dir: Path
) -> ScaleJob:
    options = Options(
        modes=(sizes.mode,),
        num_frames=point.value if point.axis == FRAMES else sizes.usual_frames,
        batch_size=point.value if point.axis == BATCH else sizes.usual_batch,
        steps={sizes.mode: sizes.steps},
    )
    return ScaleJob(
        Row(point.stage, sizes.mode),
        options,
        clips,
        work_dir,
        stores,
        workers={CLIPS: max(sizes.workers), WORKERS: point.value}.get(point.axis, 1),
        count={CLIPS: point.value, WORKERS: sizes.worker_clips, FRAMES: sizes.frame_clips}.get(point.axis, 0),
    )


def collect_scale(
    sizes: Sizes,
    clips: Sequence[Clip],
    measured: Sequence[Measuring],
    machine: dict[str, Any],
    notes: Sequence[str],
) -> Scale:
    """Curves and forecasts from what the points said. A point that was never reached is left out."""
    points = tuple(
        Measurement(one.point.axis, one.point.value, one.point.stage, one.reason, _summaries(one.rounds))
        for one in measured
        if one.rounds or one.reason
    )
    options = asdict(sizes)
    scale = Scale(options, machine, {"clips": len(clips)}, points, WLASL_CLIPS, (), tuple(notes))
    return replace(scale, forecasts=tuple(_forecasts(scale, sizes, clips)))


def _summaries(rounds: Sequence[dict[str, float]]) -> dict[str, Summary]:
    names = {name: None for figures in rounds for name in figures}
    return {name: Summary.of([figures[name] for figures in rounds if name in figures]) for name in names}


def _forecasts(scale: Scale, sizes: Sizes, clips: Sequence[Clip]) -> list[Forecast]:
    found = []
    single = scale.curve(WORKERS, EXTRACT, "clip_sd_s")  # one worker only
    many = scale.curve(CLIPS, EXTRACT, "wall_s_per_clip")
    alone = [
        (value, figure) for value, figure in scale.curve(WORKERS, EXTRACT, "wall_s_per_clip") if value == 1
    ]
    if many and single and alone:
        # Two independent reasons to be wrong: the clips may not be like the rest, the machine not as it was.
        distinct = min(sizes.worker_clips, len(clips))
        sampling = 1.96 * single[0][1].median / alone[0][1].median / math.sqrt(distinct)
        rates = [rate for _, figure in many[1:] or many for rate in figure.values]
        off = math.hypot(sampling, (max(rates) - min(rates)) / 2 / statistics.median(rates))
        cores, clips_measured = max(sizes.workers), many[-1][0]
        start = scale.curve(CLIPS, EXTRACT, "start_s")[-1][1].median
        basis = f"start + per clip, of {clips_measured} clips"
        seconds = start + scale.whole * many[-1][1].median
        found.append(_around(f"extraction, {cores} processes", "s", seconds, off, basis))
        seconds = start + scale.whole * alone[0][1].median
        basis = f"start + per clip, of {sizes.worker_clips} clips"
        found.append(_around("extraction, 1 process", "s", seconds, off, basis))
    work = [(count, count * cpu_s) for count, cpu_s in _by_clips(scale, EXTRACT, "cpu_s_per_clip")]
    found += _line("extraction, CPU time of all processes", "s", work, scale.whole)
    index = scale.curve(CLIPS, EXTRACT, "index_bytes_per_clip")
    data = scale.curve(CLIPS, EXTRACT, "data_bytes_per_clip")
    if index and data:
        lines = [value for _, figure in index for value in figure.values]
        off = (max(lines) - min(lines)) / 2 / (data[-1][1].median + index[-1][1].median)
        per_clip = data[-1][1].median + index[-1][1].median
        found.append(_around("store on disk", "bytes", scale.whole * per_clip, off, "record + index line"))
        if sizes.mode == "pose":
            packed = sizes.usual_frames * ITEM_SHAPES["pose"][0] * PACKED_BYTES + index[-1][1].median
            share = off * per_clip / packed
            basis = "record by arithmetic + index line"
            found.append(_around("store on disk, packed", "bytes", scale.whole * packed, share, basis))
    videos = [clip.path.stat().st_size for clip in clips]
    if len(videos) > 1:
        mean = statistics.fmean(videos)
        off = 1.96 * statistics.stdev(videos) / mean / math.sqrt(len(videos))
        found.append(_around("the videos", "bytes", scale.whole * mean, off, f"mean of {len(videos)} files"))
    return found + _training(scale, sizes)


def _training(scale: Scale, sizes: Sizes) -> list[Forecast]:
    found = []
    steps = scale.curve(CLIPS, TRAIN, "wall_s_per_clip")
    if steps:
        rates = [value for _, figure in steps for value in figure.values]
        off = (max(rates) - min(rates)) / 2 / statistics.median(rates) if len(rates) > 1 else None
        seconds = EPOCHS * scale.whole * statistics.median(rates)
        basis = f"per clip at batch {sizes.usual_batch}; validation not included"
        found.append(_around(f"training, {EPOCHS} epochs", "s", seconds, off, basis))
    peaks = _by_clips(scale, TRAIN, "peak_bytes")
    return found + _line("peak memory of training", "bytes", peaks, scale.whole)


def _by_clips(scale: Scale, stage: str, name: str) -> list[tuple[int, float]]:
    """(clips, figure) of all repetitions on the curve of clips."""
    return [(count, value) for count, figure in scale.curve(CLIPS, stage, name) for value in figure.values]


def _line(what: str, unit: str, found: Sequence[tuple[int, float]], whole: int) -> list[Forecast]:
    """The forecast of a straight line, if there are points enough to say how far it may be off."""
    counts = [count for count, _ in found]
    if len(set(counts)) < 3:
        return []
    value, half = line_at(counts, [figure for _, figure in found], whole)
    assert half is not None
    most = max(figure for _, figure in found)  # more clips never cost less
    basis = f"straight line through {min(counts)} to {max(counts)} clips"
    return [Forecast(what, unit, max(most, value), max(most, value - half), value + half, basis)]


def _around(what: str, unit: str, value: float, off: float | None, basis: str) -> Forecast:
    """off: half the width of the range, as a fraction of the value; None where it is not known."""
    if off is None:
        return Forecast(what, unit, value, None, None, basis)
    return Forecast(what, unit, value, value * max(0.0, 1 - off), value * (1 + off), basis)
