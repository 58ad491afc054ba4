"""Frames -> the square around the signer's upper body, so that a small signer fills the network's input.

The square is found once per clip, in the first frame that shows a person, and kept: a moving crop would look like
a moving signer. This module knows the person detector, no CNN and no store.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from toolkit.errors import InputError
from toolkit.extract.blazepose_detector import PoseDetector
from toolkit.extract.regions import Region

CROP_ID = "upper_body-1"
"""Names how the square is found; changed with it."""


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
                region = self._detector.find_upper_body(frame)
            image = frame if region is None else cut(frame, region)
            yield np.asarray(cv2.resize(image, self._size, interpolation=cv2.INTER_AREA), np.uint8)

    def close(self) -> None:
        """Release the detector; the object cannot be used afterwards."""
        del self._detector


def cut(image: NDArray[np.uint8], region: Region) -> NDArray[np.uint8]:
    """The upright square at the region's place, (S, S, 3), black where it leaves the image (H, W, 3).

    The region's rotation is left out: signers sit and stand upright, and a tilt is part of the sign.
    """
    side = max(1, round(region.size))
    left, top = round(region.x - region.size / 2), round(region.y - region.size / 2)
    height, width = image.shape[:2]
    square = np.zeros((side, side, 3), np.uint8)
    x0, x1 = max(left, 0), min(left + side, width)
    y0, y1 = max(top, 0), min(top + side, height)
    if x0 < x1 and y0 < y1:
        square[y0 - top : y1 - top, x0 - left : x1 - left] = image[y0:y1, x0:x1]
    return square
