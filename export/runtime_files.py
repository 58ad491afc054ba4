"""Which modules of this package a program needs to run, read from their source: nothing is imported.

Imports inside functions count, those for type checkers do not. A module that is named in a string (the table of
extractors) cannot be seen: the caller names it as a root.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

PACKAGE = "toolkit"
ROOT = Path(__file__).resolve().parent.parent


class Needed(NamedTuple):
    """modules: dotted name -> source file, in the order of names; outside: top-level packages from elsewhere."""

    modules: dict[str, Path]
    outside: set[str]


def needed_by(program: Path, roots: Iterable[str] = ()) -> Needed:
    """Everything that `program` and the modules `roots` import, directly or through each other.

    program: a Python file outside of the package; roots: dotted names of modules in it.
    """
    found: dict[str, Path] = {}
    outside: set[str] = set()
    waiting = [*roots, *imported_names(program)]
    while waiting:
        name = waiting.pop()
        top = name.partition(".")[0]
        if top != PACKAGE:
            if top not in sys.stdlib_module_names:
                outside.add(top)
            continue
        file = module_file(name)
        if file is None or name in found:
            continue  # a name inside a module, whose module is in the list as well
        found[name] = file
        waiting += [name.rpartition(".")[0] or PACKAGE, *imported_names(file)]
    return Needed(dict(sorted(found.items())), outside)


def imported_names(file: Path) -> set[str]:
    """Dotted names that the file may import; `from a import b` gives both a and a.b, since b may be a module."""
    names: set[str] = set()
    waiting: list[ast.AST] = [ast.parse(file.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.orelse
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        waiting += ast.iter_child_nodes(node)
    return names


def module_file(name: str) -> Path | None:
    """The source of a module or package, None where there is none of that name."""
    place = ROOT.joinpath(*name.split("."))
    for file in (place.with_suffix(".py"), place / "__init__.py"):
        if file.is_file():
            return file
    return None
