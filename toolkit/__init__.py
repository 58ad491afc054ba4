"""sign-toolkit: word-level sign recognition on weak PCs.

    from toolkit import Recognizer
    with Recognizer.load("model.onnx") as recognizer:
        print(recognizer.predict("clip.mp4").gloss)

The names below are the public API. They are loaded on first use, so that `import toolkit` costs nothing and
a recogniser never pays for what only training needs.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toolkit.errors import ToolkitError
    from toolkit.metadata import ModelMetadata
    from toolkit.recognizer import Prediction, Recognizer
    from toolkit.store import FeatureStore

# onnxruntime 1.32 sends usage metrics to Microsoft unless it finds this when it is imported; switching them off
# afterwards is too late (docs/privacy.md). Whoever wants to send them sets it to 0.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
# numpy and cv2 each bring an OpenBLAS, whose threads, one for every core but the first, spin for 2^26 clock cycles
# when they have nothing to do, from the import on: half of the CPU time of a start. 2^4 is the least one can ask for.
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")

__all__ = ["FeatureStore", "ModelMetadata", "Prediction", "Recognizer", "ToolkitError"]

_HOMES = {
    "FeatureStore": "toolkit.store",
    "ModelMetadata": "toolkit.metadata",
    "Prediction": "toolkit.recognizer",
    "Recognizer": "toolkit.recognizer",
    "ToolkitError": "toolkit.errors",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'toolkit' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
