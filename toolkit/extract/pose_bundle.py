"""Builds `pose_landmarker_full.task`, the network file that MediaPipe's PoseLandmarker opens.

MediaPipe's packages from 1.0 on ship no networks. The last release with them on board, 0.10.21 (Apache-2.0,
as the networks are), is fetched once with the user's own pip, opened as a plain archive (never installed, so
one wheel serves every operating system), and thrown away; two networks of it, 9.4 MB, stay in the user's
cache folder. Every file is checked against a pinned sha256, before and after. This module knows neither
landmarks nor the MediaPipe library.

Environment: SIGN_TOOLKIT_CACHE, another cache folder; SIGN_TOOLKIT_WHEELS, a folder that holds the wheel, for
machines without a network.
"""

from __future__ import annotations

import hashlib
import io
import os
import shlex
import struct
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from filelock import FileLock

from toolkit.errors import WeightsError
from toolkit.extract.cache_folder import cache_folder
from toolkit.extract.tflite_metadata import add_normalization

WHEEL_PROJECT = "mediapipe==0.10.21"
WHEEL_NAME = "mediapipe-0.10.21-cp311-cp311-manylinux_2_28_x86_64.whl"
WHEEL_SHA256 = "05dc4a9e593655a79558d05d6227d31018c2537a4bd3362b51e230cf22aecfe3"
# the tags that name this one wheel, whatever machine asks
PIP_DOWNLOAD = (
    "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--platform", "manylinux_2_28_x86_64",
    "--python-version", "3.11", "--implementation", "cp", "--abi", "cp311",
)  # fmt: skip

DETECTOR_MEMBER = "mediapipe/modules/pose_detection/pose_detection.tflite"
DETECTOR_SHA256 = "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c"
LANDMARKS_MEMBER = "mediapipe/modules/pose_landmark/pose_landmark_full.tflite"
LANDMARKS_SHA256 = "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f"

MODEL_ASSET_CURE = "or give a PoseLandmarker .task file of your own with --model_asset FILE. "

TASK_NAME = "pose_landmarker_full.task"
TASK_SHA256 = "eefdfc0ec983c193013ab685638de01380c2319d674064e145a6b0f1270a4849"
TASK_MEMBERS = ("pose_detector.tflite", "pose_landmarks_detector.tflite")  # the names PoseLandmarker asks for
LOCAL_HEADER_BYTES = 30  # of a zip entry, before its name and extra field
TASK_ALIGNMENT_BYTES = 64  # networks are used in place; TFLite copies tensors that are not aligned


def pose_landmarker_task() -> Path:
    """The network file in the cache folder; builds it on first use (a 35.6 MB download).

    Safe to call from many processes at once: one builds, the others wait.

    Raises:
        WeightsError: the wheel cannot be had (no network, no pip), a file differs from its pinned hash, or
            the cache folder cannot be written.
    """
    folder = cache_folder()
    task = folder / TASK_NAME
    if task.is_file() and sha256_of(task) == TASK_SHA256:
        return task
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f"{TASK_NAME}.lock"):
            if not (task.is_file() and sha256_of(task) == TASK_SHA256):
                _build_in(folder)
    except WeightsError:
        raise
    except OSError as error:
        raise WeightsError(
            f"cannot write the pose network to {folder} ({error}). "
            "Set SIGN_TOOLKIT_CACHE to a folder that can be written and has 50 MB to spare"
        ) from error
    return task


def sha256_of(path: Path) -> str:
    """Hexadecimal sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def own_packages() -> Path | None:
    """The folder with the user's own copies of packages, SIGN_TOOLKIT_WHEELS; None where it is not set."""
    chosen = os.environ.get("SIGN_TOOLKIT_WHEELS")
    return Path(chosen).expanduser() if chosen else None


def find_wheel(folder: Path, own: Path | None = None, last_cure: str = MODEL_ASSET_CURE) -> Path:
    """The pinned wheel: the user's own copy, or downloaded into `folder` with pip.

    own: the folder with the user's copy (default: SIGN_TOOLKIT_WHEELS); last_cure: what else the user can do.

    Raises:
        WeightsError: neither way gives it, or it is another file than the pinned one.
    """
    own = own if own is not None else own_packages()
    wheel = (own if own is not None else folder) / WHEEL_NAME
    if own is not None and not wheel.is_file():
        raise WeightsError(f"a folder of packages is set, but there is no file {wheel}. {_cure(last_cure)}")
    if own is None:
        _download(folder, last_cure)
    found = sha256_of(wheel)
    if found != WHEEL_SHA256:
        raise WeightsError(
            f"{wheel} is not the pinned file: its sha256 is {found}, expected {WHEEL_SHA256}. "
            f"Delete it and get it again from a source you trust. {_cure(last_cure)}"
        )
    return wheel


def task_bytes(wheel: Path) -> bytes:
    """The .task archive made of the two networks in the wheel; the same bytes on every machine.

    Raises:
        WeightsError: the wheel lacks a network, or one differs from its pinned hash.
    """
    with zipfile.ZipFile(wheel) as archive:
        detector = read_member(archive, DETECTOR_MEMBER, DETECTOR_SHA256)
        landmarks = read_member(archive, LANDMARKS_MEMBER, LANDMARKS_SHA256)
    # The detector's graph scales its own input; that of the landmark network asks the metadata (0..1 wanted).
    networks = (detector, add_normalization(landmarks, mean=0.0, std=255.0))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, network in zip(TASK_MEMBERS, networks, strict=True):
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system = 3  # otherwise the bytes depend on the operating system
            # an extra field of zeros moves the data to an aligned position (the id is zipalign's)
            gap = -(buffer.tell() + LOCAL_HEADER_BYTES + len(name) + 4) % TASK_ALIGNMENT_BYTES
            entry.extra = struct.pack("<HH", 0xD935, gap) + bytes(gap)
            archive.writestr(entry, network)
    return buffer.getvalue()


def read_member(archive: zipfile.ZipFile, member: str, sha256: str) -> bytes:
    """One file of the wheel.

    Raises:
        WeightsError: the wheel lacks it, or it differs from its pinned hash.
    """
    try:
        content = archive.read(member)
    except KeyError as error:
        raise WeightsError(f"{archive.filename} holds no {member}; it is not {WHEEL_NAME}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise WeightsError(f"{member} in {archive.filename} has sha256 {found}, expected {sha256}")
    return content


def _build_in(folder: Path) -> None:
    # One folder for the wheel and the half-written file, gone afterwards whatever happens.
    with tempfile.TemporaryDirectory(dir=folder, prefix="building-") as workplace:
        content = task_bytes(find_wheel(Path(workplace)))
        found = hashlib.sha256(content).hexdigest()
        if found != TASK_SHA256:
            raise WeightsError(
                f"the pose network built from {WHEEL_NAME} has sha256 {found}, expected {TASK_SHA256}. "
                "This is a fault of this release; --model_asset FILE uses a .task file of your own"
            )
        half_written = Path(workplace) / TASK_NAME
        half_written.write_bytes(content)
        half_written.replace(folder / TASK_NAME)


def _download(folder: Path, last_cure: str) -> None:
    """Fetch the wheel with this Python's pip, so that the user's mirrors, proxies and certificates apply."""
    quiet = ("--quiet", "--disable-pip-version-check", "--no-input")
    command = [sys.executable, *PIP_DOWNLOAD, *quiet, "--dest", str(folder), WHEEL_PROJECT]
    print(f"first use: fetching {WHEEL_PROJECT} (35.6 MB) to build the pose network", file=sys.stderr)
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if result.returncode != 0 or not (folder / WHEEL_NAME).is_file():
        lines = [line.strip() for line in (result.stderr or result.stdout).splitlines() if line.strip()]
        said = " / ".join(lines[-3:]) or f"nothing (exit status {result.returncode})"
        raise WeightsError(
            f"the pose network could not be fetched. Tried: {shlex.join(command)}\n"
            f"pip said: {said}\n{_cure(last_cure)}"
        )


def _cure(last: str) -> str:
    fetch = shlex.join(["python", *PIP_DOWNLOAD, WHEEL_PROJECT])
    return (
        "Cures: connect this machine to a package index; or put that wheel into a folder and set "
        f"SIGN_TOOLKIT_WHEELS to the folder (on a machine with a network: {fetch}); "
        f"{last}Where pip itself is missing: python -m ensurepip"
    )
