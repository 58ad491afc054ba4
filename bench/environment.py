"""The machine and the versions that a result belongs to. No host name, no user name, no path."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from toolkit.machine import cores

PACKAGES = ("sign-toolkit", "numpy", "av", "opencv-python", "onnxruntime", "mediapipe", "torch", "onnx")
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "GOMP_SPINCOUNT")


def describe() -> dict[str, Any]:
    """Operating system, processor, cores, memory, load before the run, versions, thread settings."""
    import psutil

    return {
        "os": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "cpu": _cpu_model(),
        "cores": cores(),
        "cores_in_machine": os.cpu_count() or 0,
        "ram_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load_per_core_before": round(psutil.getloadavg()[0] / cores(), 2),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": {name: found for name in PACKAGES if (found := _version(name)) is not None},
        "threads": {
            "training": "training.num_threads of the default settings",
            "networks": "1 per onnxruntime session",
            **{name: os.environ[name] for name in THREAD_VARIABLES if name in os.environ},
        },
    }


def _cpu_model() -> str:
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
