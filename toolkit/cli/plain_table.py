"""A table as lines of text, aligned, with the standard library alone: a recogniser's first answer waits for it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from itertools import zip_longest


def table_lines(headings: Sequence[str], rows: Sequence[Sequence[str]], right: frozenset[str]) -> list[str]:
    """The heading and the rows; columns named in `right` end at one place, the others begin at one.

    On a terminal the last column is cut at its edge; elsewhere nothing is cut.
    """
    widths = [max(map(len, column)) for column in zip_longest(headings, *rows, fillvalue="")]
    lines = []
    for row in (headings, *rows):
        cells = [
            cell.rjust(width) if heading in right else cell.ljust(width)
            for cell, width, heading in zip(row, widths, headings, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    if not sys.stdout.isatty():
        return lines
    edge = shutil.get_terminal_size().columns
    before = sum(widths[:-1]) + 2 * (len(widths) - 1)
    if edge < before + 10:  # too narrow for all but the last: let the terminal fold the lines
        return lines
    return [line if len(line) <= edge else line[: edge - 1] + "…" for line in lines]
