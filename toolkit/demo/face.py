"""The head of a drawn signer, painted once: face, hair, headscarf, glasses.

This module knows shapes, not movement. Coordinates are head heights around the point between the shoulders
(x right, y down), so the chin is at about -0.42 and the crown at -1.5.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from toolkit.demo.drawing import Colour, Painter, Sprite, ellipse, mirrored, smooth_curve, tint
from toolkit.demo.looks import Looks

Floats = NDArray[np.floating]

EYE_WHITE: Colour = (238, 236, 234)
IRIS: Colour = (72, 56, 44)
PUPIL: Colour = (14, 12, 12)
FRAMES: Colour = (44, 40, 42)

# The right half of the face, from the chin up.
_FACE = ((0, -.42), (.16, -.46), (.31, -.64), (.37, -.9), (.36, -1.15), (.22, -1.37), (0, -1.44))  # fmt: skip
_HAIRLINE = (
    (-.41, -.92), (-.43, -1.25), (-.29, -1.5), (0, -1.59), (.29, -1.5), (.43, -1.25), (.41, -.92),
    (.35, -1.12), (.23, -1.29), (0, -1.33), (-.2, -1.27), (-.35, -1.1),
)  # fmt: skip
_BEARD = (
    (-.37, -.86), (-.3, -.72), (-.17, -.66), (0, -.69), (.17, -.66), (.3, -.72), (.37, -.86), (.33, -.6),
    (.17, -.43), (0, -.39), (-.17, -.43), (-.33, -.6),
)  # fmt: skip
_LIPS = (
    (-.14, -.605), (-.04, -.632), (0, -.622), (.04, -.632), (.14, -.605), (.06, -.55), (-.06, -.55),
)  # fmt: skip


def paint_back_hair(looks: Looks) -> Sprite | None:
    """What hangs behind the shoulders, or None."""
    paper = Painter(-0.9, -2.05, 0.9, 0.5)
    if looks.hair_style == "long":
        fall = [
            (-0.46, -1.2),
            (0, -1.62),
            (0.46, -1.2),
            (0.54, -0.5),
            (0.47, 0.14),
            (-0.47, 0.14),
            (-0.54, -0.5),
        ]
        paper.fill(smooth_curve(fall), tint(looks.hair, 0.78), 0.2)
    elif looks.hair_style == "scarf":
        drape = [(-0.45, -1.2), (0, -1.6), (0.45, -1.2), (0.5, -0.5), (0.62, 0.1), (-0.62, 0.1), (-0.5, -0.5)]
        paper.fill(smooth_curve(drape), tint(looks.accent, 0.8), 0.2)
    elif looks.hair_style == "bun":
        paper.fill(ellipse((0.04, -1.66), (0.2, 0.18)), tint(looks.hair, 0.9), 0.12)
    elif looks.hair_style == "curls":
        for angle in np.linspace(-0.15, 1.15, 13) * np.pi:
            paper.fill(
                ellipse((-0.45 * np.cos(angle), -1.14 - 0.44 * np.sin(angle)), (0.16, 0.16)), looks.hair, 0.14
            )
    else:
        return None
    return paper.finish()


def paint_head(looks: Looks, eyes_open: bool) -> Sprite:
    """The head from the chin up, with hair; a second one with closed eyes makes the signer blink."""
    paper, skin = Painter(-0.75, -1.85, 0.75, 0.45), looks.skin
    bald, scarf = looks.hair_style == "bald", looks.hair_style == "scarf"
    if not scarf:
        for ear in mirrored(ellipse((0.385, -0.92), (0.075, 0.13)).tolist()):
            paper.fill(ear, tint(skin, 0.92), 0.07)
    paper.fill(ellipse((0, -1.1), (0.41, 0.46)), tint(skin, 0.95) if bald else tint(looks.hair, 0.85), 0.2)
    half = np.array(_FACE)
    face = smooth_curve(np.concatenate([half, half[-2:0:-1] * (-1, 1)]))
    paper.fill(face, skin, 0.3)
    if looks.beard:
        paper.fill(smooth_curve(_BEARD), tint(looks.hair, 0.95), 0.14)
    for cheek in mirrored(ellipse((0.215, -0.76), (0.09, 0.07)).tolist()):
        paper.fill(cheek, tint(skin, (1.05, 0.8, 0.78)), inside=face, opacity=0.3)
    _paint_eyes(paper, looks, eyes_open)
    _paint_nose_and_mouth(paper, skin)
    if scarf:
        _paint_scarf(paper, looks.accent, face)
    elif not bald:
        _paint_hair(paper, looks)
    return paper.finish()


def _paint_nose_and_mouth(paper: Painter, skin: Colour) -> None:
    shadow = [(0.015, -0.95), (0.07, -0.745), (0, -0.695), (0.02, -0.8)]
    bridge = [(-0.02, -0.92), (0.015, -0.9), (0.03, -0.765), (-0.03, -0.755)]
    paper.fill(smooth_curve(shadow), tint(skin, 0.8))
    paper.fill(smooth_curve(bridge), tint(skin, 1.1))
    for nostril in mirrored(ellipse((0.048, -0.715), (0.028, 0.016)).tolist()):
        paper.fill(nostril, tint(skin, 0.55))
    paper.fill(smooth_curve(_LIPS), tint(skin, (0.84, 0.66, 0.66)))
    paper.fill(smooth_curve([(-0.13, -0.602), (0, -0.606), (0.13, -0.602), (0, -0.588)]), tint(skin, 0.42))


def _paint_hair(paper: Painter, looks: Looks) -> None:
    gloss = [(-0.26, -1.42), (-0.05, -1.52), (0.1, -1.47), (-0.08, -1.42)]
    paper.fill(smooth_curve(_HAIRLINE), looks.hair, 0.12)
    paper.fill(smooth_curve(gloss), tint(looks.hair, 1.3))
    if looks.hair_style == "curls":
        for x in np.linspace(-0.34, 0.34, 6):
            paper.fill(ellipse((x, -1.36 + 0.5 * x * x), (0.12, 0.11)), looks.hair, 0.1)


def _paint_scarf(paper: Painter, colour: Colour, face: Floats) -> None:
    around = [*_HAIRLINE[:7], (0.42, -0.7), (0.3, -0.4), (0, -0.25), (-0.3, -0.4), (-0.42, -0.7)]
    wrap, opening = smooth_curve(around), face * 0.86 + (0, -0.15)
    # One outline with a hole; it is cut open where the rims are close, or the cut would show in the face.
    nearest = int(np.argmin(np.linalg.norm(opening - wrap[0], axis=1)))
    opening = np.roll(opening, -nearest, axis=0)
    paper.fill(np.concatenate([wrap, wrap[:1], opening[:1], opening[::-1]]), colour, 0.1)
    chest = [(-0.3, -0.42), (0, -0.3), (0.3, -0.42), (0.42, 0.05), (0.1, 0.28), (-0.38, 0.1)]
    paper.fill(smooth_curve(chest), colour, 0.16)


def _paint_eyes(paper: Painter, looks: Looks, eyes_open: bool) -> None:
    skin = looks.skin
    parts: list[tuple[Floats, Colour]] = [
        (smooth_curve([(0.27, -0.93), (0.17, -1.0), (0.07, -0.93), (0.17, -0.885)]), tint(skin, 0.82)),
    ]
    if eyes_open:
        parts += [
            (smooth_curve([(0.25, -0.93), (0.17, -0.978), (0.085, -0.925), (0.17, -0.893)]), EYE_WHITE),
            (ellipse((0.165, -0.934), (0.042, 0.042)), IRIS),
            (ellipse((0.165, -0.934), (0.022, 0.022)), PUPIL),
            (ellipse((0.152, -0.946), (0.01, 0.01)), EYE_WHITE),
            (
                smooth_curve([(0.262, -0.932), (0.17, -0.988), (0.078, -0.928), (0.17, -0.965)]),
                tint(skin, 0.32),
            ),
        ]
    else:
        parts += [
            (smooth_curve([(0.262, -0.925), (0.17, -0.9), (0.078, -0.925), (0.17, -0.915)]), tint(skin, 0.32))
        ]
    brow = tint(looks.hair, 0.8) if looks.hair_style != "scarf" else tint(skin, 0.35)
    parts += [(smooth_curve([(0.29, -1.045), (0.18, -1.1), (0.07, -1.068), (0.18, -1.062)]), brow)]
    for outline, colour in parts:
        for one in mirrored(outline.tolist()):
            paper.fill(one, colour)
    if looks.glasses:
        for lens in mirrored(
            np.concatenate(
                [ellipse((0.17, -0.925), (0.125, 0.1)), ellipse((0.17, -0.925), (0.105, 0.082))[::-1]]
            ).tolist()
        ):
            paper.fill(lens, FRAMES)
        paper.fill(np.array([(-0.05, -0.945), (0.05, -0.945), (0.05, -0.925), (-0.05, -0.925)]), FRAMES)
