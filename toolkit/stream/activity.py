"""Whether somebody is signing right now, frame by frame: from the hands, or from how much the picture changes.

Knows nothing about signs: it says that a hand is up and that it moves, not what that means.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from toolkit.landmarks import Layout

# Measured on 60 validation clips of WLASL100: hanging hands are 1.9 to 2.8 necks below the shoulders, or not to be
# seen at all; hands that sign are between 1 neck above and 1.6 below.
RAISED = 1.75  # necks below the shoulders
MIN_SCORE = 0.5  # visibility of a wrist: what the network only guesses stays below
MOVING = 0.6  # shoulder widths or necks per second; hands that are held still jitter by 0.1 to 0.3
LOOK_BACK_S = 0.12  # a speed is measured over this time: over single frames jitter would count
SETTLE = 0.1  # how fast shoulders and neck, the units of length, follow a new frame

PIXELS_MOVING = 1.2  # mean change of a grey picture, of 255, over LOOK_BACK_S; noise of cameras stays below 1
GRID = 16  # cells along a side that a picture is reduced to
QUIET_S = 0.35  # a signer who does not change the picture for this time is at rest


class Activity(NamedTuple):
    """present: a hand is where signs are made; moving: and it moves."""

    present: bool
    moving: bool


class HandActivity:
    """From landmarks: a hand counts while it is up; x in shoulder widths, y in necks (nose to shoulders).

    Two units, so that it does not matter how wide the pictures are that x and y are fractions of.
    """

    def __init__(self, layout: Layout) -> None:
        self._nose, self._left, self._right = layout.slots("nose", "left_shoulder", "right_shoulder")
        self._hands: list[tuple[int, list[int]]] = []  # wrist, points that move with the hand
        for side in ("left", "right"):
            (wrist,) = layout.slots(f"{side}_wrist")
            tips = [wrist]
            if f"{side}_hand" in layout.parts:
                fingers = ("thumb", "index", "middle", "ring", "pinky")
                tips += layout.slots(*(f"{side}_hand_{finger}_tip" for finger in fingers))
            self._hands.append((wrist, tips))
        self._unit: NDArray[np.float64] | None = None
        self._before: deque[tuple[float, NDArray[np.float64], tuple[bool, ...]]] = deque()

    def see(self, values: NDArray[np.float32], moment: float) -> Activity:
        """values: (K, 4) landmarks of one frame, NaN for missing; moment: in seconds, rising."""
        points = values[:, :2].astype(np.float64)
        shoulders = points[[self._left, self._right]]
        unit = np.array([np.ptp(shoulders[:, 0]), shoulders[:, 1].mean() - points[self._nose, 1]])
        if np.isfinite(unit).all() and (unit > 0).all():
            self._unit = unit if self._unit is None else self._unit + SETTLE * (unit - self._unit)
        if self._unit is None or not np.isfinite(unit).all():
            self._before.clear()
            return Activity(False, False)
        places = (points - shoulders.mean(axis=0)) / self._unit
        up = tuple(
            bool(values[wrist, 3] >= MIN_SCORE and places[wrist, 1] < RAISED) for wrist, _ in self._hands
        )
        while len(self._before) > 1 and moment - self._before[1][0] >= LOOK_BACK_S:
            self._before.popleft()
        fastest = self._fastest(places, up, moment) if self._before else 0.0
        self._before.append((moment, places, up))
        return Activity(any(up), fastest >= MOVING)

    def _fastest(self, places: NDArray[np.float64], up: tuple[bool, ...], moment: float) -> float:
        """Of all points of hands that are up now and were before."""
        then, old, was_up = self._before[0]
        speeds = [0.0]
        for (_, tips), now_up, then_up in zip(self._hands, up, was_up, strict=True):
            if now_up and then_up and moment > then:
                ways = np.hypot(*(places[tips] - old[tips]).T)
                speeds += [float(way) / (moment - then) for way in ways if np.isfinite(way)]
        return max(speeds)


class PictureActivity:
    """From pictures alone, for models without landmarks: whoever moves is signing."""

    def __init__(self) -> None:
        self._before: deque[tuple[float, NDArray[np.float64]]] = deque()
        self._moved = -np.inf

    def see(self, picture: NDArray[np.uint8], moment: float) -> Activity:
        """picture: (H, W, 3) uint8 RGB; moment: in seconds, rising."""
        rows = np.linspace(0, picture.shape[0], GRID + 1).astype(int)
        columns = np.linspace(0, picture.shape[1], GRID + 1).astype(int)
        grey = picture[:, :, 1].astype(np.float64)  # green holds most of the brightness
        sums = np.add.reduceat(np.add.reduceat(grey, rows[:-1], axis=0), columns[:-1], axis=1)
        sizes = np.maximum(np.diff(rows), 1)[:, None] * np.maximum(np.diff(columns), 1)
        cells = sums / sizes
        while len(self._before) > 1 and moment - self._before[1][0] >= LOOK_BACK_S:
            self._before.popleft()
        if self._before and float(np.abs(cells - self._before[0][1]).mean()) >= PIXELS_MOVING:
            self._moved = moment
        moving = self._moved == moment
        self._before.append((moment, cells))
        return Activity(moment - self._moved < QUIET_S, moving)
