"""Where a run directory keeps its checkpoints. Needs no torch, so that a wrong path is told at once."""

from __future__ import annotations

from pathlib import Path

from toolkit.errors import ConfigError
from toolkit.untrusted import listed


def checkpoint_file(run_dir: Path, which: str = "best") -> Path:
    """The file of one checkpoint of a run. which: "best" (by validation) or "last".

    Raises:
        ConfigError: no such run or checkpoint.
    """
    path = run_dir / f"{which}.safetensors"
    if not path.is_file():
        runs = listed(sorted(str(found.parent) for found in run_dir.parent.glob("*/last.safetensors")))
        hint = f" Runs beside it: {runs}." if runs else ""
        raise ConfigError(
            f"there is no checkpoint {path}. A run directory is what `toolkit train` prints at its end.{hint}"
        )
    return path
