"""Runs the rows, each in a fresh process, round after round, and puts what they say together.

Rounds, not row by row: whatever slows the machine down for a while then slows all rows, and the ratios of one
round stay true. Knows nothing about what a row does.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from bench import guide
from bench.measure import Summary, sampled_memory
from bench.plan import MADE, Job, Options, Row, baseline, choose_clips, choose_rows, needed_stage
from bench.results import Results, RowResult
from toolkit.clips import Clip
from toolkit.errors import VideoReadError
from toolkit.video import sample_frames

SAMPLE_EVERY_S = 0.02
NOISY = 0.2  # spread of CPU time per clip above which a row's figure says more about the machine
BUSY = 0.5  # other programs' load per core
RATIOS = {
    "cpu_per_clip": "cpu_s_per_clip",
    "wall_per_clip": "wall_s_per_clip",
    "bytes": "held_bytes_per_batch",
}
"""ratio -> the figure it is made of."""


@dataclass
class Measured:
    """A row and what its processes said so far. made: by the last one; reason: why it failed, "" if it did not."""

    row: Row
    rounds: list[dict[str, float]] = field(default_factory=list)
    sources: dict[str, str] = field(default_factory=dict)
    made: str = ""
    reason: str = ""


def usable_clips(clips: Sequence[Clip], count: int) -> tuple[tuple[Clip, ...], list[str]]:
    """The clips to measure with, and notes on those that cannot be read.

    Every file is read once, so that no row pays for a cold disk and a later one does not.
    """
    chosen, notes, unreadable = choose_clips(clips, count), [], []
    if len(chosen) < count:
        notes.append(f"the data set has {len(chosen)} clips, fewer than the {count} asked for")
    for clip in chosen:
        try:
            clip.path.read_bytes()
            next(iter(sample_frames(clip.path, 1, clip.frame_start, clip.frame_end)))
        except VideoReadError:
            unreadable.append(clip)
    if unreadable:
        notes.append(
            f"clips that cannot be read and were left out: {len(unreadable)}, e.g. {unreadable[0].path.name}"
        )
    return choose_clips([clip for clip in chosen if clip not in unreadable], count), notes


def measure_rows(
    options: Options, clips: tuple[Clip, ...], measured: list[Measured], progress: Callable[[int, int], None]
) -> None:
    """Fill `measured`, in place, so that what is finished outlives a KeyboardInterrupt."""
    measured += [Measured(row) for row in choose_rows(options)]
    total = sum(1 if one.row.once else options.repeats for one in measured)
    finished = 0
    with tempfile.TemporaryDirectory(prefix="sign-bench-") as folder:
        for number in range(options.repeats):
            for place, one in enumerate(measured):
                if number and one.row.once:
                    continue
                if not one.reason:
                    _measure(one, measured, Job(one.row, options, clips, Path(folder) / f"{number}-{place}"))
                finished += 1
                progress(finished, total)


def _measure(one: Measured, all_rows: Sequence[Measured], job: Job) -> None:
    needed = needed_stage(one.row)
    for other in all_rows:
        alike = other.row.default and other.row.mode == one.row.mode
        if alike and other.row.stage == needed and other.reason:
            one.reason = f"needs the row '{other.row.name}', which failed"
            return
    made: dict[str, Any] = {
        name: {
            m.row.mode: Path(m.made) for m in all_rows if m.row.stage == stage and m.row.default and m.made
        }
        for stage, name in MADE.items()
    }
    answer = run_job(replace(job, **made))
    if "error" in answer:
        one.reason = str(answer["error"])
        return
    one.rounds.append(answer["figures"])
    one.sources.update(answer["sources"])
    one.made = answer["made"]


def run_job(job: Job, worker: str = "bench.worker") -> dict[str, Any]:
    """What the fresh process of one row says: {"figures", "made", "sources"}, or {"error"}. worker: its module."""
    job_file = job.work_dir.with_suffix(".json")
    job_file.write_text(json.dumps(job.to_json(), default=str), encoding="utf-8")
    command = [sys.executable, "-m", worker, str(job_file)]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
        errors="replace",
    )  # fmt: skip
    peak = 0
    try:
        while True:
            try:
                output, log = process.communicate(timeout=SAMPLE_EVERY_S)
                break
            except subprocess.TimeoutExpired:
                if sys.platform != "linux":  # there the process reads its own exact peak
                    peak = max(peak, sampled_memory(process.pid))
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if process.returncode:
        return {"error": _ending(process.returncode, log)}
    answer: dict[str, Any] = json.loads(output.splitlines()[-1])
    if peak and "figures" in answer:
        answer["figures"].setdefault("peak_bytes", peak)
        answer["sources"].setdefault("peak_bytes", f"psutil RSS every {SAMPLE_EVERY_S * 1000:.0f} ms")
    return answer


def _ending(code: int, log: str) -> str:
    if code == -getattr(signal, "SIGKILL", 9):
        return "its process was killed, most likely because memory ran out"
    last = next((line.strip() for line in reversed(log.splitlines()) if line.strip()), "it said nothing")
    return f"its process ended with exit code {code}: {last}"


def collect(
    options: Options,
    clips: Sequence[Clip],
    measured: Sequence[Measured],
    machine: dict[str, Any],
    notes: Sequence[str],
) -> Results:
    """Results from what the rows said. A row without a single round and without a reason was never reached."""
    reached = [one for one in measured if one.rounds or one.reason]
    rows = tuple(_row_result(one, reached) for one in reached)
    results = Results(
        _shown(options), machine, _data(clips), rows, (), (*notes, *_remarks(rows, machine, options))
    )
    return replace(results, claims=_claims(results, options))


def _row_result(one: Measured, all_rows: Sequence[Measured]) -> RowResult:
    row = one.row
    names = {name: None for figures in one.rounds for name in figures}
    figures = {name: Summary.of([figures[name] for figures in one.rounds]) for name in names}
    picked = baseline(row, [other.row for other in all_rows if other.rounds])
    ratios: dict[str, Summary] = {}
    for other in all_rows:
        if other.row == picked:
            for ratio, figure in RATIOS.items():
                pairs = zip(one.rounds, other.rounds, strict=False)
                values = [a[figure] / b[figure] for a, b in pairs if figure in a and b.get(figure)]
                if values:
                    ratios[ratio] = Summary.of(values)
    status = "failed" if one.reason else "ok"
    return RowResult(
        row.name, row.stage, row.mode, row.backend, row.default, status, one.reason, figures, one.sources,
        picked.name if picked and ratios else "", ratios,
    )  # fmt: skip


def _claims(results: Results, options: Options) -> tuple[guide.Claim, ...]:
    held: dict[str, Summary] = {}
    stored: dict[str, Summary] = {}
    speed: dict[str, Summary] = {}
    wanted = (
        (held, "hold", "held_bytes_per_batch", (options.num_frames, options.batch_size) == (16, 4)),
        (stored, "extract", "stored_bytes_per_clip", options.num_frames == guide.GUIDE_FRAMES),
        (speed, "train", "clips_per_s", True),
    )
    for mode in options.modes:
        for found, stage, figure, comparable in wanted:
            row = results.find(stage, mode)
            if comparable and row and figure in row.figures:
                found[mode] = row.figures[figure]
    ranked = guide.speed_claim(speed)
    return tuple(guide.size_claims(options.modes, held, stored) + ([ranked] if ranked else []))


def _remarks(rows: Sequence[RowResult], machine: dict[str, Any], options: Options) -> list[str]:
    remarks = []
    noisy = [row.name for row in rows if (cpu := row.figures.get("cpu_s_per_clip")) and cpu.spread > NOISY]
    if noisy:
        remarks.append(f"noisy: CPU time per clip varies by more than {NOISY:.0%} in: {', '.join(noisy)}")
    if machine["load_per_core_before"] > BUSY:
        remarks.append(
            f"the machine was busy before the run (load {machine['load_per_core_before']} per core): "
            "trust ratios and CPU times, not wall times"
        )
    if options.quick:
        remarks.append("--quick: few clips and repetitions, no export and inference rows; a first impression")
    return remarks


def _data(clips: Sequence[Clip]) -> dict[str, Any]:
    return {"clips": len(clips), "glosses": len({clip.gloss for clip in clips})}


def _shown(options: Options) -> dict[str, Any]:
    shown = asdict(options)
    shown["model_asset"] = bool(options.model_asset)  # a path is nobody's business
    return shown
