"""Frames -> the part that shows the signer, so that a signer who is small in the picture fills the network's input.

The part is found once per clip, in the first frame that shows a person, and kept: a moving crop would look like a
moving signer. It is the square of the pose networks as far as the picture goes, so nothing black is added. This
module knows the person detector, no CNN and no store.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from toolkit.errors import InputError
from toolkit.extract.blazepose_detector import PoseDetector
from toolkit.extract.regions import Region

CROP_ID = "person-1"
"""Names how the part is found; changed with it."""
SMALLEST = 16  # pixels: what is left of a square at the edge of the picture shows nobody


class PersonCrop:
    """Cuts one clip's frames down to the person and brings them to the network's size."""

    def __init__(self, width: int, height: int, threads: int = 1) -> None:
        """width, height: of the images given back, in pixels."""
        self._size = (width, height)
        self._detector = PoseDetector(threads)

    def __call__(self, frames: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
        """frames: T images (H, W, 3) uint8 RGB of one clip, of any size -> T images (height, width, 3) uint8.

        Frames before the first one that shows a person are taken whole, as all are when there is nobody.

        Raises:
            InputError: a frame is no such image.
        """
        region: Region | None = None
        for frame in frames:
            if frame.ndim != 3 or frame.shape[2] != 3 or 0 in frame.shape or frame.dtype != np.uint8:
                raise InputError(f"a frame is {frame.shape} {frame.dtype}; give images (H, W, 3) uint8 RGB")
            if region is None:
                region = self._detector.find(frame)
            image = frame if region is None else cut(frame, region)
            yield np.asarray(cv2.resize(image, self._size, interpolation=cv2.INTER_AREA), np.uint8)

    def close(self) -> None:
        """Release the detector; the object cannot be used afterwards."""
        del self._detector


def cut(image: NDArray[np.uint8], region: Region) -> NDArray[np.uint8]:
    """The part of the image (H, W, 3) inside of the region, upright; the whole where hardly any of it is inside.

    The region's rotation is left out: signers sit and stand upright, and a tilt is part of the sign.
    """
    height, width = image.shape[:2]
    half = region.size / 2
    left, right = max(0, round(region.x - half)), min(width, round(region.x + half))
    top, bottom = max(0, round(region.y - half)), min(height, round(region.y + half))
    if right - left < SMALLEST or bottom - top < SMALLEST:
        return image
    return image[top:bottom, left:right]
