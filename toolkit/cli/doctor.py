"""Look whether this computer is ready: versions, networks, processor, memory, cameras, optional packages.

One line each, green or red; a red one says what to do about it. What is marked optional is only needed for what
the line names.

examples:
  toolkit doctor
  toolkit doctor --json

--json prints as the last line {"ok": whether all that is required is right, "findings": [{"name", "ok",
"required", "found", "cure"}, ...]}.
exit status: 0 all that is required is right; 2 something is to be put right.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from toolkit.cli.flags import Parser

if TYPE_CHECKING:
    from toolkit.doctor import Finding

SUMMARY = "look whether this computer is ready, and say what to do where it is not"


def add_flags(parser: Parser) -> None:
    parser.json_flag()


def run(args: argparse.Namespace) -> int:
    import json

    from toolkit.doctor import examine, is_ready
    from toolkit.machine import activation

    show, findings = _printer(), []
    for finding in examine():
        findings.append(finding)
        for line in _lines(finding):
            show(line, "green" if finding.ok else "red")
    ready = is_ready(findings)
    if ready:
        show("This computer is ready.", "bold green")
    else:
        wrong = [finding.name for finding in findings if finding.required and not finding.ok]
        show(f"To be put right: {', '.join(wrong)}.", "bold red")
    if any("pip" in finding.cure for finding in findings) and (command := activation()):
        show(f"So that pip is this environment's, activate it first: {command}", "")
    if args.json:
        print(json.dumps({"ok": ready, "findings": [finding._asdict() for finding in findings]}))
    return 0 if ready else 2


def _lines(finding: Finding) -> list[str]:
    mark = "ok" if finding.ok else "WRONG" if finding.required else "no"
    optional = "" if finding.ok or finding.required else " (optional)"
    lines = [f"{mark:5s}  {finding.name:28s}  {finding.found}{optional}"]
    return lines if finding.ok else [*lines, f"{'':37s}cure: {finding.cure}"]


def _printer() -> Callable[[str, str], None]:
    """print(line, style), in colour on a terminal; without rich, which may be what is missing, without colour."""
    try:
        from rich.text import Text

        from toolkit.cli.console import plain_console
    except ImportError:
        return lambda line, style: print(line)
    console = plain_console(soft_wrap=True)
    return lambda line, style: console.print(Text(line, style))
