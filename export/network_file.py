"""How a command of this package writes a network: whole or not at all, and with the hash that is to be entered.

This module knows no network.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path

import onnx

from toolkit.errors import ExportError, ToolkitError
from toolkit.whole_file import write_whole


def check_output(output: Path) -> None:
    """To be called before the work.

    Raises:
        ExportError: there is no folder to write to.
    """
    if not output.parent.is_dir():
        raise ExportError(f"the folder {output.parent} does not exist; create it or choose another --output")


def write_network(model: onnx.ModelProto, output: Path) -> None:
    """Write the model beside `output` and move it there; the same model gives the same bytes.

    Raises:
        ExportError: the folder cannot be written.
    """
    try:
        write_whole(output, model.SerializeToString(deterministic=True))
    except OSError as error:
        raise ExportError(f"{output} cannot be written: {error.strerror}. Give another --output") from error


def run_command(name: str, output: Path, write: Callable[[], str]) -> int:
    """Call `write`, which writes `output` and returns what to say about it; returns the exit status (2: the user
    can fix it). name: of the command, before the text of an error."""
    try:
        about = write()
    except ToolkitError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    content = output.read_bytes()
    print(f"{output}: {len(content)} bytes; {about}")
    print(f"SHA-256 for toolkit/weights/__init__.py: {hashlib.sha256(content).hexdigest()}")
    return 0
