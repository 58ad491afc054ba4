"""The network that ships, apart from the runtime: its 1280 numbers per frame, reduced to embed_dim.

The reduction is a projection on the directions in which the frames of real sign videos differ most (principal
components), best first, so that the embeddings of a smaller embed_dim are the first numbers of those of a larger
one. docs/features.md says what it was chosen over; `export/cnn_basis.py` makes the file. This module knows no
runtime; a backend supplies `pooled`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from toolkit.errors import ConfigError
from toolkit.extract.cnn_frames import FrameCnn
from toolkit.extract.protocol import ExtractorSpec, Fingerprint, PixelScale
from toolkit.weights import weights_path, weights_sha256

NETWORK = "efficientnet_lite0"
WEIGHTS_FILE = "efficientnet_lite0.onnx"
INT8_FILE = "efficientnet_lite0_int8.onnx"
OWN_NETWORK = "own"
"""What a fingerprint calls a network of the user's own."""
BASIS_FILE = "efficientnet_lite0_basis.npy"
INPUT_SIZE = 224
"""Side of the square input in pixels that the pretrained network was trained at, and the default."""
INPUT_SIZES = (224, 160, 128)
"""Those whose loss was measured (docs/features.md); the network takes any multiple of 32."""
INT8_SIZES = (224, 160)
"""Those at which int8 keeps the cosine to fp32 above 0.99 on real frames; at 128 it is 0.989."""
POOLED_DIM = 1280
BASIS_DIM = 256
"""Principal components in the file; further ones hold 5 % of the variance and more noise than signs."""
EMBED_DIM = 128
"""The guide's."""


def projection_matrix(embed_dim: int) -> NDArray[np.float32] | None:
    """The map from 1280 pooled numbers to embed_dim: (1280, embed_dim) float32 with orthonormal columns.

    None for 1280, which leaves the numbers as they are.

    Raises:
        ConfigError: embed_dim is neither 1..256 nor 1280.
        WeightsError: the file is missing or damaged.
    """
    if embed_dim == POOLED_DIM:
        return None
    if not 1 <= embed_dim <= BASIS_DIM:
        raise ConfigError(
            f"embed_dim is {embed_dim}; choose 1 to {BASIS_DIM} (the guide uses {EMBED_DIM}), or {POOLED_DIM} for "
            "all numbers that the network gives per frame"
        )
    return np.ascontiguousarray(_basis(weights_path(BASIS_FILE))[:, :embed_dim], np.float32)


def projection_id(embed_dim: int) -> str:
    """Names the projection in a store's fingerprint."""
    return "none" if embed_dim == POOLED_DIM else f"pca-{weights_sha256(BASIS_FILE)[:12]}"


def network_file(precision: str) -> str:
    """Name in toolkit/weights of the network of that precision, "fp32" or "int8"."""
    return INT8_FILE if precision == "int8" else WEIGHTS_FILE


def network_files(spec: ExtractorSpec) -> list[str]:
    """Names of the files in toolkit/weights that an extractor of this spec opens."""
    files = [] if spec.model_asset is not None else [network_file(spec.precision)]
    if spec.model_asset is None and spec.embed_dim != POOLED_DIM:
        files.append(BASIS_FILE)
    if spec.crop == "person":
        from toolkit.extract.blazepose_detector import WEIGHTS

        files.append(WEIGHTS)
    return files


def trained_cnn(trained: Mapping[str, str | int | float], spec: ExtractorSpec, dim: int) -> ExtractorSpec:
    """`spec` with what the fingerprint `trained` of features of `dim` numbers says about its extractor."""
    size, own = trained.get("input_size"), trained.get("network") == OWN_NETWORK
    spec = replace(
        spec,
        image_size=size if isinstance(size, int) else None,
        crop="none" if trained.get("crop", "none") == "none" else "person",
    )
    if own:
        mean, std = (_numbers(str(trained.get(key, ""))) for key in ("mean", "std"))
        return replace(spec, pixels=PixelScale(str(trained.get("layout", "")), mean, std))
    precision = str(trained.get("precision", "fp32")) if spec.backend in ("", "onnx") else "fp32"
    return replace(spec, embed_dim=dim, precision=precision)


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(part) for part in text.split(",") if part)


class ProjectedCnn(FrameCnn):
    """EfficientNet-Lite0 and its projection, without a runtime.

    Raises:
        ConfigError: embed_dim or image_size is none that there is, or the network file is the user's own.
        WeightsError: the shipped network is missing or damaged.
    """

    backend: str

    def __init__(self, spec: ExtractorSpec) -> None:
        if spec.model_asset is not None:
            raise ConfigError(
                f"your own network ({spec.model_asset}) runs on --backend onnx only, not on {self.backend}"
            )
        if spec.pixels != PixelScale():
            raise ConfigError(
                "model_mean, model_std and model_layout are for a network of your own (--model FILE); leave "
                "them out"
            )
        side = INPUT_SIZE if spec.image_size is None else spec.image_size
        if side not in INPUT_SIZES:
            known = ", ".join(str(size) for size in INPUT_SIZES)
            raise ConfigError(f"image_size is {side}; the network that ships was measured at: {known}")
        dim = EMBED_DIM if spec.embed_dim is None else spec.embed_dim
        self._projection = projection_matrix(dim)
        self.weights: Path = weights_path(network_file(spec.precision))
        self._precision = spec.precision
        super().__init__(spec, side, side, dim)

    @property
    def fingerprint(self) -> Fingerprint:
        return super().fingerprint | {
            "network": NETWORK,
            "precision": self._precision,
            "weights": weights_sha256(network_file(self._precision))[:16],
            "projection": projection_id(self.dim),
        }

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        pooled = self.pooled(images)
        if self._projection is None:
            return pooled
        # not `@`: the BLAS would wake its threads, which on busy cores costs more than the sums
        projected: NDArray[np.float32] = np.einsum("tc,cd->td", pooled, self._projection)
        return projected

    @abstractmethod
    def pooled(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """images: (N, side, side, 3) uint8 RGB -> the network's pooled output (N, 1280) float32, 0..6."""


@cache
def _basis(path: Path) -> NDArray[np.float16]:
    basis: NDArray[np.float16] = np.load(path, allow_pickle=False)
    return basis
