"""Extractors: video frames -> landmarks or CNN features. The one table that maps a mode to its code."""

from __future__ import annotations

import importlib

from toolkit.errors import ConfigError, explain_import
from toolkit.extract.protocol import AUTO, Extraction, Extractor, ExtractorSpec, Fingerprint

__all__ = ["EXTRACTORS", "Extraction", "Extractor", "ExtractorSpec", "Fingerprint", "make_extractor"]

EXTRACTORS = {
    ("pose", "onnx"): "toolkit.extract.blazepose:OnnxPose",
    ("pose", "mediapipe"): "toolkit.extract.mediapipe_pose:MediaPipePose",
    ("features", "onnx"): "toolkit.extract.cnn_onnx:onnx_cnn",
    ("features", "torch"): "toolkit.extract.cnn_torch:TorchCnn",
}
"""(mode, backend) -> "module:class", or a function that makes one; a mode's first backend is its default."""


def make_extractor(spec: ExtractorSpec) -> Extractor:
    """Build the extractor that `spec` names; its libraries are imported only now.

    What `spec` leaves open (backend "", device or precision "auto") is settled first, see toolkit/extract/devices.

    Raises:
        ConfigError: no such mode or backend, or the device or precision is not to be had.
        MissingDependencyError: the backend's package is not installed.
        WeightsError: the backend's weights are missing or damaged.
    """
    if not spec.backend or AUTO in (spec.device, spec.precision):
        from toolkit.extract.devices import settle

        spec = settle(spec).spec
    target = EXTRACTORS.get((spec.mode, spec.backend))
    if target is None:
        known = ", ".join(f"{mode}/{backend}" for mode, backend in EXTRACTORS)
        raise ConfigError(
            f"no extractor for mode '{spec.mode}' with backend '{spec.backend}'; there is: {known}"
        )
    module, _, name = target.partition(":")
    try:
        loaded = importlib.import_module(module)
    except ImportError as error:
        raise explain_import(error) from error
    extractor: Extractor = getattr(loaded, name)(spec)
    return extractor
