"""Where networks run and in which precision: "auto" becomes definite here, once, in the process that asks.

Workers are given the answer, so all of them do the same. An NVIDIA GPU is looked for in its driver before any
library is asked: importing torch costs two seconds and 200 MB, which a PC without a GPU need not pay.
"""

from __future__ import annotations

import ctypes
import sys
from dataclasses import replace
from typing import NamedTuple

import onnxruntime

from toolkit.errors import ConfigError, MissingDependencyError, require
from toolkit.extract.cnn_projection import INT8_FILE, INT8_SIZES
from toolkit.extract.protocol import AUTO, ExtractorSpec
from toolkit.session import PROVIDERS
from toolkit.weights import SHA256, weights_path

DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("auto", "fp32", "int8")
CUDA_BACKENDS = ("onnx", "torch")
"""Those of mode features that can use a GPU, the first choice first."""


class Settled(NamedTuple):
    """spec: without "auto"; notes: what the user should know about it, one sentence each."""

    spec: ExtractorSpec
    notes: tuple[str, ...] = ()


def settle(spec: ExtractorSpec) -> Settled:
    """Decide what is left open in `spec`: backend "", device "auto", precision "auto".

    "auto" takes a GPU if there is one that a library here can use, and int8 where it is sound. int8 that this
    machine does not compute correctly becomes fp32, with a note.

    Raises:
        ConfigError: the device or precision asked for is not to be had; says what would help.
    """
    for name, value, known in (("device", spec.device, DEVICES), ("precision", spec.precision, PRECISIONS)):
        if value not in known:
            raise ConfigError(f"{name} is '{value}'; choose one of: {', '.join(known)}")
    if spec.mode != "features":
        if spec.precision == "int8":
            raise ConfigError("precision int8 is for --mode features; pose networks lose too much by it")
        device = "cpu" if spec.device == AUTO else spec.device
        return Settled(replace(spec, backend=spec.backend or "onnx", device=device, precision="fp32"))
    placed = _placed(spec)
    return _with_precision(placed.spec, spec.precision, placed.notes)


def _placed(spec: ExtractorSpec) -> Settled:
    asked = (spec.backend,) if spec.backend else CUDA_BACKENDS
    if spec.device == "cpu":
        return Settled(replace(spec, backend=asked[0]))
    found = nvidia_gpus() > 0
    able = [backend for backend in asked if found and backend in CUDA_BACKENDS and runs_on_cuda(backend)]
    if spec.precision == "int8" and spec.device == AUTO:
        able = []  # what was asked for runs on the CPU
    if spec.model_asset is not None:
        able = [backend for backend in able if backend == "onnx"]
    if able:
        return Settled(replace(spec, backend=able[0], device="cuda"))
    cure = (
        'install one that does: pip uninstall onnxruntime, then pip install "onnxruntime-gpu[cuda,cudnn]"; '
        "or torch for CUDA, from https://pytorch.org"
    )
    if spec.device == "cuda":
        raise ConfigError(
            f"device is 'cuda', but neither library here runs on it ({', '.join(asked)}): {cure}"
            if found
            else "device is 'cuda', but no NVIDIA driver with a GPU was found on this machine; use --device cpu"
        )
    idle = found and spec.precision != "int8"
    notes = (f"there is a GPU, but no library here runs on it; {cure}",) if idle else ()
    return Settled(replace(spec, backend=asked[0], device="cpu"), notes)


def _with_precision(spec: ExtractorSpec, asked: str, notes: tuple[str, ...]) -> Settled:
    reasons = {
        "runs on a CPU only, not on cuda": spec.device != "cpu",
        f"needs --backend onnx, not {spec.backend}": spec.backend != "onnx",
        "is for the network that ships, not for one of your own": spec.model_asset is not None,
        f"keeps its embeddings at {' and '.join(map(str, INT8_SIZES))} pixels only": spec.image_size
        not in (None, *INT8_SIZES),
        "does not ship with this release": INT8_FILE not in SHA256,
    }
    against = [reason for reason, holds in reasons.items() if holds]
    if asked == "fp32" or (asked == AUTO and against):
        return Settled(replace(spec, precision="fp32"), notes)
    if against:
        raise ConfigError(f"precision int8 {against[0]}; use --precision fp32")
    from toolkit.extract.cnn_selfcheck import MIN_COSINE, int8_is_sound

    sound, cosine = int8_is_sound(weights_path(INT8_FILE))
    if sound:
        return Settled(replace(spec, precision="int8"), notes)
    return Settled(
        replace(spec, precision="fp32"),
        (*notes, f"this processor does not compute int8 correctly (cosine {cosine:.3f}, {MIN_COSINE} is needed): "
         "fp32 is used instead, which gives the same features in twice the time"),
    )  # fmt: skip


def nvidia_gpus() -> int:
    """How many GPUs the NVIDIA driver offers to this process; 0 without a driver."""
    name = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        driver = ctypes.CDLL(name)
        count = ctypes.c_int(0)
        if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
            return 0
    except (OSError, AttributeError):
        return 0
    return count.value


def runs_on_cuda(backend: str) -> bool:
    """Whether the library of that backend is installed and was built for CUDA."""
    if backend == "onnx":
        return PROVIDERS["cuda"] in onnxruntime.get_available_providers()
    try:
        return bool(require("torch", "train").cuda.is_available())
    except MissingDependencyError:
        return False
