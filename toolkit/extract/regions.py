"""Turned squares in an image, and cutting them out as network inputs.

A region is what MediaPipe calls a rotated, square `NormalizedRect`, here in pixels. Every BlazePose and hand
network looks at one such square and answers in its coordinates. This module knows no network.

Cutting out is done with a fixed-point `cv2.remap`: source positions are rounded to 1/32 pixel here, as OpenCV 4's
`warpPerspective` (which MediaPipe calls) does inside. OpenCV 5 rounds differently in its warp functions, but not
in a remap with ready-made fixed-point maps, so all OpenCV releases give the same pixels.
"""

from __future__ import annotations

from math import atan2, cos, floor, hypot, pi, sin
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

STEPS = 32  # OpenCV's fixed-point maps count in 1/32 pixel (INTER_TAB_SIZE)
STEPS_BITS = 5
FARTHEST = 32767 * STEPS  # their whole pixels are int16


class Region(NamedTuple):
    """A square: centre and side in pixels, rotation in radians, clockwise as seen in the image."""

    x: float
    y: float
    size: float
    rotation: float

    def shifted(self, down: float) -> Region:
        """Moved by `down` times its size along its own vertical axis (RectTransformationCalculator, shift_y)."""
        return self._replace(
            x=self.x - self.size * down * sin(self.rotation), y=self.y + self.size * down * cos(self.rotation)
        )

    def scaled(self, factor: float) -> Region:
        """The same square with its side multiplied by `factor`."""
        return self._replace(size=self.size * factor)

    def to_image(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """points: (N, 2), where (0, 0) and (1, 1) are corners of the region -> (N, 2) in pixels."""
        return rotated(points - 0.5, self.rotation) * self.size + (self.x, self.y)

    def from_image(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """points: (N, 2) in pixels -> (N, 2), where (0, 0) and (1, 1) are corners of the region."""
        return rotated(points - (self.x, self.y), -self.rotation) / self.size + 0.5


def between(centre: NDArray[np.floating], edge: NDArray[np.floating], target_angle: float) -> Region:
    """The region around `centre` whose side is twice the distance to `edge`, both (2,) in pixels.

    target_angle: the direction in radians, counter-clockwise from the x axis, in which `edge` lies from `centre`
    in the upright region (AlignmentPointsRectsCalculator of MediaPipe).
    """
    right, down = float(edge[0] - centre[0]), float(edge[1] - centre[1])
    rotation = normalized_angle(target_angle - atan2(-down, right))
    return Region(float(centre[0]), float(centre[1]), 2 * hypot(right, down), rotation)


def normalized_angle(angle: float) -> float:
    """The same direction in [-pi, pi)."""
    return angle - 2 * pi * floor((angle + pi) / (2 * pi))


def rotated(points: NDArray[np.floating], angle: float) -> NDArray[np.float64]:
    """points: (N, 2), turned clockwise (y points down) about the origin by `angle` radians."""
    turned = np.empty(points.shape, np.float64)
    c, s = cos(angle), sin(angle)
    turned[:, 0] = points[:, 0] * c - points[:, 1] * s
    turned[:, 1] = points[:, 0] * s + points[:, 1] * c
    return turned


class Cropper:
    """Cuts regions out of images as the (1, 3, side, side) float32 input of one network.

    All memory is allocated once: the array that `cut` returns is overwritten by its next call. The map of
    source positions is kept for as long as the region stays the same, as it does within a clip.
    """

    def __init__(self, side: int, low: float, high: float, border: int) -> None:
        """side: of the square input in pixels; low, high: what 0 and 255 become; border: of cv2, what lies
        outside of the image."""
        self._side, self._border = side, border
        self._scale, self._offset = np.float32((high - low) / 255), np.float32(low)
        self._region: Region | None = None
        self._grid = np.arange(side, dtype=np.float64)
        self._exact = np.empty((side, side), np.float64)
        self._steps = np.empty((2, side, side), np.int32)  # source x and y in 1/32 pixel
        self._whole = np.empty((side, side, 2), np.int16)
        self._fraction = np.empty((side, side), np.uint16)
        self._image = np.empty((side, side, 3), np.uint8)
        self._planes = np.empty((3, side, side), np.uint8)
        self._tensor = np.empty((1, 3, side, side), np.float32)

    def cut(self, image: NDArray[np.uint8], region: Region) -> NDArray[np.float32]:
        """image: (H, W, 3) uint8 RGB. Valid until the next call."""
        if region != self._region:
            self._aim(region)
        cv2.remap(
            image, self._whole, self._fraction, cv2.INTER_LINEAR, dst=self._image, borderMode=self._border
        )
        cv2.split(self._image, list(self._planes))
        np.copyto(self._tensor[0], self._planes)
        np.multiply(self._tensor, self._scale, out=self._tensor)
        if self._offset:
            np.add(self._tensor, self._offset, out=self._tensor)
        return self._tensor

    def _aim(self, region: Region) -> None:
        """Compute where in the image every pixel of the crop lies."""
        step = region.size / self._side * STEPS
        right, down = step * cos(region.rotation), step * sin(region.rotation)
        left, top = region.to_image(np.zeros((1, 2)))[0] * STEPS
        for steps, along_row, along_column, origin in (
            (self._steps[0], right, -down, left),
            (self._steps[1], down, right, top),
        ):
            row, column = along_row * self._grid + origin, along_column * self._grid
            np.add(row, column[:, np.newaxis], out=self._exact)
            np.rint(self._exact, out=self._exact)
            np.clip(self._exact, -FARTHEST, FARTHEST, out=self._exact)
            np.copyto(steps, self._exact, casting="unsafe")
        x, y = self._steps
        np.right_shift(x, STEPS_BITS, out=self._whole[..., 0], casting="unsafe")
        np.right_shift(y, STEPS_BITS, out=self._whole[..., 1], casting="unsafe")
        np.bitwise_and(x, STEPS - 1, out=x)
        np.bitwise_and(y, STEPS - 1, out=y)
        np.left_shift(y, STEPS_BITS, out=y)
        np.bitwise_or(x, y, out=self._fraction, casting="unsafe")
        self._region = region
