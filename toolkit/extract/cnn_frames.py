"""What every CNN backend shares: the frames of a clip in, cropped and sized for the network, embeddings out.

This module knows neither a runtime nor a network; a backend supplies `embed`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from toolkit.errors import ConfigError, InputError
from toolkit.extract.protocol import Extraction, ExtractorSpec, Fingerprint

CROPS = ("none", "person")
CUDA_BATCH = 16
"""Frames at once on a GPU. On a CPU frames go one at a time: faster by half there, and a tenth of the memory."""


class FrameCnn(ABC):
    """An extractor for mode "features" without its network.

    Frames are taken as they come: the memory needed does not grow with the length of a clip.

    Raises:
        ConfigError: the crop is none that there is.
        WeightsError: the person detector is missing or damaged (crop "person").
    """

    def __init__(self, spec: ExtractorSpec, width: int, height: int, dim: int) -> None:
        """width, height: of the network's input in pixels; dim: numbers per frame that `embed` gives."""
        if spec.crop not in CROPS:
            raise ConfigError(f"crop is '{spec.crop}'; choose one of: {', '.join(CROPS)}")
        self.width, self.height, self.dim = width, height, dim
        self._batch = CUDA_BATCH if spec.device == "cuda" else 1
        self._crop = None
        if spec.crop == "person":
            from toolkit.extract.person_crop import PersonCrop

            self._crop = PersonCrop(width, height, spec.threads)

    @property
    def item_shape(self) -> tuple[int, ...]:
        return (self.dim,)

    @property
    def layout(self) -> str:
        return ""

    @property
    def frame_size(self) -> tuple[int, int] | None:
        return None if self._crop else (self.width, self.height)

    @property
    def fingerprint(self) -> Fingerprint:
        """Where and by which library the numbers were made is not part of it: they agree to 1e-4, and a model
        trained on features of a GPU is to run on a PC without one."""
        crop = "none"
        if self._crop is not None:
            from toolkit.extract.person_crop import CROP_ID

            crop = CROP_ID
        sides = self.width if self.width == self.height else f"{self.width}x{self.height}"
        return {"input_size": sides, "crop": crop, "embed_dim": self.dim}

    def extract(self, frames: Iterable[NDArray[np.uint8]]) -> Extraction:
        """frames: T images uint8 RGB, (height, width, 3) or, with crop "person", of any size.

        Gives values (T, D) float32 and no quality figures.

        Raises:
            InputError: a frame has another size or type.
        """
        images, rows = iter(self._images(frames)), []
        while some := list(islice(images, self._batch)):
            rows.append(self.embed(np.stack(some)))
        return Extraction(np.concatenate(rows) if rows else np.empty((0, self.dim), np.float32), {})

    def follow(self, frames: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.float32]]:
        """The embedding (D,) of each frame as soon as it comes, for input that has no end yet.

        Raises like `extract`.
        """
        for image in self._images(frames):
            yield self.embed(image[np.newaxis])[0]

    def _images(self, frames: Iterable[NDArray[np.uint8]]) -> Iterable[NDArray[np.uint8]]:
        return self._crop(frames) if self._crop else map(self._checked, frames)

    def _checked(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        expected = (self.height, self.width, 3)
        if frame.shape != expected or frame.dtype != np.uint8:
            raise InputError(
                f"a frame is {frame.shape} {frame.dtype}; the CNN takes {expected} uint8 RGB: decode to the "
                "extractor's frame_size"
            )
        return frame

    @abstractmethod
    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """images: (N, height, width, 3) uint8 RGB -> (N, D) float32."""

    def close(self) -> None:
        """Release the networks; the extractor cannot be used afterwards. Closing twice is allowed."""
        if self._crop is not None:
            self._crop.close()
            self._crop = None
