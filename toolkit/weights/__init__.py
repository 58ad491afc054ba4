"""The ONNX networks that ship with the package: where they are, and that they are the right ones.

README.md beside this file says where each network comes from and how it was made.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from toolkit.errors import WeightsError

SHA256 = {
    "efficientnet_lite0.onnx": "c3421615f1a3b46076288c7f43a17ad5a00a5bd3c01fc955140c1befe6382d6a",
}
"""File name -> SHA-256 of the file; a new export must be entered here."""


def weights_sha256(name: str) -> str:
    """The expected hash of a shipped network, 64 hexadecimal digits.

    Raises:
        WeightsError: no network of that name ships.
    """
    if name not in SHA256:
        raise WeightsError(f"no network '{name}' ships with this package; there is: {', '.join(SHA256)}")
    return SHA256[name]


def weights_path(name: str, folder: Path = Path(__file__).parent) -> Path:
    """Path of a shipped network after its hash was checked (about 10 ms for 7 MB).

    folder: where to look instead of in the installed package.

    Raises:
        WeightsError: no such network ships, or its file is missing or damaged.
    """
    expected = weights_sha256(name)
    path = folder / name
    cure = "install the package again: pip install --force-reinstall --no-deps sign-toolkit"
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"the network {path} cannot be read ({error.strerror}); {cure}") from error
    if found != expected:
        raise WeightsError(
            f"the network {path} is damaged: its SHA-256 is {found[:16]}..., "
            f"{expected[:16]}... was expected; {cure}"
        )
    return path
