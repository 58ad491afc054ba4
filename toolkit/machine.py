"""What this computer is: its processor's vector instructions, memory, cameras and display, on every system.

Asks the operating system and numpy, changes nothing, and starts no camera where the system lists them. It knows
nothing about what the toolkit needs.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from pathlib import Path

import numpy as np

_NUMPY_NAMES = {
    "AVX2": {"AVX2", "X86_V3"},
    "AVX-512": {"AVX512F", "AVX512_SKX", "AVX512_CLX", "AVX512_ICL", "AVX512_SPR", "X86_V4"},
    "VNNI": {"AVX512VNNI", "AVX512_CLX", "AVX512_CNL", "AVX512_ICL", "AVX512_SPR"},
    "NEON": {"NEON", "ASIMD"},
    "DOTPROD": {"ASIMDDP"},
}
"""What numpy calls these instructions, in its releases since 2.0."""
MIB = 1 << 20
UNLIMITED = 1 << 60  # bytes; a container without a limit says such a number


def cpu_features() -> list[str]:
    """Of AVX2, AVX-512, VNNI (PCs), NEON and DOTPROD (ARM), what this processor has, also when it is emulated.

    numpy asks the processor itself. AVX-VNNI, which it does not look for, is read from Linux alone, and only where
    Linux agrees with numpy: of an emulated processor it describes the real one.
    """
    found = np.show_config(mode="dicts")["SIMD Extensions"]
    names = {*found.get("baseline", ()), *found.get("found", ())}
    features = [feature for feature, known in _NUMPY_NAMES.items() if names & known]
    flags = _read("/proc/cpuinfo").split()
    agrees = ("avx512f" in flags) == ("AVX-512" in features)
    if "AVX2" in features and "VNNI" not in features and "avx_vnni" in flags and agrees:
        features.append("VNNI")
    return features


def cpu_name() -> str:
    """The processor's model where Linux names it, its architecture elsewhere."""
    for line in _read("/proc/cpuinfo").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def cores() -> int:
    """Logical processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory_mib() -> tuple[float, float | None]:
    """(all, available) in MiB, a container's limit included; available is None where the system does not say."""
    if sys.platform == "win32":
        return _windows_memory_mib()
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / MIB
    lines = (line.split() for line in _read("/proc/meminfo").splitlines())
    available = next((int(words[1]) / 1024 for words in lines if words[:1] == ["MemAvailable:"]), None)
    for limit in _container_limits_mib():
        total = min(total, limit)
        available = min(available, total) if available is not None else None
    return total, available


def cameras() -> list[str]:
    """One line per camera; elsewhere than on Linux only the first one, which is opened for a moment."""
    if sys.platform != "linux":
        import cv2

        capture = cv2.VideoCapture(0)
        opened = capture.isOpened()
        capture.release()
        return ["camera 0"] if opened else []
    found = []
    for device in sorted(Path("/dev").glob("video*")):
        name = _read(f"/sys/class/video4linux/{device.name}/name").strip()
        allowed = "" if os.access(device, os.R_OK | os.W_OK) else ", which this user may not open"
        found.append(f"{device} ({name or 'no name'}){allowed}")
    return found


def has_display() -> bool:
    """Whether a window could be shown."""
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _container_limits_mib() -> list[float]:
    """Limits of this process's control group on Linux, of both versions, seen from inside a container or not."""
    limits = []
    for line in _read("/proc/self/cgroup").splitlines():
        _, controllers, group = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        folder, name = ("memory", "memory.limit_in_bytes") if controllers else ("", "memory.max")
        for place in (group.strip("/"), ""):
            text = _read(str(Path("/sys/fs/cgroup", folder, place, name))).strip()
            if text.isdigit() and int(text) < UNLIMITED:
                limits.append(int(text) / MIB)
    return limits


def _read(name: str) -> str:
    try:
        return Path(name).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _windows_memory_mib() -> tuple[float, float | None]:
    class Status(ctypes.Structure):  # MEMORYSTATUSEX of sysinfoapi.h
        _fields_ = (
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            *((name, ctypes.c_ulonglong) for name in ("total", "available", "c", "d", "e", "f", "g")),
        )

    status = Status()
    status.length = ctypes.sizeof(status)
    ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))  # type: ignore[attr-defined,unused-ignore]
    return status.total / MIB, status.available / MIB


def activation() -> str:
    """How this process's virtual environment is activated; "" when it is, or when there is none."""
    if sys.prefix == sys.base_prefix or os.environ.get("VIRTUAL_ENV"):
        return ""
    folder = Path(sys.prefix)
    if folder.is_relative_to(Path.cwd()):
        folder = folder.relative_to(Path.cwd())
    if os.name == "nt":
        return rf"{folder}\Scripts\activate"
    return f". {folder.as_posix()}/bin/activate"
