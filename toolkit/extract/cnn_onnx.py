"""Frame embeddings with onnxruntime: the shipped EfficientNet-Lite0, then the fixed projection.

This module knows how to run the network, not what is in it; `export/cnn.py` made the file.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from toolkit.extract.cnn_projection import ProjectedCnn
from toolkit.extract.protocol import ExtractorSpec
from toolkit.session import make_session


class OnnxCnn(ProjectedCnn):
    """Features on the CPU by onnxruntime, `spec.threads` threads."""

    backend = "onnx"

    def __init__(self, spec: ExtractorSpec) -> None:
        super().__init__(spec)
        self._session = make_session(self.weights, spec.threads)

    def pooled(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        embeddings: NDArray[np.float32] = self._session.run(["embeddings"], {"frames": images})[0]
        return embeddings

    def close(self) -> None:
        del self._session
