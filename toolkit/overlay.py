"""Landmarks drawn onto frames, so that a person can look at what was found. Knows layouts, not networks."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from toolkit.errors import InputError
from toolkit.landmarks import Layout

# RGB; the signer's left side in blue, the right side in orange, so that a swap of sides is seen at once
LEFT, RIGHT, MIDDLE = (40, 140, 255), (255, 120, 20), (245, 220, 60)
THICKNESS = 1 / 240  # of a line, as a fraction of the image's smaller side


def draw_landmarks(
    frame: NDArray[np.uint8], points: NDArray[np.float32], layout: Layout, min_score: float = 0.3
) -> NDArray[np.uint8]:
    """A copy of the frame with the skeleton drawn on it.

    frame: (H, W, 3) uint8 RGB; points: (K, 4) in image fractions, NaN for missing; min_score: points below it
    (visibility, presence) are left out: legs outside the picture are only guessed.

    Raises:
        InputError: the points do not fit the layout.
    """
    if points.shape != layout.item_shape:
        raise InputError(f"points {points.shape} do not fit layout '{layout.name}' {layout.item_shape}")
    picture = np.ascontiguousarray(frame).copy()
    height, width = picture.shape[:2]
    thick = max(1, round(min(height, width) * THICKNESS))
    places: dict[int, tuple[int, int]] = {
        slot: (round(float(x) * width), round(float(y) * height))
        for slot, (x, y, _, score) in enumerate(points)
        if np.isfinite(x) and score >= min_score
    }
    for start, end in layout.edges:
        if start in places and end in places:
            cv2.line(picture, places[start], places[end], _colour(layout, start, end), thick, cv2.LINE_AA)
    for slot, place in places.items():
        cv2.circle(picture, place, thick, _colour(layout, slot, slot), -1, cv2.LINE_AA)
    return picture


def picture_strip(
    frames: Sequence[NDArray[np.uint8]], height: int = 240, columns: int = 8
) -> NDArray[np.uint8]:
    """Frames side by side, each `height` pixels high, in rows of `columns`; all of one size. RGB."""
    width = round(frames[0].shape[1] * height / frames[0].shape[0])
    small = [cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA) for frame in frames]
    columns = min(columns, len(small))
    small += [np.full_like(small[0], 255)] * (-len(small) % columns)
    rows = [np.hstack(small[first : first + columns]) for first in range(0, len(small), columns)]
    return np.asarray(np.vstack(rows), dtype=np.uint8)


def _colour(layout: Layout, start: int, end: int) -> tuple[int, int, int]:
    sides = {layout.points[slot].split("_")[0] if slot in layout.parts["body"] else _hand_side(layout, slot)
             for slot in (start, end)}  # fmt: skip
    if sides == {"left"}:
        return LEFT
    return RIGHT if sides == {"right"} else MIDDLE


def _hand_side(layout: Layout, slot: int) -> str:
    return next(
        name.split("_")[0] for name, slots in layout.parts.items() if name != "body" and slot in slots
    )
