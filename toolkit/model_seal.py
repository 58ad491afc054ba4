"""The checksum of a model file, inside of the file: one byte changed on the way, and it is not opened.

The last bytes of a file that `toolkit export` writes are one more metadata entry, `sign_toolkit.sha256`, with the
SHA-256 of all bytes before it. To every ONNX runtime it is an entry like any other (protobuf appends repeated
fields). Against damage only: whoever changes a model on purpose can seal it again.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from toolkit.errors import ModelFileError

KEY = "sign_toolkit.sha256"
_DIGITS = 64  # of a SHA-256, hexadecimal
_ENTRY = b"\x0a%c%s\x12%c" % (len(KEY), KEY.encode(), _DIGITS)  # StringStringEntryProto: key = 1, value = 2
_HEAD = b"\x72%c%s" % (len(_ENTRY) + _DIGITS, _ENTRY)  # ModelProto.metadata_props = 14
SIZE = len(_HEAD) + _DIGITS
"""Bytes of a seal."""
_AT_ONCE = 1 << 16


def sealed(model: bytes) -> bytes:
    """The file of a model: its bytes, and their checksum."""
    return model + _HEAD + hashlib.sha256(model).hexdigest().encode()


def check_seal(path: Path) -> None:
    """Compare a file with its checksum; a file without one passes.

    Raises:
        ModelFileError: the file is not what was written.
    """
    with path.open("rb") as file:
        left = max(0, path.stat().st_size - SIZE)
        digest = hashlib.sha256()
        while left:  # piece by piece: the file's size is not this process's to take
            piece = file.read(min(left, _AT_ONCE))
            digest.update(piece)
            left -= len(piece)
        tail = file.read()
    if tail.startswith(_HEAD) and tail != _HEAD + digest.hexdigest().encode():
        raise ModelFileError(
            f"{path} is damaged or was changed after it was exported: its checksum differs. Copy it again, or export "
            "it again with: toolkit export RUN --output model.onnx"
        )
