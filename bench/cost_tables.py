"""What every row costs, as tables: time, memory and start, and how near to the machine's limits it comes."""

from __future__ import annotations

from bench.guide import MIB
from bench.plan import MACHINE
from bench.results import Results, RowResult
from bench.written import NOTHING, Table, number, with_spread


def times(results: Results) -> Table:
    """Every row: how long, how much work, and beside what."""
    details = ("import s", "load s", "first ms", "p95 ms", "steps/s")
    columns = (
        "row", "import s", "load s", "first ms", "p50 ms", "p95 ms", "clips/s", "steps/s", "CPU ms per clip",
        "CPU ratio", "wall ratio",
    )  # fmt: skip
    shown = [row for row in results.rows if row.stage not in ("hold", MACHINE) or row.status == "failed"]
    lines = tuple(_time_cells(row, results) for row in shown)
    return Table("What each stage costs (a piece: a clip; in training: a step)", columns, lines, details)


def _time_cells(row: RowResult, results: Results) -> tuple[str, ...]:
    if row.status != "ok":
        return (f"{row.name}: failed", *[NOTHING] * 10)
    return (
        row.name,
        *(number(row.median(figure)) for figure in ("import_s", "load_s", "first_ms", "p50_ms", "p95_ms")),
        with_spread(row.figures.get("clips_per_s")),
        number(row.median("steps_per_s")),
        with_spread(row.figures.get("cpu_s_per_clip"), 1000),
        _ratio(row, results, "cpu_per_clip"),
        _ratio(row, results, "wall_per_clip"),
    )


def memory_and_start(results: Results) -> Table:
    """Every row: the memory it takes, and what it costs until the first result is there."""
    columns = (
        "row", "peak MB", "counter", "over the floor MB", "memory ratio", "private growth MB", "cold start, CPU s",
        "cold start ratio",
    )  # fmt: skip
    shown = [row for row in results.rows if row.status == "ok" and row.stage not in ("hold", MACHINE)]
    lines = tuple(
        (
            row.name,
            with_spread(row.figures.get("peak_bytes"), 1 / MIB),
            row.sources.get("peak_bytes", NOTHING),
            number(_megabytes(row, "over_floor_bytes")),
            _ratio(row, results, "memory"),
            number(_megabytes(row, "grown_bytes")),
            with_spread(row.figures.get("cold_cpu_s")),
            _ratio(row, results, "cold_start"),
        )
        for row in shown
    )
    title = "Memory of each process, and CPU time until its first result (import, load, first piece)"
    return Table(title, columns, lines, ("counter", "private growth MB"))


def reached(results: Results) -> Table:
    """What the machine needs for the work of a clip at best, and how much of that each row reaches."""
    lines = tuple(
        (
            row.name,
            _millions(row.median("multiply_adds_per_clip")),
            *(
                number(_milliseconds(row, figure))
                for figure in ("limit_multiply_s", "limit_decode_s", "limit_copy_s", "limit_cpu_s_per_clip",
                               "cpu_s_per_clip")
            ),
            _percent(row.median("reached")),
        )
        for row in results.rows
        if row.status == "ok" and row.stage != "hold" and row.median("reached") is not None
    )  # fmt: skip
    columns = (
        "row", "multiply-adds, millions", "at the GEMM peak ms", "decoding alone ms", "moving the clip ms",
        "at best ms", "CPU ms per clip", "reached",
    )  # fmt: skip
    own = next((row for row in results.rows if row.stage == MACHINE and row.status == "ok"), None)
    title = "Physical limits: what a clip costs at best on one thread of this machine"
    if own:
        title += (
            f" ({number(own.median('gemm_gflops'))} GFLOP/s, {own.sources.get('gemm_gflops', '')}; "
            f"{number(own.median('copy_gb_per_s'))} GB/s read and written)"
        )
    if any("int8" in row.name for row in results.rows):
        title += "; int8 products cost less than float32 ones, and may reach more than 100 %"
    return Table(title, columns, lines, ("moving the clip ms",))


def _ratio(row: RowResult, results: Results, name: str) -> str:
    """How many times that of the row it is compared with, which is named by what differs."""
    ratio = row.ratios.get(name)
    other = next((other for other in results.rows if other.name == row.compared_with), None)
    if ratio is None or other is None:
        return NOTHING
    return (
        f"{number(ratio.median)} × {(other.backend or other.name) if other.mode == row.mode else other.mode}"
    )


def _megabytes(row: RowResult, figure: str) -> float | None:
    value = row.median(figure)
    return None if value is None else value / MIB


def _milliseconds(row: RowResult, figure: str) -> float | None:
    value = row.median(figure)
    return None if value is None else 1000 * value


def _millions(value: float | None) -> str:
    return number(None if value is None else value / 1e6)


def _percent(share: float | None) -> str:
    return NOTHING if share is None else f"{number(100 * share)} %"
