"""Frame embeddings with onnxruntime: the shipped EfficientNet-Lite0, or a network of the user's own.

This module knows how to run the network, not what is in it; `export/cnn.py` and `export/quantize.py` made the files.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from toolkit.extract.cnn_custom import OwnCnn
from toolkit.extract.cnn_projection import EMBED_DIM_INPUT, EMBEDDINGS, POOLED, POOLED_DIM, ProjectedCnn
from toolkit.extract.protocol import Extractor, ExtractorSpec
from toolkit.session import make_session

INT8_BATCH = 2
"""Frames at once in int8: 6 % less CPU time than one by one; four are no better, float32 gains nothing."""


def onnx_cnn(spec: ExtractorSpec) -> Extractor:
    """The extractor for what `spec.model_asset` names: the user's own network, or without it the shipped one."""
    return OnnxCnn(spec) if spec.model_asset is None else OwnCnn(spec)


class OnnxCnn(ProjectedCnn):
    """Features by onnxruntime, on a CPU with `spec.threads` threads, fp32 or int8."""

    backend = "onnx"

    def __init__(self, spec: ExtractorSpec) -> None:
        super().__init__(spec)
        if spec.precision == "int8":
            self._batch = INT8_BATCH
        # all runs have one size: what the arena keeps is less than malloc leaves behind, and malloc at times gives
        # pages back after each operator and fetches them again, which cost a third of the CPU time
        self._session = make_session(self.weights, spec.threads, arena=True, device=spec.device)

        if self.dim == POOLED_DIM:
            self._output, self._settings = POOLED, {}
        else:
            self._output, self._settings = EMBEDDINGS, {EMBED_DIM_INPUT: np.array([self.dim], np.int64)}

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        rows: NDArray[np.float32] = self._session.run([self._output], {"frames": images, **self._settings})[0]
        return rows

    def close(self) -> None:
        super().close()
        self.__dict__.pop("_session", None)
