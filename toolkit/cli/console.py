"""The terminal, for texts that people chose: names of glosses, files and signers.

rich reads [words in brackets] as styles and :words: as pictures, and stops at what it cannot read. Names may hold all
of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def plain_console(stderr: bool = False, soft_wrap: bool = False, width: int | None = None) -> Console:
    """Prints texts, and the cells of tables, as they are."""
    from rich.console import Console

    return Console(
        stderr=stderr, soft_wrap=soft_wrap, width=width, markup=False, emoji=False, highlight=False
    )
