"""Shaded shapes: outlines, limbs and sprites lit by one lamp, on RGB images.

This module knows light and geometry, not bodies. Two ways of drawing share one lamp, so that their results
fit together: a `Painter` paints a part of the figure once, in detail, into a `Sprite` that is pasted into
every frame; `draw_limb` draws a shape that changes with every frame straight into the image.
Pose networks look for shading with a dark rim: flat silhouettes are found far less often.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Image = NDArray[np.uint8]
Colour = tuple[float, float, float]
"""Red, green, blue, each 0..255."""

SPRITE_SCALE = 84.0
"""Pixels per unit of a finished sprite: a little more than a frame needs (62 to 72, nearer hands 90)."""
SUPERSAMPLING = 3
"""Sprites are painted this much larger and then averaged down: smooth edges at no cost per frame."""
LIGHT = np.array([-0.40, -0.52, 0.755], np.float32)
"""Unit vector towards the lamp: from the upper left, in front (x right, y down, z towards the viewer)."""
RIM_SHADE, TOP_SHADE = 0.55, 1.13
"""Brightness of a surface turned away from the lamp, and of one that faces it (1 = the plain colour)."""
_SHIFT = 4  # bits of sub-pixel accuracy in OpenCV's polygon filler
_RING = np.stack([f(np.linspace(0, 2 * np.pi, 28, endpoint=False)) for f in (np.cos, np.sin)], axis=1)


def tint(colour: Colour, factor: float | Sequence[float]) -> Colour:
    """The colour made darker (< 1) or lighter (> 1), as a whole or per channel."""
    red, green, blue = np.clip(np.multiply(colour, factor), 0, 255).tolist()
    return (red, green, blue)


def smooth_curve(points: Sequence[tuple[float, float]] | Floats, steps: int = 8) -> Floats:
    """Closed Catmull-Rom curve through (N, 2) points -> (N * steps, 2)."""
    p1 = np.asarray(points, float)[:, None]
    p0, p2, p3 = (np.roll(p1, shift, axis=0) for shift in (1, -1, -2))
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    cubic = 2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * (p1 - p2) + p3 - p0) * t**3
    return np.asarray(0.5 * cubic).reshape(-1, 2)


def ellipse(centre: tuple[float, float], radii: tuple[float, float]) -> Floats:
    """Outline of an ellipse, (28, 2)."""
    return np.asarray(centre) + _RING * radii


def capsule(start: Sequence[float], end: Sequence[float], start_radius: float, end_radius: float) -> Floats:
    """Outline of a limb with round ends, (M, 2)."""
    discs = [np.asarray(start) + _RING * start_radius, np.asarray(end) + _RING * end_radius]
    return np.asarray(cv2.convexHull(np.concatenate(discs).astype(np.float32)))[:, 0].astype(float)


def mirrored(points: Sequence[tuple[float, float]]) -> list[Floats]:
    """The outline on the right of the image, and its mirror image on the left."""
    return [np.asarray(points, float) * (side, 1) for side in (1, -1)]


@dataclass(frozen=True)
class Sprite:
    """A painted part.

    pixels: (H, W, 4) uint8, RGB already multiplied by alpha; origin: the pixel (x, y) of the point (0, 0).
    """

    pixels: Image
    origin: tuple[float, float]


class Painter:
    """Paints shapes, given in units, one over the other; `finish` returns them as a sprite."""

    def __init__(self, left: float, top: float, right: float, bottom: float) -> None:
        """The corners of the paper, in units."""
        self._scale = SPRITE_SCALE * SUPERSAMPLING
        self._corner = np.array([left, top])
        size = [int(np.ceil(side * SPRITE_SCALE)) * SUPERSAMPLING for side in (bottom - top, right - left)]
        self._rgb = np.zeros((*size, 3), np.float32)
        self._alpha = np.zeros(size, np.float32)

    def fill(
        self,
        outline: Floats,
        colour: Colour,
        roundness: float = 0.0,
        inside: Floats | None = None,
        opacity: float = 1.0,
    ) -> None:
        """Paint one closed outline.

        roundness: width in units of the band over which the form curves away at its rim (0 paints it flat);
        inside: paint only what also lies within this outline (a pattern on a garment);
        opacity: 1 covers what is below, less lets it shine through.
        """
        points = (np.asarray(outline, float) - self._corner) * self._scale
        low = np.clip(np.floor(points.min(axis=0)).astype(int) - 2, 0, None)
        high = np.ceil(points.max(axis=0)).astype(int) + 3
        window = (slice(low[1], high[1]), slice(low[0], high[0]))
        rgb, alpha = self._rgb[window], self._alpha[window]
        if not alpha.size:
            return
        coverage = _mask(points - low, alpha.shape)
        light: Floats = np.ones((1, 1), np.float32)
        if roundness:
            light = _inflated_light(coverage, roundness * self._scale)
        cover = coverage.astype(np.float32) * np.float32(opacity / 255)
        if inside is not None:
            limit = (np.asarray(inside, float) - self._corner) * self._scale
            cover *= _mask(limit - low, alpha.shape).astype(np.float32) / 255
        paint = np.minimum(light[..., None] * np.asarray(colour, np.float32), 255)
        rgb += (paint - rgb) * cover[..., None]
        alpha += (1 - alpha) * cover

    def finish(self) -> Sprite:
        """Everything painted so far, averaged down to SPRITE_SCALE."""
        layers = np.concatenate([self._rgb, self._alpha[..., None] * 255], axis=2)
        height, width = (side // SUPERSAMPLING for side in self._alpha.shape)
        small = cv2.resize(layers, (width, height), interpolation=cv2.INTER_AREA)
        left, top = (-self._corner * SPRITE_SCALE).tolist()
        return Sprite(np.rint(small).astype(np.uint8), (left, top))


def paste(image: Image, sprite: Sprite, matrix: Floats, at: Floats) -> None:
    """Draw a sprite into `image` in place.

    matrix: (2, 2), sprite units -> pixels of the image; at: (2,), where the sprite's origin goes, in pixels.
    """
    linear = np.asarray(matrix, float) / SPRITE_SCALE
    height, width = sprite.pixels.shape[:2]
    corners = (np.array([[0, 0], [width, 0], [0, height], [width, height]]) - sprite.origin) @ linear.T + at
    window, low = _window(corners, image.shape)
    region = image[window]
    if not region.size:
        return
    shift = np.asarray(at) - low - linear @ sprite.origin
    moved = cv2.warpAffine(
        sprite.pixels,
        np.column_stack([linear, shift]),
        (region.shape[1], region.shape[0]),
        flags=cv2.INTER_LINEAR,
    )
    keep = cv2.cvtColor(cv2.bitwise_not(moved[..., 3]), cv2.COLOR_GRAY2RGB)
    behind = cv2.multiply(region, keep, scale=1 / 255)
    region[...] = cv2.add(behind, cv2.cvtColor(moved, cv2.COLOR_RGBA2RGB))


def draw_limb(image: Image, start: Floats, end: Floats, radii: tuple[float, float], colour: Colour) -> None:
    """Draw a lit limb with round ends into `image` in place; positions and radii in pixels."""
    reach = max(radii) + 1
    ends = np.stack([start, end])
    window, low = _window(np.concatenate([ends - reach, ends + reach]), image.shape)
    region = image[window]
    if not region.size:
        return
    rows, columns = region.shape[:2]
    x = np.arange(columns, dtype=np.float32)[None] - np.float32(start[0] - low[0])
    y = np.arange(rows, dtype=np.float32)[:, None] - np.float32(start[1] - low[1])
    axis_x, axis_y = (np.asarray(end) - start).astype(np.float32)
    length2 = max(float(axis_x**2 + axis_y**2), 1e-6)
    # minimum and maximum instead of clip: its overhead counts on pictures of this size
    along = np.minimum(np.maximum(x * (axis_x / length2) + y * (axis_y / length2), 0), 1)
    radius = np.float32(radii[0]) + np.float32(radii[1] - radii[0]) * along
    off_x, off_y = (x - along * axis_x) / radius, (y - along * axis_y) / radius
    distance2 = off_x * off_x + off_y * off_y
    opacity = np.minimum(np.maximum((1 - np.sqrt(distance2)) * radius + np.float32(0.5), 0), 1)
    facing = off_x * LIGHT[0] + off_y * LIGHT[1] + np.sqrt(np.maximum(1 - distance2, 0)) * LIGHT[2]
    paint = np.minimum(_brightness(facing)[..., None] * np.asarray(colour, np.float32), 255)
    region[...] = region + (paint - region) * opacity[..., None]


def _brightness(facing: Floats) -> Floats:
    """facing: cosine of the angle between surface and lamp; a surface facing the viewer gets about 1."""
    return np.asarray(RIM_SHADE + (TOP_SHADE - RIM_SHADE) * np.maximum(facing, 0))


def _mask(points: Floats, shape: tuple[int, ...]) -> Image:
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.rint(points * 2**_SHIFT).astype(np.int32)], [255.0], cv2.LINE_AA, _SHIFT)
    return mask


def _inflated_light(mask: Image, band: float) -> Floats:
    """Brightness of the mask blown up like a cushion whose rim curves over `band` pixels."""
    inner = cv2.distanceTransform(np.pad((mask > 127).astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    depth = np.minimum(inner / band, 1)
    height = cv2.GaussianBlur(np.sqrt(depth * (2 - depth)) * band, (0, 0), max(band * 0.14, 1.0))
    slope_y, slope_x = np.gradient(height)
    steepness = np.sqrt(1 + slope_x**2 + slope_y**2)
    return _brightness((LIGHT[2] - slope_x * LIGHT[0] - slope_y * LIGHT[1]) / steepness)


def _window(points: Floats, shape: tuple[int, ...]) -> tuple[tuple[slice, slice], NDArray[np.int64]]:
    """The part of an image that holds the points: its slices and its upper left pixel."""
    limit = np.array([shape[1], shape[0]])
    low = np.clip(np.floor(points.min(axis=0)).astype(np.int64), 0, limit)
    high = np.clip(np.ceil(points.max(axis=0)).astype(np.int64) + 1, low, limit)
    return (slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))), low
