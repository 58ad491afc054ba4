"""The network that ships, apart from the runtime: its 1280 numbers per frame, reduced to embed_dim.

The reduction is a projection on the directions in which the frames of real sign videos differ most (principal
components), best first, so that the embeddings of a smaller embed_dim are the first numbers of those of a larger
one. It is part of the network's graph: docs/features.md says what it was chosen over, `export/cnn_basis.py` how it is
made. This module knows no runtime; a backend supplies `embed`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from toolkit.errors import ConfigError
from toolkit.extract.cnn_frames import FrameCnn
from toolkit.extract.protocol import ExtractorSpec, Fingerprint, PixelScale
from toolkit.weights import weights_path

NETWORK = "efficientnet_lite0"
WEIGHTS_FILE = "efficientnet_lite0.onnx"
INT8_FILE = "efficientnet_lite0_int8.onnx"
OWN_NETWORK = "own"
"""What a fingerprint calls a network of the user's own."""
EMBEDDINGS, POOLED = "embeddings", "pooled"
"""Outputs of the graph: (N, embed_dim), and (N, 1280) in 0..6, what it is made of."""
EMBED_DIM_INPUT = "embed_dim"
"""Input of the graph beside the frames, int64 (1,): how many numbers "embeddings" has."""
BASIS = "basis"
"""The constant of the graph that holds the principal components: (1280, 256) float16."""
NUMBERS = {WEIGHTS_FILE: "9ffd3ac5aeb00255", INT8_FILE: "942a1725edf9cd45"}
"""What a fingerprint calls the networks: the beginning of the SHA-256 of the file without its projection. A file
that is written anew and gives the same numbers keeps it, and with it the stores and models made with the old one
(tests/integration/test_cnn_projection.py)."""
PROJECTION = "pca-a0110dd8e489"
"""What a fingerprint calls the principal components: from the SHA-256 of the .npy file of the array."""
INPUT_SIZE = 224
"""Side of the square input in pixels that the pretrained network was trained at, and the default."""
INPUT_SIZES = (224, 160, 128)
"""Those whose loss was measured (docs/features.md); the network takes any multiple of 32."""
INT8_SIZES = (224, 160)
"""Those at which int8 keeps the cosine to fp32 above 0.99 on real frames; at 128 it is 0.989."""
POOLED_DIM = 1280
BASIS_DIM = 256
"""Principal components in the graph; further ones hold 5 % of the variance and more noise than signs."""
EMBED_DIM = 128
"""The guide's."""


def check_embed_dim(embed_dim: int) -> None:
    """Raises ConfigError: embed_dim is neither 1..256 nor 1280."""
    if embed_dim != POOLED_DIM and not 1 <= embed_dim <= BASIS_DIM:
        raise ConfigError(
            f"embed_dim is {embed_dim}; choose 1 to {BASIS_DIM} (the guide uses {EMBED_DIM}), or {POOLED_DIM} for "
            "all numbers that the network gives per frame"
        )


def network_file(precision: str) -> str:
    """Name in toolkit/weights of the network of that precision, "fp32" or "int8"."""
    return INT8_FILE if precision == "int8" else WEIGHTS_FILE


def network_files(spec: ExtractorSpec) -> list[str]:
    """Names of the files in toolkit/weights that an extractor of this spec opens."""
    files = [] if spec.model_asset is not None else [network_file(spec.precision)]
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
        check_embed_dim(dim)
        self.weights: Path = weights_path(network_file(spec.precision))
        self._precision = spec.precision
        super().__init__(spec, side, side, dim)

    @property
    def fingerprint(self) -> Fingerprint:
        return super().fingerprint | {
            "network": NETWORK,
            "precision": self._precision,
            "weights": NUMBERS[network_file(self._precision)],
            "projection": "none" if self.dim == POOLED_DIM else PROJECTION,
        }
