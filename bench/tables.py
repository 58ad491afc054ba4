"""The tables of a result, as plain text cells; the terminal and Markdown both draw them from here.

Knows what a reader wants to see side by side, not how it is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence

from bench.cost_tables import memory_and_start, reached, times
from bench.guide import MIB, WLASL_CLIPS, Claim, clip_bytes
from bench.results import Results
from bench.scale_tables import scale_failures, scale_method, scale_tables
from bench.written import Table, number, rounded, size, with_spread

__all__ = ["all_tables", "claims", "failures", "method", "number", "size", "sizes", "with_spread"]


def all_tables(results: Results) -> list[Table]:
    """The guide's figures with verdicts, sizes, times, memory, and limits where there is one."""
    tables = [claims(results.claims), sizes(results), times(results), memory_and_start(results)]
    tables.append(reached(results))
    if results.scale is not None:
        tables += scale_tables(results.scale)
    return [table for table in tables if table.rows]


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
    failed = [f"{row.name} failed: {row.reason}" for row in results.rows if row.status != "ok"]
    return failed + (scale_failures(results.scale) if results.scale else [])


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
        *(scale_method(results.scale) if results.scale else []),
    ]


def _listed(names: set[str]) -> str:
    return " / ".join(sorted(names)) or "not measured"
