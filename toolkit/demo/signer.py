"""A drawn signer: puts the painted parts together in the posture that the hands ask for.

This module knows how one frame is drawn; it does not know signs or time.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from toolkit.demo.drawing import Image, Sprite, draw_limb, paste, tint
from toolkit.demo.face import paint_back_hair, paint_head
from toolkit.demo.figure import paint_hand, paint_torso
from toolkit.demo.looks import Looks
from toolkit.demo.signs import HandPose
from toolkit.demo.skeleton import Arm, Camera, bend_arm, joint_pixels

Floats = NDArray[np.floating]

CURL_STEPS = 4
"""Hands are painted with fingers bent in steps of a quarter; in motion nobody sees the difference."""
MIN_TURN = 0.3
"""A hand seen edge-on keeps this part of its breadth: a hand is not flat."""

# Radii in head heights.
SHOULDER_RADIUS, ELBOW_RADIUS, FOREARM_RADIUS, WRIST_RADIUS, CUFF_RADIUS = 0.25, 0.185, 0.18, 0.115, 0.13


class Signer:
    """One signer with all parts painted; `draw` may be called for any number of frames."""

    def __init__(self, looks: Looks) -> None:
        self.looks = looks
        self._torso = paint_torso(looks)
        self._back_hair = paint_back_hair(looks)
        self._heads = {eyes_open: paint_head(looks, eyes_open) for eyes_open in (True, False)}
        self._hands: dict[tuple[float, ...], Sprite] = {}  # painted when first needed

    def draw(
        self, image: Image, hands: tuple[HandPose, HandPose], camera: Camera, nod: Floats, eyes_open: bool
    ) -> Floats:
        """Draw the signer into `image` in place; returns the joints in pixels, (6, 2), as JOINT_NAMES.

        hands: on the left of the image, on the right; nod: shift (2,) of the head in head heights.
        """
        arms = (self._reach(-1, hands[0]), self._reach(1, hands[1]))
        upright = camera.rotation() * camera.unit
        if self._back_hair is not None:
            paste(image, self._back_hair, upright, camera.project(nod))
        paste(image, self._torso, upright, camera.at)
        paste(image, self._heads[eyes_open], upright, camera.project(nod))
        order = sorted((0, 1), key=lambda side: hands[side].near)  # the nearer arm covers the other one
        for side in order:
            self._draw_upper_arm(image, arms[side], camera)
        for side in order:
            self._draw_forearm(image, arms[side], camera)
            self._draw_hand(image, arms[side], hands[side], camera)
        return joint_pixels(arms, camera)

    def _reach(self, side: int, hand: HandPose) -> Arm:
        return bend_arm(side, self.looks.width, np.array([side * hand.out, hand.down, hand.near]))

    def _draw_upper_arm(self, image: Image, arm: Arm, camera: Camera) -> None:
        looks, shoulder, elbow = self.looks, camera.project(arm.shoulder), camera.project(arm.elbow)
        radii = (SHOULDER_RADIUS * camera.unit, ELBOW_RADIUS * camera.zoom(arm.elbow[2]))
        if looks.sleeve == 1:
            draw_limb(image, shoulder, elbow, radii, looks.shirt)
            return
        draw_limb(image, shoulder, elbow, radii, looks.skin)
        hem = shoulder + (elbow - shoulder) * looks.sleeve
        draw_limb(image, shoulder, hem, (1.1 * radii[0], 0.98 * radii[0]), looks.shirt)

    def _draw_forearm(self, image: Image, arm: Arm, camera: Camera) -> None:
        looks, elbow, wrist = self.looks, camera.project(arm.elbow), camera.project(arm.wrist)
        radii = (FOREARM_RADIUS * camera.zoom(arm.elbow[2]), WRIST_RADIUS * camera.zoom(arm.wrist[2]))
        draw_limb(image, elbow, wrist, radii, looks.shirt if looks.sleeve == 1 else looks.skin)
        if looks.sleeve == 1:
            cuff = CUFF_RADIUS * camera.zoom(arm.wrist[2])
            draw_limb(image, elbow + (wrist - elbow) * 0.9, wrist, (cuff, cuff), tint(looks.shirt, 0.92))

    def _draw_hand(self, image: Image, arm: Arm, hand: HandPose, camera: Camera) -> None:
        angle = np.deg2rad(hand.angle) * -arm.side
        fingers = camera.rotation() @ np.array([np.sin(angle), -np.cos(angle)])
        # The palm faces the viewer with the fingers up and the body with the fingers down: the hand turns
        # about its own axis on the way.
        turn = 1 - 2 * _ease((fingers[1] + 0.1) / 0.8)
        turn = float(np.copysign(max(abs(turn), MIN_TURN), turn))
        thumb = np.array([fingers[1], -fingers[0]]) * arm.side * turn
        curl = tuple(round(float(bend) * CURL_STEPS) / CURL_STEPS for bend in hand.curl)
        if curl not in self._hands:
            self._hands[curl] = paint_hand(self.looks.skin, curl)
        matrix = np.column_stack([thumb, -fingers]) * camera.zoom(arm.wrist[2])
        paste(image, self._hands[curl], matrix, camera.project(arm.wrist))


def _ease(x: float) -> float:
    """0..1 with a soft start and end."""
    x = min(max(x, 0.0), 1.0)
    return x * x * (3 - 2 * x)
