"""The tables of a result, as plain text cells; the terminal and Markdown both draw them from here.

Knows what a reader wants to see side by side, not how it is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bench.guide import GIB, KIB, MIB, WLASL_CLIPS, Claim, clip_bytes
from bench.measure import Summary
from bench.results import Results, RowResult

NOTHING = "–"


class Table(NamedTuple):
    """rows: cells of each line, as many as columns. details: columns that a narrow terminal can do without."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    details: tuple[str, ...] = ()

    def brief(self) -> Table:
        """Without the details."""
        kept = [place for place, column in enumerate(self.columns) if column not in self.details]
        rows = tuple(tuple(cells[place] for place in kept) for cells in self.rows)
        return Table(self.title, tuple(self.columns[place] for place in kept), rows)


def all_tables(results: Results) -> list[Table]:
    """Sizes, times, and the guide's figures with verdicts."""
    return [sizes(results), times(results), claims(results.claims)]


def sizes(results: Results) -> Table:
    """What a clip and a batch take in memory and on disk, per mode."""
    frames, batch = results.options["num_frames"], results.options["batch_size"]
    lines = []
    for mode in results.options["modes"]:
        hold, extracted, trained = (results.find(stage, mode) for stage in ("hold", "extract", "train"))
        one = clip_bytes(mode, frames)
        held = hold.median("held_bytes_per_batch") if hold else None
        stored = extracted.median("stored_bytes_per_clip") if extracted else None
        peak = trained.median("peak_bytes") if trained else None
        whole = None if stored is None else stored * WLASL_CLIPS
        lines.append(
            (mode, size(one), size(one * batch), size(held), size(stored), size(whole), size(peak, least=MIB))
        )
    columns = (
        "mode", "RAM per clip", f"RAM per batch of {batch}", "the same, measured", "disk per clip",
        f"disk for all of WLASL ({WLASL_CLIPS} clips)", "peak memory of training",
    )  # fmt: skip
    return Table(f"What a clip of {frames} frames takes", columns, tuple(lines))


def times(results: Results) -> Table:
    """Every row: how long, how much work, how much memory, and beside what."""
    details = ("import s", "load s", "first ms", "p95 ms", "steps/s")
    columns = (
        "row", "import s", "load s", "first ms", "p50 ms", "p95 ms", "clips/s", "steps/s", "CPU ms per clip",
        "CPU ratio", "peak MB",
    )  # fmt: skip
    shown = [row for row in results.rows if row.stage != "hold" or row.status == "failed"]
    lines = tuple(_time_cells(row, results) for row in shown)
    return Table("What each stage costs (a piece: a clip; in training: a step)", columns, lines, details)


def _time_cells(row: RowResult, results: Results) -> tuple[str, ...]:
    if row.status != "ok":
        return (f"{row.name}: failed", *[NOTHING] * 10)
    peak = row.median("peak_bytes")
    return (
        row.name,
        *(number(row.median(figure)) for figure in ("import_s", "load_s", "first_ms", "p50_ms", "p95_ms")),
        with_spread(row.figures.get("clips_per_s")),
        number(row.median("steps_per_s")),
        with_spread(row.figures.get("cpu_s_per_clip"), 1000),
        _ratio(row, results),
        number(peak / MIB) if peak else NOTHING,
    )


def _ratio(row: RowResult, results: Results) -> str:
    """How many times the CPU time of the row it is compared with, which is named by what differs."""
    ratio = row.ratios.get("cpu_per_clip")
    other = next((other for other in results.rows if other.name == row.compared_with), None)
    if ratio is None or other is None:
        return NOTHING
    return f"{number(ratio.median)} × {other.backend if other.mode == row.mode else other.mode}"


def claims(found: Sequence[Claim]) -> Table:
    """The guide beside the arithmetic and the measurement."""
    lines = tuple(
        (
            f"{claim.claim}: {claim.mode}" if claim.mode and "," not in claim.mode else claim.claim,
            claim.guide if isinstance(claim.guide, str) else f"~{rounded(claim.guide)}",
            size(claim.arithmetic),
            claim.measured if isinstance(claim.measured, str) else size(claim.measured),
            claim.verdict,
        )
        for claim in found
    )
    columns = ("the guide's figure", "guide", "its own arithmetic", "measured", "verdict")
    return Table("The guide's figures (16 frames, batch of 4)", columns, lines)


def failures(results: Results) -> list[str]:
    """One line per failed row."""
    return [f"{row.name} failed: {row.reason}" for row in results.rows if row.status != "ok"]


def method(results: Results) -> list[str]:
    """Where the figures are from, in a few lines."""
    env, data, options = results.environment, results.data, results.options
    sources = {name: {row.sources[name] for row in results.rows if name in row.sources}
               for name in ("peak_bytes", "held_bytes_per_batch")}  # fmt: skip
    packages = ", ".join(f"{name} {found}" for name, found in env["packages"].items())
    return [
        f"{data['clips']} clips of {data['glosses']} glosses, {options['num_frames']} frames each, batch of "
        f"{options['batch_size']}, repetitions: {options['repeats']}; median, ± half the range in %. 1 KB is "
        "1024 bytes.",
        f"Every row in a fresh process. Peak memory: {_listed(sources['peak_bytes'])}; "
        f"memory per batch: growth of {_listed(sources['held_bytes_per_batch'])}.",
        f"{env['cpu']}, {env['cores']} of {env['cores_in_machine']} cores, {env['ram_gib']} GiB, {env['os']}, "
        f"{env['python']}; {packages}.",
    ]


def size(byte_count: float | None, least: int = 1) -> str:
    """Bytes in the unit that suits them (1 KB = 1024 bytes, as in the guide), or in `least` and above."""
    if byte_count is None:
        return NOTHING
    for unit, name in ((GIB, "GB"), (MIB, "MB"), (KIB, "KB")):
        if byte_count >= unit or unit == least:
            return f"{number(byte_count / unit)} {name}"
    return f"{byte_count:.0f} B"


def rounded(byte_count: float) -> str:
    """A whole number of its unit, as the guide writes it."""
    figure, _, unit = size(byte_count).partition(" ")
    return f"{float(figure):g} {unit}"


def number(value: float | None) -> str:
    """Three digits that count."""
    if value is None:
        return NOTHING
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def with_spread(summary: Summary | None, factor: float = 1.0) -> str:
    """Median, and half the range around it in percent where there is more than one value."""
    if summary is None:
        return NOTHING
    spread = f" ±{50 * summary.spread:.0f}%" if len(summary.values) > 1 else ""
    return number(summary.median * factor) + spread


def _listed(names: set[str]) -> str:
    return " / ".join(sorted(names)) or "not measured"
