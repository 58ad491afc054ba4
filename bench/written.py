"""Figures as text, and a table of them; the terminal, Markdown and HTML all write them this way."""

from __future__ import annotations

from typing import NamedTuple

from bench.guide import GIB, KIB, MIB
from bench.measure import Summary

NOTHING = "–"
PROSE = (
    "CPU ratio",
    "wall ratio",
    "memory ratio",
    "cold start ratio",
    "verdict",
    "guide",
    "counter",
    "ratio",
)
"""Columns of words, drawn from the left."""


class Table(NamedTuple):
    """rows: cells of each line, as many as columns. details: columns that a narrow terminal can do without."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    details: tuple[str, ...] = ()

    def is_prose(self, place: int) -> bool:
        """Whether the cells of a column are words rather than figures."""
        return self.columns[place] in PROSE

    def brief(self) -> Table:
        """Without the details."""
        kept = [place for place, column in enumerate(self.columns) if column not in self.details]
        rows = tuple(tuple(cells[place] for place in kept) for cells in self.rows)
        return Table(self.title, tuple(self.columns[place] for place in kept), rows)


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
    """Three digits that count, two of small ones."""
    if value is None:
        return NOTHING
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) < 0.095:
        return f"{value:.2g}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def with_spread(summary: Summary | None, factor: float = 1.0) -> str:
    """Median, and half the range around it in percent where there is more than one value."""
    if summary is None:
        return NOTHING
    spread = f" ±{50 * summary.spread:.0f}%" if len(summary.values) > 1 else ""
    return number(summary.median * factor) + spread
