"""Is this computer ready? One finding per thing that the toolkit needs or could use, with the cure where it lacks.

Only what `pip install sign-toolkit` brings is imported; of optional packages it is asked whether they are there.
This module knows neither flags nor colours.
"""

from __future__ import annotations

import importlib
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from toolkit import machine
from toolkit.errors import ToolkitError, explain_import, install_line

PACKAGE = "sign-toolkit"
MODULES = {"opencv-python": "cv2"}
"""Packages whose module has another name."""
EXTRAS = {"train": "train and export", "mediapipe": "--backend mediapipe", "bench": "bench run"}
"""Optional extra -> what it is for."""
CODECS = ("h264", "hevc", "vp9", "av1", "mpeg4")
LEAST_MEMORY_MIB, LEAST_DISK_MIB = 300, 200
REINSTALL = f"pip install --force-reinstall {PACKAGE}"


class Finding(NamedTuple):
    """One line. ok: right as it is; required: the toolkit cannot do without; found: what there is; cure: what
    puts it right, "" if ok."""

    name: str
    ok: bool
    required: bool
    found: str
    cure: str = ""


def examine() -> Iterator[Finding]:
    """All findings, in the order to read them; never raises for what is wrong with the computer."""
    for name, required, check in CHECKS:
        try:
            yield from check()
        except (ToolkitError, ImportError, OSError, ValueError) as error:
            cure = REINSTALL if isinstance(error, ImportError) else "the message says what to do"
            yield Finding(name, False, required, str(error), cure)


def is_ready(findings: list[Finding]) -> bool:
    """Whether everything required is right."""
    return all(finding.ok for finding in findings if finding.required)


def _python() -> Iterator[Finding]:
    found, asked = sys.version.split()[0], metadata.metadata(PACKAGE)["Requires-Python"]
    yield Finding(PACKAGE, True, True, metadata.version(PACKAGE))
    yield _finding("python", _fits(found, asked), True, found, f"install a Python {asked}")


def _packages() -> Iterator[Finding]:
    for line in metadata.requires(PACKAGE) or ():
        name, bounds, extra = _requirement(line)
        if extra:
            continue
        cure = f'pip install "{name}{bounds}"'
        try:
            module = importlib.import_module(MODULES.get(name, name))
        except ImportError as error:
            yield Finding(name, False, True, str(explain_import(error)), cure)
            continue
        version = str(getattr(module, "__version__", "")) or metadata.version(name)
        yield _finding(name, _fits(version, bounds), True, version, cure)


def _providers() -> Iterator[Finding]:
    import onnxruntime

    providers = onnxruntime.get_available_providers()
    cure = f"pip install --force-reinstall onnxruntime (now {onnxruntime.__version__})"
    yield _finding("providers", "CPUExecutionProvider" in providers, True, ", ".join(providers), cure)


def _codecs() -> Iterator[Finding]:
    import av

    there = [name for name in CODECS if name in av.codecs_available]
    yield _finding(
        "video formats", "h264" in there, True, ", ".join(there), "pip install --force-reinstall av"
    )


def _networks() -> Iterator[Finding]:
    from toolkit.weights import SHA256, weights_path

    for name, digest in SHA256.items():
        try:
            size = weights_path(name).stat().st_size
        except ToolkitError as error:
            yield Finding(name, False, True, str(error), REINSTALL)
        else:
            yield Finding(name, True, True, f"{size / 1e6:.1f} MB, SHA-256 {digest[:12]} as it should be")


def _int8() -> Iterator[Finding]:
    from toolkit.weights import SHA256, weights_path

    for name in (name for name in SHA256 if "int8" in name):
        from toolkit.extract.cnn_selfcheck import int8_is_sound

        sound, cosine = int8_is_sound(weights_path(name))
        cure = "use --precision fp32 on this computer, or another release of onnxruntime"
        yield _finding("int8 arithmetic", sound, False, f"cosine {cosine:.4f} to float32", cure)


def _processor() -> Iterator[Finding]:
    features = machine.cpu_features()
    fast = not features or bool({"AVX2", "NEON"} & set(features))
    found = f"{machine.cpu_name()}, {machine.cores()} cores, {', '.join(features) or 'no vector instructions known'}"
    yield _finding("processor", fast, False, found, "all works, only slowly; use --network lite")


def _memory() -> Iterator[Finding]:
    total, available = machine.memory_mib()
    free = total if available is None else available
    found = f"{total:,.0f} MiB" + ("" if available is None else f", {available:,.0f} available")
    cure = f"close other programs: recognising a video takes up to {LEAST_MEMORY_MIB} MiB"
    yield _finding("memory", free >= LEAST_MEMORY_MIB, True, found, cure)


def _disk() -> Iterator[Finding]:
    from toolkit.extract.cache_folder import cache_folder

    folder = cache_folder()
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    for name, place in (("disk, this folder", Path.cwd()), ("disk, cache folder", there)):
        free = shutil.disk_usage(place).free / machine.MIB
        cure = f"free {LEAST_DISK_MIB} MiB on the disk of {place}"
        yield _finding(name, free >= LEAST_DISK_MIB, False, f"{free:,.0f} MiB free ({place})", cure)


def _cameras() -> Iterator[Finding]:
    found = machine.cameras()
    cure = "plug one in, and allow this user to open it (Linux: sudo usermod -aG video $USER); files work without"
    usable = any(not camera.endswith("may not open") for camera in found)
    yield _finding("cameras", usable, False, "; ".join(found) or "none", cure)


def _display() -> Iterator[Finding]:
    import cv2

    line = re.search(r"GUI:\s*(\S+)", cv2.getBuildInformation())
    windows = line is not None and line[1] != "NONE"
    found = "yes" if machine.has_display() else "none"
    if not windows:
        found += ", and this OpenCV shows no windows"
    cure = "log in at a screen with opencv-python installed, or use --headless and files"
    yield _finding("display", machine.has_display() and windows, False, found, cure)


def _extras() -> Iterator[Finding]:
    asked: dict[str, list[str]] = {extra: [] for extra in EXTRAS}
    for line in metadata.requires(PACKAGE) or ():
        name, _, extra = _requirement(line)
        if extra in asked:
            asked[extra].append(name)
    for extra, names in asked.items():
        missing = [name for name in names if not _is_installed(name)]
        found = f"for {EXTRAS[extra]}: " + (f"without {', '.join(missing)}" if missing else "installed")
        yield _finding(f"extra {extra}", not missing, False, found, install_line(extra))


CHECKS: tuple[tuple[str, bool, Callable[[], Iterator[Finding]]], ...] = (
    ("python", True, _python),
    ("packages", True, _packages),
    ("providers", True, _providers),
    ("video formats", True, _codecs),
    ("networks", True, _networks),
    ("int8 arithmetic", False, _int8),
    ("processor", False, _processor),
    ("memory", True, _memory),
    ("disk", False, _disk),
    ("cameras", False, _cameras),
    ("display", False, _display),
    ("extras", False, _extras),
)
"""(name if it fails altogether, required, the check)."""


def _finding(name: str, ok: bool, required: bool, found: str, cure: str) -> Finding:
    return Finding(name, ok, required, found, "" if ok else cure)


def _requirement(line: str) -> tuple[str, str, str]:
    """A line of `importlib.metadata.requires` -> name, version bounds, the extra it belongs to or ""."""
    wanted, _, condition = line.partition(";")
    name = re.split(r"[^\w.-]", wanted.strip(), maxsplit=1)[0]
    extra = re.search(r"extra\s*==\s*['\"]([\w-]+)", condition)
    return name, wanted.strip()[len(name) :].strip(), extra[1] if extra else ""


def _fits(version: str, bounds: str) -> bool:
    """Whether a version lies in bounds like ">=4.11,<6"; other kinds of bounds are pip's business."""
    for sign, bound in re.findall(r"(>=|<)\s*([\d.]+)", bounds):
        size = len(bound.rstrip(".").split("."))
        given, limit = (tuple(map(int, re.findall(r"\d+", text)[:size])) for text in (version, bound))
        if (given < limit) if sign == ">=" else (given >= limit):
            return False
    return True


def _is_installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True
