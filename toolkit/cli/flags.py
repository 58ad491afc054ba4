"""How flags look: every name in the guide's spelling (--json_path) and with dashes (--json-path)."""

from __future__ import annotations

import argparse
import difflib
import sys
from pathlib import Path
from typing import Any, NoReturn


class Parser(argparse.ArgumentParser):
    """argparse with both spellings of every flag, and the nearest right word for a mistyped one."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        options.setdefault("allow_abbrev", False)
        super().__init__(**options)
        self.hints: dict[str, str] = {}

    def flag(self, name: str, **options: Any) -> None:
        """Add `--a_name`, also accepted as `--a-name`."""
        spellings = [f"--{name}"] + ([f"--{name.replace('_', '-')}"] if "_" in name else [])
        self.add_argument(*spellings, dest=name, **options)

    def json_flag(self) -> None:
        self.flag("json", action="store_true", help="print one JSON object as the last line of stdout")

    def log_flag(self) -> None:
        self.flag("log_file", type=Path, metavar="FILE", help="append one JSON line per event of the run")

    def hint(self, wrong: str, right: str) -> None:
        """Say `right` to who gives the flag `wrong`, as other programs call it."""
        self.hints[wrong] = f" Did you mean {right}?"

    def known_flags(self) -> list[str]:
        return sorted(self._option_string_actions)

    def error(self, message: str) -> NoReturn:
        """Exit with status 2, one line on what is wrong and one on where to read more."""
        print(f"{self.prog}: {message}", file=sys.stderr)
        print(f"Try: {self.prog} --help", file=sys.stderr)
        raise SystemExit(2)


def nearest(word: str, known: list[str]) -> str:
    """' Did you mean X?' for a near miss, an empty string otherwise."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f" Did you mean {close[0]}?" if close else ""
