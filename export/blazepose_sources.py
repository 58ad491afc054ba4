"""Where the BlazePose and hand networks come from: two published packages, every file pinned by its hash.

Five networks are in the MediaPipe wheel that toolkit/extract/pose_bundle.py fetches with pip; the lite pose
landmark network is only in the npm package @mediapipe/pose. Both are opened as archives, nothing of them is
installed or run. This module knows no network format.
"""

from __future__ import annotations

import base64
import hashlib
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from toolkit.errors import WeightsError
from toolkit.extract.pose_bundle import (
    DETECTOR_MEMBER,
    DETECTOR_SHA256,
    LANDMARKS_MEMBER,
    LANDMARKS_SHA256,
    WHEEL_PROJECT,
    find_wheel,
    own_packages,
    read_member,
)

NPM_PROJECT = "@mediapipe/pose@0.5.1675469404"
NPM_NAME = "mediapipe-pose-0.5.1675469404.tgz"
NPM_INTEGRITY = (
    "sha512-DFZsNWTsSphRIZppnUCuunzBiHP2FdJXR9ehc7mMi4KG+oPaOH0Em3d6kr7Py+TSyTXC1doH88KcF28k2sBxsQ=="
)
"""As the registry publishes it and as package-lock files record it."""
PACKAGES_CURE = "or give a folder that holds both packages with --packages FOLDER. "


@dataclass(frozen=True)
class Source:
    """project: package and release, as its installer spells it; member: path inside; sha256: of that file."""

    project: str
    member: str
    sha256: str


DETECTOR = Source(WHEEL_PROJECT, DETECTOR_MEMBER, DETECTOR_SHA256)
POSE_FULL = Source(WHEEL_PROJECT, LANDMARKS_MEMBER, LANDMARKS_SHA256)
POSE_LITE = Source(
    NPM_PROJECT,
    "package/pose_landmark_lite.tflite",
    "f17bfbecadb61c3be1baa8b8d851cc6619c870a87167b32848ad20db306b9d61",
)
HAND_RECROP = Source(
    WHEEL_PROJECT,
    "mediapipe/modules/holistic_landmark/hand_recrop.tflite",
    "67d996ce96f9d36fe17d2693022c6da93168026ab2f028f9e2365398d8ac7d5d",
)
HAND_FULL = Source(
    WHEEL_PROJECT,
    "mediapipe/modules/hand_landmark/hand_landmark_full.tflite",
    "11c272b891e1a99ab034208e23937a8008388cf11ed2a9d776ed3d01d0ba00e3",
)
HAND_LITE = Source(
    WHEEL_PROJECT,
    "mediapipe/modules/hand_landmark/hand_landmark_lite.tflite",
    "048edd3645c9bf7397d19a9f6e3a42957d6e414c9bea6598030a2e9b624156e6",
)
SOURCES = (DETECTOR, POSE_FULL, POSE_LITE, HAND_RECROP, HAND_FULL, HAND_LITE)


def read_sources(packages: Path | None = None) -> dict[Source, bytes]:
    """The six networks as published, read from the packages in a folder or from freshly fetched ones.

    packages: a folder that holds both packages (default: SIGN_TOOLKIT_WHEELS; without that they are fetched,
    77 MB, with this Python's pip and with npm, and thrown away).

    Raises:
        WeightsError: a package cannot be had, or a file is not the pinned one.
    """
    own = packages if packages is not None else own_packages()
    with tempfile.TemporaryDirectory(prefix="sign-toolkit-") as workplace:
        wheel = find_wheel(Path(workplace), own, PACKAGES_CURE)
        tarball = find_tarball(Path(workplace), own)
        with zipfile.ZipFile(wheel) as archive:
            found = {
                source: read_member(archive, source.member, source.sha256)
                for source in SOURCES
                if source.project == WHEEL_PROJECT
            }
        found[POSE_LITE] = _read_from_tarball(tarball, POSE_LITE)
    return found


def find_tarball(folder: Path, own: Path | None = None) -> Path:
    """The pinned npm package: the user's copy in the folder `own`, or fetched into `folder` with npm.

    Raises:
        WeightsError: neither way gives it, or it is another file than the pinned one.
    """
    tarball = (own if own is not None else folder) / NPM_NAME
    if own is None:
        _npm_pack(folder)
    elif not tarball.is_file():
        raise WeightsError(f"a folder of packages is set, but there is no file {tarball}. {_cure()}")
    with tarball.open("rb") as file:
        digest = hashlib.file_digest(file, "sha512").digest()
    if f"sha512-{base64.b64encode(digest).decode()}" != NPM_INTEGRITY:
        raise WeightsError(
            f"{tarball} is not the pinned file: its sha512 is {digest.hex()[:16]}..., another was expected. "
            f"Delete it and get it again from a source you trust. {_cure()}"
        )
    return tarball


def _read_from_tarball(tarball: Path, source: Source) -> bytes:
    with tarfile.open(tarball) as archive:
        member = archive.extractfile(source.member)
        content = member.read() if member is not None else b""
    found = hashlib.sha256(content).hexdigest()
    if found != source.sha256:
        raise WeightsError(f"{source.member} in {tarball} has sha256 {found}, expected {source.sha256}")
    return content


def _npm_pack(folder: Path) -> None:
    """Fetch the package with the user's npm, so that mirrors, proxies and certificates apply."""
    npm = shutil.which("npm")
    if npm is None:
        raise WeightsError(f"npm, which fetches {NPM_PROJECT}, is not installed. {_cure()}")
    command = [npm, "pack", NPM_PROJECT, "--pack-destination", str(folder), "--silent"]
    print(f"fetching {NPM_PROJECT} (41 MB) for the lite pose network", file=sys.stderr)
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if result.returncode != 0 or not (folder / NPM_NAME).is_file():
        lines = [line.strip() for line in result.stderr.splitlines() if line.strip()]
        said = " / ".join(lines[-3:]) or f"nothing (exit status {result.returncode})"
        raise WeightsError(
            f"the lite pose network could not be fetched. Tried: npm {shlex.join(command[1:])}\n"
            f"npm said: {said}\n{_cure()}"
        )


def _cure() -> str:
    return (
        f"Cures: on a machine with npm and a registry, run: npm pack {NPM_PROJECT}; put the file beside the "
        "MediaPipe wheel and give that folder with --packages FOLDER or SIGN_TOOLKIT_WHEELS"
    )
