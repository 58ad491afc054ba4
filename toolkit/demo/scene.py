"""What is in the picture beside the signer: the room, the camera's noise, and the label.

Every frame says that it is synthetic, so that none can be taken for a recording of a person.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from toolkit.demo.drawing import Image, tint
from toolkit.demo.looks import Looks

LABEL = "SYNTHETIC"
LABEL_COLOUR = (48, 48, 52)
_NOISE_MARGIN = 32  # the noise field is larger than the picture and shifted from frame to frame
_COARSE = 4  # the room is out of focus, so it is painted at a quarter of the size
_BLUR = 0.022  # of the image height: the room is out of focus


def paint_room(looks: Looks, width: int, height: int, rng: np.random.Generator) -> Image:
    """The room behind the signer, (height, width, 3), out of focus and darker towards the corners."""
    full_size, width, height = (width, height), width // _COARSE, height // _COARSE
    wall = np.empty((height, width, 3), np.float32)
    wall[:] = looks.wall

    def block(
        left: float, top: float, right: float, bottom: float, shade: float, colour: bool = False
    ) -> None:
        tone = tint(looks.wall, shade) if not colour else tint(tuple(rng.uniform(120, 215, 3)), shade)
        corner = (round(left * width), round(top * height))
        cv2.rectangle(wall, corner, (round(right * width), round(bottom * height)), tone, cv2.FILLED)

    shift = float(rng.uniform(-0.03, 0.03))
    if looks.room == "panels":
        block(0, 0.62 + shift, 1, 1, 0.84)
        block(0, 0.60 + shift, 1, 0.625 + shift, 1.1)
    elif looks.room == "window":
        block(0.72 + shift, 0, 0.97 + shift, 0.5, 1.16)
        block(0.84 + shift, 0, 0.855 + shift, 0.5, 0.9)
    elif looks.room == "shelf":
        block(0, 0.30 + shift, 0.28, 0.325 + shift, 0.72)
        for left in np.arange(0.02, 0.24, 0.045):
            block(left, float(rng.uniform(0.12, 0.2)) + shift, left + 0.036, 0.3 + shift, 0.85, colour=True)
    elif looks.room == "pictures":
        for left in (0.06, 0.76):
            block(left + shift, 0.1, left + 0.18 + shift, 0.36, 0.8)
            block(left + 0.02 + shift, 0.13, left + 0.16 + shift, 0.33, 0.95, colour=True)
    wall = cv2.GaussianBlur(wall, (0, 0), _BLUR * height).astype(np.float32)
    y, x = np.mgrid[-0.5 : 0.5 : height * 1j, -0.5 : 0.5 : width * 1j]
    slope_x, slope_y = rng.uniform(-0.12, 0.12, 2)
    light = 1 + slope_x * x + slope_y * y - 0.25 * (x * x + y * y)
    sharp = cv2.resize(wall * light[..., None].astype(np.float32), full_size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.clip(sharp, 0, 255), np.uint8)


class Sensor:
    """Camera noise: one field per take, shifted at random from frame to frame."""

    def __init__(self, width: int, height: int, rng: np.random.Generator) -> None:
        self._rng = rng
        size = (height + _NOISE_MARGIN, width + _NOISE_MARGIN, 3)
        field = rng.standard_normal(size, np.float32) * np.float32(rng.uniform(1.5, 3.5))
        self._field: NDArray[np.int16] = np.rint(cv2.GaussianBlur(field, (0, 0), 0.6)).astype(np.int16)

    def expose(self, image: Image) -> None:
        """Add the noise of one frame, in place."""
        height, width = image.shape[:2]
        row, column = self._rng.integers(0, _NOISE_MARGIN, 2)
        noise = self._field[row : row + height, column : column + width]
        cv2.add(image, noise, dst=image, dtype=cv2.CV_8U)


def add_label(image: Image) -> None:
    """Write the label into the lower left corner, in place."""
    place = (6, image.shape[0] - 7)
    cv2.putText(image, LABEL, place, cv2.FONT_HERSHEY_SIMPLEX, 0.4, LABEL_COLOUR, 1, cv2.LINE_AA)
