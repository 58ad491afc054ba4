"""A result as terminal tables, Markdown, HTML and one picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from bench.guide import GUIDE_BATCH, GUIDE_FRAMES, PER_BATCH, clip_bytes
from bench.html_page import HTML, to_html
from bench.results import Results
from bench.scale_picture import SCALE_PICTURE, draw_scale
from bench.tables import all_tables, failures, method
from bench.written import Table, number, size
from toolkit.untrusted import MIB

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from rich.console import Console

MARKDOWN, PICTURE = "results.md", "results.png"
GUIDE_SIZES = (GUIDE_FRAMES, GUIDE_BATCH)
WIDE = 150  # columns of a terminal that the whole tables fit into
COLOURS = {"pose": "#3b7dd8", "features": "#e39b32", "video": "#8a8f98"}


def write_files(results: Results, folder: Path) -> list[Path]:
    """results.html, results.md and results.png in the folder; returns their paths."""
    page, markdown, picture = folder / HTML, folder / MARKDOWN, folder / PICTURE
    page.write_text(to_html(results), encoding="utf-8")
    markdown.write_text(to_markdown(results), encoding="utf-8")
    draw(results, picture)
    if results.scale is None:
        return [page, markdown, picture]
    draw_scale(results.scale, folder / SCALE_PICTURE)
    return [page, markdown, picture, folder / SCALE_PICTURE]


def print_tables(results: Results, console: Console) -> None:
    """Tables, then what failed and what to keep in mind."""
    for table in all_tables(results):
        print_table(table, console)
    for line in [*failures(results), *results.notes, *method(results)]:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def print_table(whole: Table, console: Console) -> None:
    """On a terminal that is too narrow, without the details."""
    from rich.table import Table as RichTable

    table = whole if console.width >= WIDE else whole.brief()
    drawn = RichTable(title=table.title, title_justify="left")
    for place, column in enumerate(table.columns):
        drawn.add_column(column, justify="left" if place == 0 or table.is_prose(place) else "right")
    for cells in table.rows:
        drawn.add_row(*cells)
    console.print(drawn)


def to_markdown(results: Results) -> str:
    """The whole result as one page."""
    parts = [
        "# What poses, features and videos cost",
        f"![memory, speed and peak memory of the modes]({PICTURE})",
    ]
    if results.scale is not None:
        parts.append(f"![time per clip and memory as the work grows]({SCALE_PICTURE})")
    for table in all_tables(results):
        parts += [f"## {table.title}", _markdown_table(table)]
    failed = failures(results)
    if failed:
        parts += ["## What failed", _bullets(failed)]
    parts += ["## How it was measured", _bullets([*results.notes, *method(results)])]
    return "\n\n".join(parts) + "\n"


def draw(results: Results, path: Path) -> None:
    """Bytes per batch beside the guide's, clips per second and peak memory of the modes that were measured."""
    from matplotlib.figure import Figure  # Figure alone draws without a display
    from matplotlib.ticker import MultipleLocator

    modes = list(results.options["modes"])
    frames, batch = results.options["num_frames"], results.options["batch_size"]
    figure = Figure(figsize=(12, 4), layout="constrained")
    memory, speed, peak = figure.subplots(1, 3)
    bytes_of = {
        "guide": [float(PER_BATCH[mode]) if (frames, batch) == GUIDE_SIZES else 0.0 for mode in modes],
        "sum": [float(clip_bytes(mode, frames) * batch) for mode in modes],
        "real": [_median(results, "hold", mode, "held_bytes_per_batch") for mode in modes],
    }
    _bars(
        memory,
        modes,
        bytes_of,
        f"RAM per batch of {batch}: guide, arithmetic, measured",
        "bytes",
        size,
        log=True,
    )
    for axes, figure_name, unit, title, written, log in (
        (speed, "clips_per_s", "clips/s", "Throughput", number, True),
        (peak, "peak_bytes", "MB (2^20 bytes)", "Peak memory of the process", size, False),
    ):
        stages = {
            stage: [_median(results, stage, mode, figure_name) for mode in modes]
            for stage in ("extract", "train")
        }
        _bars(axes, modes, stages, title, unit, written, log=log)
    peak.yaxis.set_major_locator(MultipleLocator(100 * MIB))
    peak.yaxis.set_major_formatter(lambda value, _: f"{value / MIB:.0f}")
    peak.set_ylim(bottom=0)
    figure.savefig(path, dpi=120)


def _bars(
    axes: Axes,
    modes: list[str],
    groups: dict[str, list[float]],
    title: str,
    unit: str,
    written: Callable[[float], str],
    log: bool,
) -> None:
    width = 0.84 / len(groups)
    for place, (name, values) in enumerate(groups.items()):
        at = [spot + (place - (len(groups) - 1) / 2) * width for spot in range(len(modes))]
        shade = 0.35 + 0.65 * (place + 1) / len(groups)
        drawn = axes.bar(at, values, width * 0.94, color=[COLOURS[mode] for mode in modes], alpha=shade)
        labels = [f"{name}\n{written(value).replace(' ', chr(10))}" if value else "" for value in values]
        axes.bar_label(drawn, labels, fontsize=7)
    axes.set_xticks(range(len(modes)), modes)
    axes.set_title(title, fontsize=10)
    axes.set_ylabel(unit)
    if log and any(value > 0 for values in groups.values() for value in values):
        axes.set_yscale("log")
    axes.margins(y=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def _median(results: Results, stage: str, mode: str, figure: str) -> float:
    row = results.find(stage, mode)
    return (row.median(figure) if row else None) or 0.0


def _markdown_table(table: Table) -> str:
    marks = ["---"] + ["---" if table.is_prose(place) else "---:" for place in range(1, len(table.columns))]
    lines = [table.columns, tuple(marks), *table.rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |" for cells in lines)


def _bullets(lines: list[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
