"""The hash of an ONNX network, of the files included that it keeps its weights in.

torch.onnx.export writes large weights beside the .onnx file. Without them the hash would stay the same when the
weights change. The file is searched for their names without the onnx package, which a recogniser does not need.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from toolkit.errors import ModelFileError

# TensorProto.external_data is a list of StringStringEntryProto: field 1 the key, field 2 the value, each behind its
# length in one byte (names of 128 bytes and more take two).
_LOCATION = re.compile(rb"\x0a\x08location\x12(?:([\x01-\x7f])|([\x80-\xff])([\x01-\x7f]))")
_HASHED_AT_ONCE = 2**20


def model_digest(path: Path) -> str:
    """SHA-256 of an ONNX file, and of its weight files if it has some: 64 hexadecimal digits.

    Raises:
        ModelFileError: a weight file cannot be read or lies outside of the folder of the .onnx file.
    """
    content = path.read_bytes()
    digest = hashlib.sha256(content)
    for name in sorted(external_files(content)):
        beside = path.parent / name
        if not beside.resolve().is_relative_to(path.parent.resolve()):
            raise ModelFileError(
                f"{path} keeps its weights in {name}, outside of its folder; export it again"
            )
        try:
            with beside.open("rb") as file:
                while block := file.read(_HASHED_AT_ONCE):
                    digest.update(block)
        except OSError as error:
            raise ModelFileError(
                f"{path} keeps its weights in {name}, which cannot be read ({error.strerror}); keep the two "
                "files together"
            ) from error
    return digest.hexdigest()


def external_files(content: bytes) -> set[str]:
    """Names of the weight files that an ONNX file refers to, relative to its folder."""
    names = set()
    for match in _LOCATION.finditer(content):
        short, low, high = match.groups()
        length = short[0] if short else (low[0] & 127) | high[0] << 7
        encoded = content[match.end() : match.end() + length]
        try:
            names.add(encoded.decode("utf-8"))
        except UnicodeDecodeError:
            continue  # weights that happen to look like it
    return names
