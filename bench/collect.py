"""Puts together what the rows said: figures over the rounds, ratios within each round, the guide's claims, notes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from bench import guide
from bench.measure import Summary
from bench.plan import LITERAL, MACHINE, NAIVE, Options, baseline
from bench.results import Results, RowResult
from bench.run import Measured
from toolkit.clips import Clip

NOISY = 0.2  # spread of CPU time per clip above which a row's figure says more about the machine
BUSY = 0.5  # other programs' load per core
DISTURBED = 1.15  # wall time of plain arithmetic over its CPU time: above, others had the core in between
RATIOS = {
    "cpu_per_clip": "cpu_s_per_clip",
    "wall_per_clip": "wall_s_per_clip",
    "memory": "over_floor_bytes",
    "cold_start": "cold_cpu_s",
    "bytes": "held_bytes_per_batch",
}
"""ratio -> the figure it is made of."""
TO_MACHINE = {
    "cpu_to_machine": ("cpu_s_per_clip", "calibration_cpu_s"),
    "wall_to_machine": ("wall_s_per_clip", "calibration_wall_s"),
}
"""ratio -> the figure of a row, and that of the row "machine" which it is divided by."""
BACKWARD = (
    3  # multiply-adds of a training step over those of a prediction: forward, and twice as much backward
)

Rounds = list[dict[str, float]]


def collect(
    options: Options,
    clips: Sequence[Clip],
    measured: Sequence[Measured],
    machine: dict[str, Any],
    notes: Sequence[str],
) -> Results:
    """Results from what the rows said. A row without a single round and without a reason was never reached."""
    reached = [one for one in measured if one.rounds or one.reason]
    rounds = {one.row.name: with_derived(one, reached, options) for one in reached}
    rows = tuple(_row_result(one, reached, rounds) for one in reached)
    results = Results(
        _shown(options), machine, _data(clips), rows, (), (*notes, *_remarks(rows, machine, options))
    )
    return replace(results, claims=_claims(results, options))


def with_derived(one: Measured, reached: Sequence[Measured], options: Options) -> Rounds:
    """A row's rounds with what follows from other rows of the same round: over_floor_bytes, and where its work
    can be counted, limit_cpu_s_per_clip, what the machine needs for it at best, and reached, that limit divided
    by the CPU time (1 is perfect)."""
    floors, machines = _rounds_of(reached, "floor"), _rounds_of(reached, MACHINE)
    products = _multiply_adds(one, reached)
    found = []
    for number, figures in enumerate(one.rounds):
        figures = dict(figures)
        floor = floors[min(number, len(floors) - 1)] if floors else {}
        if "peak_bytes" in figures and "peak_bytes" in floor and one.row.mode:
            figures["over_floor_bytes"] = figures["peak_bytes"] - floor["peak_bytes"]
        if machines and "cpu_s_per_clip" in figures:
            limit = _limit(one, products, machines[min(number, len(machines) - 1)], options)
            if limit:
                figures |= {**limit, "reached": limit["limit_cpu_s_per_clip"] / figures["cpu_s_per_clip"]}
        found.append(figures)
    return found


def _limit(
    one: Measured, products: float | None, machine: Mapping[str, float], options: Options
) -> dict[str, float]:
    row = one.row
    moved = 2 * guide.clip_bytes(row.mode, options.num_frames)  # read once, written once
    parts = {"limit_copy_s": moved / (1e9 * machine["copy_gb_per_s"])}
    if row.stage == "extract" or (row.mode == "video" and row.stage in ("hold", "train")):
        parts["limit_decode_s"] = machine["decode_cpu_s_per_clip"]
    if products is not None:
        parts["limit_multiply_s"] = 2 * products / (1e9 * machine["gemm_gflops"])
        parts["multiply_adds_per_clip"] = products
    elif row.stage in ("train", "infer") or (row.stage == "extract" and row.mode != "video"):
        return {}  # its multiply-adds are not known, so its limit is not
    total = sum(value for name, value in parts.items() if name.startswith("limit"))
    return parts | {"limit_cpu_s_per_clip": total}


def _multiply_adds(one: Measured, reached: Sequence[Measured]) -> float | None:
    """Of one clip: counted in the row itself, or in the export of the model that it trains or runs."""
    if one.row.backend in (LITERAL, NAIVE):  # another first layer than the exported model's
        return None
    if one.row.stage in ("train", "infer"):
        for other in reached:
            if (other.row.stage, other.row.mode) == ("export", one.row.mode) and other.rounds:
                count = other.rounds[0].get("multiply_adds_per_clip")
                return None if count is None else count * (BACKWARD if one.row.stage == "train" else 1)
        return None
    return one.rounds[0].get("multiply_adds_per_clip") if one.rounds else None


def _rounds_of(reached: Sequence[Measured], name: str) -> Rounds:
    return next((one.rounds for one in reached if one.row.name == name), [])


def _row_result(one: Measured, reached: Sequence[Measured], rounds: Mapping[str, Rounds]) -> RowResult:
    row, own = one.row, rounds[one.row.name]
    names = {name: None for figures in own for name in figures}
    figures = {name: Summary.of([figures[name] for figures in own if name in figures]) for name in names}
    picked = baseline(row, [other.row for other in reached if other.rounds])
    ratios: dict[str, Summary] = {}
    if picked is not None:
        for ratio, figure in RATIOS.items():
            _add_ratio(ratios, ratio, (own, figure), (rounds[picked.name], figure))
    compared = picked.name if picked and ratios else ""
    for ratio, (figure, of_machine) in TO_MACHINE.items():
        if row.stage != MACHINE:
            _add_ratio(ratios, ratio, (own, figure), (rounds.get(MACHINE, []), of_machine))
    status = "failed" if one.reason else "ok"
    return RowResult(
        row.name, row.stage, row.mode, row.backend, row.default, status, one.reason, figures, one.sources,
        compared, ratios,
    )  # fmt: skip


def _add_ratio(
    ratios: dict[str, Summary], name: str, ours: tuple[Rounds, str], theirs: tuple[Rounds, str]
) -> None:
    pairs = zip(ours[0], theirs[0], strict=False)
    values = [
        a[ours[1]] / b[theirs[1]] for a, b in pairs if a.get(ours[1], 0) > 0 and b.get(theirs[1], 0) > 0
    ]
    if values:
        ratios[name] = Summary.of(values)


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
    own = next((row for row in rows if row.stage == MACHINE), None)
    calibrated = {clock: own.median(f"calibration_{clock}_s") if own else None for clock in ("wall", "cpu")}
    wall, cpu_s = calibrated["wall"], calibrated["cpu"]
    if wall and cpu_s and wall > DISTURBED * cpu_s:
        remarks.append(
            f"the machine was busy during the run: plain arithmetic took {wall / cpu_s:.1f} times its CPU time, as "
            "other programs had the core in between; wall times are too long by about that factor"
        )
    if options.profile or options.memory_mb:
        remarks.append(_constraints(rows, options))
    if options.quick:
        remarks.append("--quick: few clips and repetitions, no export and inference rows; a first impression")
    return remarks


def _constraints(rows: Sequence[RowResult], options: Options) -> str:
    ways = {name: sorted({row.sources[name] for row in rows if name in row.sources})
            for name in ("pinned", "memory cap")}  # fmt: skip
    parts = [f"--profile {options.profile}"] if options.profile else []
    parts += [f"one core per row ({', '.join(ways['pinned'])})"] if ways["pinned"] else []
    parts += [f"at most {options.memory_mb} MB per row ({', '.join(ways['memory cap']) or 'see reasons'})"]
    return "; ".join(parts)


def _data(clips: Sequence[Clip]) -> dict[str, Any]:
    """fingerprint: tells whether two results are of the same clips, without naming them."""
    told = "\n".join(f"{clip.id} {clip.frame_start} {clip.frame_end}" for clip in clips)
    digest = hashlib.sha256(told.encode("utf-8", errors="surrogatepass")).hexdigest()
    return {"clips": len(clips), "glosses": len({clip.gloss for clip in clips}), "fingerprint": digest[:16]}


def _shown(options: Options) -> dict[str, Any]:
    shown = asdict(options)
    shown |= {
        "model_asset": bool(options.model_asset),
        "store": bool(options.store),
    }  # paths are nobody's business
    return shown
