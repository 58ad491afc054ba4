"""The body of a drawn signer, painted once: torso and hands.

This module knows shapes and clothes, not movement. Coordinates are head heights around the point between
the shoulders (x right, y down); a hand's own are around its wrist, fingers up, thumb to the right.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from toolkit.demo.drawing import Colour, Painter, Sprite, capsule, ellipse, mirrored, smooth_curve, tint
from toolkit.demo.looks import Looks

Floats = NDArray[np.floating]

TROUSERS: Colour = (54, 60, 78)
NECK_SHADE = 0.86
"""The neck lies in the shadow of the head."""

# The right half of the torso, from the neck down.
_TORSO = ((.26, -.2), (.52, -.12), (.8, -.02), (.92, .2), (.84, .7), (.74, 1.3), (.7, 1.75),
          (.74, 2.4))  # fmt: skip


def paint_torso(looks: Looks) -> Sprite:
    """Trousers, neck and the garment, without arms; it ends below the lower edge of any picture."""
    paper = Painter(-1.3, -0.9, 1.3, 4.2)
    for side in (-1, 1):
        paper.fill(capsule((side * 0.37, 2.3), (side * 0.4, 4.6), 0.41, 0.34), TROUSERS, 0.4)
    neck = capsule((0, -0.72), (0, 0.4), 0.235, 0.26)
    paper.fill(neck, tint(looks.skin, NECK_SHADE), 0.24)
    chin_shadow = ellipse((0, -0.45), (0.26, 0.14))
    paper.fill(chin_shadow, tint(looks.skin, 0.5), inside=neck, opacity=0.45)
    half = np.array(_TORSO) * (looks.width, 1)
    half[3:, 0] *= looks.chest
    garment = smooth_curve(
        np.concatenate([half, half[::-1] * (-1, 1), [(-0.14, -0.1), (0, -0.04), (0.14, -0.1)]])
    )
    paper.fill(garment, looks.shirt, 0.42)
    if looks.pattern == "stripes":
        for y in np.arange(0.3, 2.4, 0.36):
            sag = [(-1.2, y), (0, y + 0.07), (1.2, y), (1.2, y + 0.15), (0, y + 0.22), (-1.2, y + 0.15)]
            paper.fill(np.array(sag), tint(looks.accent, 0.95), 0.0, inside=garment * (0.93, 1))
    for side, x, top in (
        (-1, 0.5, 0.75),
        (1, 0.47, 0.85),
        (1, 0.3, 1.75),
        (-1, 0.34, 1.7),
    ):  # folds of the cloth
        fold = [
            (side * x, top),
            (side * (x - 0.1), top + 0.3),
            (side * (x - 0.13), top + 0.6),
            (side * (x - 0.04), top + 0.3),
        ]
        paper.fill(smooth_curve(fold), tint(looks.shirt, 0.75), inside=garment, opacity=0.4)
    front = np.array([(-1, -0.17), (1, -0.17), (1, 1), (-1, 1)])  # above it is the neck itself
    if looks.pattern == "collar":
        opening = smooth_curve([(-0.2, -0.12), (0.2, -0.12), (0.08, 0.2), (0, 0.34), (-0.08, 0.2)])
    else:
        low = 0.14 if looks.pattern == "hood" else 0.18
        opening = smooth_curve(
            [(-0.27, -0.17), (0, -0.24), (0.27, -0.17), (0.15, low - 0.08), (0, low), (-0.15, low - 0.08)]
        )
        paper.fill(opening * 1.16, tint(looks.shirt, 0.8), 0.05, inside=front)
    paper.fill(opening, tint(looks.skin, NECK_SHADE), inside=front)
    _paint_collar(paper, looks)
    return paper.finish()


def _paint_collar(paper: Painter, looks: Looks) -> None:
    if looks.pattern == "collar":
        flap = [(0.27, -0.3), (0.34, -0.14), (0.2, 0.2), (0.01, 0.3), (0.16, 0.0), (0.22, -0.22)]
        for outline in mirrored(flap):
            paper.fill(outline, tint(looks.shirt, 1.1), 0.06)
        for y in (0.5, 0.95, 1.4, 1.85):
            paper.fill(ellipse((0.0, y), (0.035, 0.035)), tint(looks.shirt, 0.55), 0.02)
    elif looks.pattern == "hood":
        roll = [(0.2, -0.34), (0.42, -0.2), (0.36, 0.02), (0.12, 0.27), (0.0, 0.3), (0.1, 0.1), (0.24, -0.1)]
        for outline in mirrored(roll):
            paper.fill(smooth_curve(outline), tint(looks.shirt, 1.06), 0.1)
        for cord in mirrored([(0.13, 0.22), (0.17, 0.22), (0.16, 0.75), (0.12, 0.75)]):
            paper.fill(cord, tint(looks.accent, 1.1), 0.02)


# From index to little finger: knuckle along the hand, knuckle towards the thumb, length, radius, splay.
_FINGERS = ((.38, .145, .34, .052, .16), (.41, .05, .385, .052, .04), (.395, -.045, .355, .052, -.07),
            (.35, -.13, .27, .045, -.2))  # fmt: skip
_PALM = ((-.04, .1), (.1, .17), (.3, .2), (.4, .16), (.42, 0), (.38, -.15), (.2, -.18),
         (-.04, -.1))  # fmt: skip


def paint_hand(skin: Colour, curl: tuple[float, ...]) -> Sprite:
    """A hand around its wrist; curl: index, middle, ring, little finger, 0 = straight, 1 = bent."""
    paper = Painter(-0.45, -1.0, 0.5, 0.2)

    def at(along: float, thumbwards: float) -> tuple[float, float]:
        return thumbwards, -along

    def segment(
        start: tuple[float, float], end: tuple[float, float], start_radius: float, end_radius: float
    ) -> None:
        paper.fill(capsule(at(*start), at(*end), start_radius, end_radius), skin, end_radius)

    def thumb() -> None:
        segment((0.1, 0.12), (0.24, 0.26), 0.075, 0.06)
        segment((0.24, 0.26), (0.38, 0.33 - 0.2 * curl[0]), 0.058, 0.042)

    def finger(index: int) -> None:
        along, across, length, radius, splay = _FINGERS[index]
        bent = curl[index]
        length *= 1 - 0.62 * bent
        lean = splay * (1 - bent) * length
        middle = (along + 0.55 * length, across + 0.55 * lean)
        tip = (along + length, across + lean) if bent < 0.5 else (along - 0.02, across)
        segment((along, across), middle, radius * 1.05, radius * 0.95)
        segment(middle, tip, radius * 0.95, radius * 0.78)

    straight = [index for index in range(4) if curl[index] < 0.5]
    if curl[0] < 0.5:
        thumb()
    for index in straight:
        finger(index)
    paper.fill(smooth_curve([at(*point) for point in _PALM]), skin, 0.11)
    for index in sorted(set(range(4)) - set(straight)):
        finger(index)
    if curl[0] >= 0.5:
        thumb()
    return paper.finish()
