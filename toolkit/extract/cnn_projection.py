"""What the CNN backends share: the spec's checks, frames in, projected embeddings out, the fingerprint.

A network turns a frame into 1280 pooled numbers; a fixed projection with orthonormal columns takes them to
embed_dim. It keeps lengths and angles as well as any fixed linear map can without having seen data, needs
no file, and its first d columns do not depend on embed_dim: the embeddings of a smaller embed_dim are the
first numbers of those of a larger one. This module knows no runtime; a backend supplies `pooled`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from toolkit.errors import ConfigError, InputError
from toolkit.extract.protocol import Extraction, ExtractorSpec, Fingerprint
from toolkit.weights import weights_path, weights_sha256

NETWORK = "efficientnet_lite0"
WEIGHTS_FILE = "efficientnet_lite0.onnx"
INPUT_SIZE = 224
"""Side of the square input in pixels: the size the pretrained network was trained at."""
POOLED_DIM = 1280
PROJECTION_ID = "signed-dct-1"
"""Names the matrix below; another seed or construction must get another id."""

_SEED = 20200316


def projection_matrix(embed_dim: int) -> NDArray[np.float32]:
    """The fixed map from 1280 pooled numbers to embed_dim: (1280, embed_dim) float32, orthonormal columns.

    A subsampled randomised cosine transform: flip signs at random, take embed_dim coefficients of the
    orthonormal DCT-II in random order. It keeps distances like a random orthonormal matrix does (J. Tropp,
    2011, arXiv:1011.1595, shows it for the Hadamard transform, which has no size 1280) and needs no
    LAPACK, whose threads would cost a worker on a busy machine a second. Randomness is the raw output of
    PCG64: numpy promises that it stays the same across releases, unlike the methods of `Generator`.

    Raises:
        ConfigError: embed_dim is outside 1..1280.
    """
    if not 1 <= embed_dim <= POOLED_DIM:
        raise ConfigError(
            f"embed_dim is {embed_dim}; {NETWORK} gives {POOLED_DIM} numbers per frame, so choose "
            f"1..{POOLED_DIM} (the guide uses 128)"
        )
    raw = np.random.PCG64(_SEED).random_raw(2 * POOLED_DIM)
    signs = np.where(raw[:POOLED_DIM] >> np.uint64(63), 1.0, -1.0)
    coefficients = np.argsort(raw[POOLED_DIM:], kind="stable")[:embed_dim]
    # DCT-II: sqrt(2/n) cos(pi (2j+1) k / 2n), and sqrt(1/n) for k = 0; the angle is reduced in integers
    period = 4 * POOLED_DIM
    cosines = np.cos(np.arange(period) * (2.0 * np.pi / period))
    transform = cosines[np.outer(2 * np.arange(POOLED_DIM) + 1, coefficients) % period]
    norms = np.where(coefficients == 0, np.sqrt(1.0 / POOLED_DIM), np.sqrt(2.0 / POOLED_DIM))
    return np.ascontiguousarray(signs[:, np.newaxis] * transform * norms, dtype=np.float32)


class ProjectedCnn(ABC):
    """An extractor for mode "features" without its network.

    Raises:
        ConfigError: embed_dim, device or model_asset is not one that the CNN backends have.
        WeightsError: the shipped network is missing or damaged.
    """

    backend: str

    def __init__(self, spec: ExtractorSpec) -> None:
        if spec.device != "cpu":
            raise ConfigError(f"device is '{spec.device}'; the {self.backend} CNN backend runs on: cpu")
        if spec.model_asset is not None:
            raise ConfigError(
                f"model_asset is {spec.model_asset}, but mode features runs the network that ships "
                f"({NETWORK}); leave it out"
            )
        self._projection = projection_matrix(spec.embed_dim)
        self.weights: Path = weights_path(WEIGHTS_FILE)

    @property
    def item_shape(self) -> tuple[int, ...]:
        return (self._projection.shape[1],)

    @property
    def layout(self) -> str:
        return ""

    @property
    def frame_size(self) -> tuple[int, int] | None:
        return (INPUT_SIZE, INPUT_SIZE)

    @property
    def fingerprint(self) -> Fingerprint:
        return {
            "backend": self.backend,
            "network": NETWORK,
            "weights": weights_sha256(WEIGHTS_FILE)[:16],
            "input_size": INPUT_SIZE,
            "projection": PROJECTION_ID,
            "embed_dim": self._projection.shape[1],
        }

    def extract(self, frames: Iterable[NDArray[np.uint8]]) -> Extraction:
        """frames: T images (224, 224, 3) uint8 RGB -> values (T, embed_dim) float32, no quality figures.

        Frames are taken one at a time: the memory needed does not grow with the length of a clip.

        Raises:
            InputError: a frame has another size or type.
        """
        rows = [self.pooled(_checked(frame)[np.newaxis]) for frame in frames]
        pooled = np.concatenate(rows) if rows else np.empty((0, POOLED_DIM), np.float32)
        # not `@`: the BLAS would wake its threads, which on busy cores costs more than the sums
        return Extraction(np.einsum("tc,cd->td", pooled, self._projection), {})

    @abstractmethod
    def pooled(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """images: (N, 224, 224, 3) uint8 RGB -> the network's pooled output (N, 1280) float32, 0..6."""

    @abstractmethod
    def close(self) -> None:
        """Release the network; the extractor cannot be used afterwards."""


def _checked(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if frame.shape != (INPUT_SIZE, INPUT_SIZE, 3) or frame.dtype != np.uint8:
        raise InputError(
            f"a frame is {frame.shape} {frame.dtype}; the CNN takes ({INPUT_SIZE}, {INPUT_SIZE}, 3) uint8 "
            "RGB: decode to the extractor's frame_size"
        )
    return frame
