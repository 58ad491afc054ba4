"""The ONNX networks that ship with the package: where they are, and that they are the right ones.

README.md beside this file says where each network comes from and how it was made.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from toolkit.errors import WeightsError

SHA256 = {
    "efficientnet_lite0.onnx": "c7b985605150c8453d341e919ebd7d3a127d705b933b0b501c822825c169fab7",
    "efficientnet_lite0_int8.onnx": "6441d4e9b0258ed2d0c1d0fb6b96e09d0656a5c8e2281ba22fe63d6dea714965",
    "pose_detector.onnx": "5f60d720f57e03ddc6817a985e578d0252d6faff755c08e4af016602554cf088",
    "pose_landmarks_full.onnx": "5a0d228994ec32bb8ab674c52b4b89462131d2ccab4e6645162b20708ecdb6df",
    "pose_landmarks_lite.onnx": "5635f75ecc2b4e677eb69412a950803c2fff3c86b07704f867909fc7c5230de4",
    "hand_recrop.onnx": "9c25dbad412fd8f474d9ea10a2b05f2f972f102129cee26af8971a1f6e2b5f35",
    "hand_landmarks_full.onnx": "26c8f909dbb8c37b78a1786a8c876957d737e760fb92cb3d9de4d01632307e3f",
    "hand_landmarks_lite.onnx": "6b3a6afed2f3b1d11e897ce30be93f861d64f6c9186bea770bc6726b5b6f5011",
}
"""File name -> SHA-256 of the file; a new export must be entered here."""
NUMBERS = {"pose_detector.onnx": "615eb5c4f0baa26300578cdabff24d59662456e657cfb7fdd6329075ff031ff8"}
"""File name -> SHA-256 of the file as it was before the same numbers were stored in less room."""


def weights_sha256(name: str) -> str:
    """The expected hash of a shipped network, 64 hexadecimal digits.

    Raises:
        WeightsError: no network of that name ships.
    """
    if name not in SHA256:
        raise WeightsError(f"no network '{name}' ships with this package; there is: {', '.join(SHA256)}")
    return SHA256[name]


def numbers_sha256(name: str) -> str:
    """What stores and models name a shipped network by: the same for every file that computes the same bits.

    Raises:
        WeightsError: no network of that name ships.
    """
    return NUMBERS.get(name) or weights_sha256(name)


FOLDER_VARIABLE = "SIGN_TOOLKIT_WEIGHTS"
"""Environment variable: a folder with the networks, as in a bundle, to use instead of the installed ones."""
_chosen_folder: ContextVar[Path | None] = ContextVar("weights folder", default=None)


@contextmanager
def weights_from(folder: Path | None) -> Iterator[None]:
    """Take networks from this folder while the context lasts; None changes nothing."""
    token = _chosen_folder.set(folder if folder is not None else _chosen_folder.get())
    try:
        yield
    finally:
        _chosen_folder.reset(token)


def weights_folder() -> Path:
    """Where networks are taken from: `weights_from`, else SIGN_TOOLKIT_WEIGHTS, else the installed package."""
    chosen = _chosen_folder.get()
    if chosen is not None:
        return chosen
    named = os.environ.get(FOLDER_VARIABLE)
    return Path(named) if named else Path(__file__).parent


def weights_path(name: str, folder: Path | None = None) -> Path:
    """Path of a shipped network after its hash was checked (about 10 ms for 7 MB).

    folder: where to look instead of in `weights_folder()`.

    Raises:
        WeightsError: no such network ships, or its file is missing or damaged.
    """
    expected = weights_sha256(name)
    installed, folder = Path(__file__).parent, folder or weights_folder()
    path = folder / name
    cure = "install the package again: pip install --force-reinstall --no-deps sign-toolkit"
    if (installed.parents[1] / "recognize.py").is_file():
        cure = "this is a bundle: copy or unpack it again"
    elif folder != installed:
        cure = f"copy it again from a bundle, or from {installed}"
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
