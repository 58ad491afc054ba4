"""What an extractor is: frames in, one fixed-size record per clip out.

This module does not know any network; `make_extractor` in the package picks the class.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Fingerprint = dict[str, str | int | float]
"""All that decides the numbers an extractor gives: backend, network, weights hash, sizes."""


AUTO = "auto"
"""A device or precision still to be settled, see `toolkit.extract.devices`."""


@dataclass(frozen=True)
class PixelScale:
    """What a network of the user's own expects of its pixels, where its file does not say so.

    layout: "NCHW" or "NHWC"; a pixel p in 0..255 enters as (p / 255 - mean) / std, mean and std with one
    number or one per channel, red first. An empty value is read from the file.
    """

    layout: str = ""
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


@dataclass(frozen=True)
class ExtractorSpec:
    """Everything a worker process needs to build its extractor (picklable, so spawn-safe).

    mode: "pose" or "features"; backend: "mediapipe", "onnx" or "torch", "" for the usual one;
    landmarks: layout name for pose; embed_dim: D for features, None for the usual one;
    device: "cpu", "cuda" or "auto"; model_asset: the user's own network file; threads: intra-op threads;
    of the onnx pose backend only: network, "full" or "lite"; per_frame: look for the person anew in every
    frame; refine_kernel: side of the heatmap window that landmarks are refined in, 7 as MediaPipe 1.x, 9 as
    0.10.21;
    of mode features only: precision, "fp32", "int8" or "auto"; image_size: side of the network's input in
    pixels, None for the usual one; crop: "none" or "person"; pixels: of the user's own network.
    """

    mode: str
    backend: str
    landmarks: str = "body"
    embed_dim: int | None = None
    device: str = "cpu"
    model_asset: Path | None = None
    threads: int = 1
    network: str = "full"
    per_frame: bool = False
    refine_kernel: int = 7
    precision: str = "fp32"
    image_size: int | None = None
    crop: str = "none"
    pixels: PixelScale = PixelScale()


class Extraction(NamedTuple):
    """values: (T, *item_shape) float32; quality: named fractions in 0..1, e.g. detection_rate."""

    values: NDArray[np.float32]
    quality: dict[str, float]


class Extractor(Protocol):
    """Turns the frames of one clip into one record. Not thread-safe; one per worker."""

    @property
    def item_shape(self) -> tuple[int, ...]:
        """Shape of one frame's values: pose (K, 4), features (D,)."""

    @property
    def layout(self) -> str:
        """Landmark layout name for pose, "" otherwise."""

    @property
    def frame_size(self) -> tuple[int, int] | None:
        """(width, height) in pixels that frames must be decoded to; None takes them as they are."""

    @property
    def fingerprint(self) -> Fingerprint:
        """What decides the numbers; stored with every record set and compared on resume."""

    def extract(self, frames: Iterable[NDArray[np.uint8]]) -> Extraction:
        """frames: T images (H, W, 3) uint8 RGB. State does not leak from one clip to the next."""

    def close(self) -> None:
        """Release native resources; the extractor cannot be used afterwards."""
