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
BAND = 128  # rows of a crop that are placed at a time
FINE_BITS = 10  # below 1/32 pixel, where positions are whole numbers (int32, so up to FARTHEST_FINE pixels)
FARTHEST_FINE = 2**31 / 2 ** (STEPS_BITS + FINE_BITS + 1)
MOST_COPIED = 500_000  # pixels; copying many more takes as long as remap does at the edges


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

    def corners(self) -> list[tuple[float, float]]:
        """Top left, top right, bottom right and bottom left corner in pixels, (x, y) each.

        In single precision and in the order of operations of cv::RotatedRect::points, by which MediaPipe places
        its crops: the four are a parallelogram up to that precision only.
        """
        x, y, size = np.float32(self.x), np.float32(self.y), np.float32(self.size)
        angle = np.float32(float(np.float32(self.rotation) * np.float32(180)) / pi)
        cosine, sine = (np.float32(turn(float(angle) * pi / 180)) * np.float32(0.5) for turn in (cos, sin))
        bottom_left = x - sine * size - cosine * size, y + cosine * size - sine * size
        top_left = x + sine * size - cosine * size, y - cosine * size - sine * size
        top_right, bottom_right = ((x + x - left, y + y - top) for left, top in (bottom_left, top_left))
        return [(float(h), float(v)) for h, v in (top_left, top_right, bottom_right, bottom_left)]

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


Coefficients = tuple[float, float, float]


def placement(corners: list[tuple[float, float]]) -> tuple[Coefficients, Coefficients, float, float]:
    """How a unit square lies on four corners as `Region.corners` gives them (cv::getPerspectiveTransform).

    Gives (a, b, c), (d, e, f), g, h: the point (u, v) of the square, both in 0..1, is the image's
    (a u + b v + c, d u + e v + f) / (g u + h v + 1). g and h are 0 if the corners are a parallelogram.
    """
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = corners
    right_x, right_y, left_x, left_y = x1 - x2, y1 - y2, x3 - x2, y3 - y2
    skew_x, skew_y = x0 - x1 + x2 - x3, y0 - y1 + y2 - y3
    area = right_x * left_y - right_y * left_x
    g, h = (skew_x * left_y - skew_y * left_x) / area, (right_x * skew_y - right_y * skew_x) / area
    return (x1 - x0 + g * x1, x3 - x0 + h * x3, x0), (y1 - y0 + g * y1, y3 - y0 + h * y3, y0), g, h


class Cropper:
    """Cuts regions out of images as the (1, 3, side, side) float32 input of one network.

    The array that `cut` returns is overwritten by its next call. The map of source positions is kept for as long
    as region and size of the image stay the same, as they do within a clip.

    cv2.remap takes three times as long for a place beyond the last pixels as for one inside. So with
    BORDER_REPLICATE places are moved to the edge, where they see the same, and the part of the image that is
    needed is copied with one more row and column.
    """

    def __init__(self, side: int, low: float, high: float, border: int, exact: bool = True) -> None:
        """side: of the square input in pixels; low, high: what 0 and 255 become; border: of cv2, what lies
        outside of the image; exact: every position as MediaPipe computes it, else in half of the time: 1 or 2 of
        1000 positions then differ, by 1/32 pixel."""
        self._side, self._border, self._exact = side, border, exact
        self._scale = np.float32((high - low) / 255)
        # With an offset, what a byte becomes is rounded once, as by the fused multiply-add of cv::Mat::convertTo.
        self._levels = None if low == 0 else (np.arange(256) * float(self._scale) + low).astype(np.float32)
        self._aimed: tuple[Region, int, int] | None = None  # and the image's height and width
        self._part = _Part(slice(None), slice(None), False)
        self._edged = np.empty((0, 0, 3), np.uint8)
        self._grid = np.arange(side) / side
        self._room = np.empty((2, 0, side), np.float64)  # for positions, and what they are multiplied by
        self._steps = np.empty((3, BAND, side), np.int32)  # source x and y in 1/32 pixel, and room
        self._whole = np.empty((side, side, 2), np.int16)
        self._fraction = np.empty((side, side), np.uint16)
        self._image = np.empty((side, side, 3), np.uint8)
        self._planes = np.empty((3, side, side), np.uint8)
        self.tensor = np.empty((1, 3, side, side), np.float32)
        """What `cut` writes to."""

    def cut(self, image: NDArray[np.uint8], region: Region) -> NDArray[np.float32]:
        """image: (H, W, 3) uint8 RGB. Valid until the next call."""
        aimed = (region, *image.shape[:2])
        if aimed != self._aimed:
            self._aim(*aimed)
            self._aimed = aimed
        source = image[self._part.rows, self._part.columns]
        if self._part.is_edged:
            source = self._with_edge(source)
        cv2.remap(
            source, self._whole, self._fraction, cv2.INTER_LINEAR, dst=self._image, borderMode=self._border
        )
        cv2.split(self._image, list(self._planes))
        if self._levels is None:
            np.copyto(self.tensor[0], self._planes)
            np.multiply(self.tensor, self._scale, out=self.tensor)
        else:
            for plane, levels in zip(self._planes, self.tensor[0], strict=True):
                cv2.LUT(plane, self._levels, dst=levels)
        return self.tensor

    def _with_edge(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The same with its last row and column once more."""
        height, width = image.shape[:2]
        if self._edged.shape != (height + 1, width + 1, 3):
            self._edged = np.empty((height + 1, width + 1, 3), np.uint8)
        self._edged[:height, :width] = image
        self._edged[height, :width] = image[-1]
        self._edged[:, width] = self._edged[:, width - 1]
        return self._edged

    def _aim(self, region: Region, height: int, width: int) -> None:
        """Compute where in the image every pixel of the crop lies."""
        corners = region.corners()
        placed = placement(corners)
        if self._border == cv2.BORDER_REPLICATE:
            limits = (0, (width - 1) * STEPS), (0, (height - 1) * STEPS)
            self._part = _Part.holding(corners, height, width)
        else:
            limits = (-FARTHEST, FARTHEST), (-FARTHEST, FARTHEST)
        offsets = (self._part.columns.start or 0) * STEPS, (self._part.rows.start or 0) * STEPS
        near = max(abs(place) for corner in corners for place in corner) < FARTHEST_FINE
        exact = self._exact or not near
        if exact and not self._room.size:
            self._room = np.empty((2, BAND, self._side), np.float64)
        within = None if self._part.is_whole else limits
        pairs = self._whole.view(np.int32)[..., 0]
        for begin in range(0, self._side, BAND):  # bands stay in the processor's cache
            rows = slice(begin, begin + BAND)
            down = self._grid[rows]
            x, y, room = self._steps[:, : len(down)]
            if exact:
                _locate(placed, self._grid, down, limits, offsets, self._room[:, : len(down)], (x, y))
            else:
                _locate_fast(placed[:2], self._grid, down, within, offsets, (x, y))
            # whole pixels: x and y, an int16 each, in one number; fractions: both in another
            np.right_shift(x, STEPS_BITS, out=room)
            np.bitwise_and(room, 0xFFFF, out=room)
            pair = np.right_shift(y, STEPS_BITS, out=pairs[rows])
            np.left_shift(pair, 16, out=pair)
            np.bitwise_or(pair, room, out=pair)
            np.bitwise_and(x, STEPS - 1, out=x)
            np.bitwise_and(y, STEPS - 1, out=y)
            np.left_shift(y, STEPS_BITS, out=y)
            np.bitwise_or(x, y, out=self._fraction[rows], casting="unsafe")


Limits = tuple[tuple[int, int], tuple[int, int]]


def _locate(
    placed: tuple[Coefficients, Coefficients, float, float],
    columns: NDArray[np.float64],
    rows: NDArray[np.float64],
    limits: Limits,
    offsets: tuple[int, int],
    room: NDArray[np.float64],
    steps: tuple[NDArray[np.int32], NDArray[np.int32]],
) -> None:
    """Write to `steps`, x and y (R, C), where in the image points (column, row) of the unit square lie, in 1/32
    pixel.

    placed: see `placement`; limits: lowest and highest x, and y; offsets: x and y that count as 0 from then on;
    room: (2, R, C), to compute in.
    """
    across, down, g, h = placed
    place, ratio = room
    np.add(g * columns + 1, (h * rows)[:, np.newaxis], out=ratio)
    np.divide(STEPS, ratio, out=ratio)
    for (along_row, along_column, origin), (low, high), offset, found in zip(
        (across, down), limits, offsets, steps, strict=True
    ):
        np.add(along_row * columns + origin, (along_column * rows)[:, np.newaxis], out=place)
        np.multiply(place, ratio, out=place)
        np.rint(place, out=place)
        np.clip(place, low, high, out=place)
        np.copyto(found, place, casting="unsafe")
        found -= offset


def _locate_fast(
    placed: tuple[Coefficients, Coefficients],
    columns: NDArray[np.float64],
    rows: NDArray[np.float64],
    limits: Limits | None,
    offsets: tuple[int, int],
    steps: tuple[NDArray[np.int32], NDArray[np.int32]],
) -> None:
    """As `_locate`, in whole numbers, of a parallelogram (g and h of `placement` are not looked at).

    limits: None where all lies within them.
    """
    unit = STEPS << FINE_BITS
    half = 1 << FINE_BITS - 1  # what is cut off below rounds so
    for axis, (along_row, along_column, origin) in enumerate(placed):
        found, offset = steps[axis], offsets[axis]
        across = np.rint((along_row * columns + origin) * unit).astype(np.int32)
        down = np.rint(along_column * rows * unit).astype(np.int32)
        down += half - (offset << FINE_BITS)
        np.add(across, down[:, np.newaxis], out=found)
        np.right_shift(found, FINE_BITS, out=found)
        if limits is not None:
            low, high = limits[axis]
            np.clip(found, low - offset, high - offset, out=found)


class _Part(NamedTuple):
    """Rows and columns of an image, and whether the last of them have to be there twice; is_whole: whether the region
    lies in the image as a whole."""

    rows: slice
    columns: slice
    is_edged: bool
    is_whole: bool = False

    @classmethod
    def holding(cls, corners: list[tuple[float, float]], height: int, width: int) -> _Part:
        """What sampling between these corners needs, (x, y) in pixels; beyond the image, its edges count."""
        (left, right), (top, bottom) = ((min(places), max(places)) for places in zip(*corners, strict=True))
        whole = left >= 0 and top >= 0 and right <= width - 1 and bottom <= height - 1
        left, right = (floor(min(max(place, 0), width - 1)) for place in (left, right))
        top, bottom = (floor(min(max(place, 0), height - 1)) for place in (top, bottom))
        part = cls(slice(top, bottom + 2), slice(left, right + 2), False, whole)
        if right < width - 1 and bottom < height - 1:
            return part
        pixels = (min(bottom + 2, height) - top) * (min(right + 2, width) - left)
        return part._replace(is_edged=pixels <= MOST_COPIED)
