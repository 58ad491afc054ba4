"""Bones and camera: from the places of the hands to elbows, and from body units to pixels.

This module knows proportions and geometry, nothing of looks. Lengths are in head heights (chin to crown),
which is the unit of the whole figure; x is right in the image, y down, z towards the viewer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

# After Drillis and Contini, "Body segment parameters" (1966): with a head of 0.130 of the stature, the
# forearm (0.146) is 1.12 heads and the upper arm (0.186) 1.43; the latter a little shorter here, so that
# arms at rest keep their hands inside the picture.
UPPER_ARM, FOREARM = 1.35, 1.12
HALF_SHOULDERS = 0.80
SHOULDER_DROP = 0.12
PERSPECTIVE = 0.13
"""A point one head nearer to the camera appears 1 / (1 - 0.13) times as large: a camera 1.8 m away."""
MAX_STRETCH = 0.985
"""The arm never straightens fully: the elbow of a straight arm would be undefined."""

JOINT_NAMES = (
    "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
)  # fmt: skip
"""The order of the truth joints; left is the signer's own left, which is on the right of the image."""


@dataclass(frozen=True)
class Arm:
    """shoulder, elbow, wrist: (3,) in head heights. side: -1 on the left of the image, 1 on the right."""

    side: int
    shoulder: Floats
    elbow: Floats
    wrist: Floats


def bend_arm(side: int, width: float, hand: Floats) -> Arm:
    """The arm whose hand is nearest to `hand` (3,); the elbow hangs down and outwards.

    width: breadth of the signer, 1 = average.
    """
    shoulder = np.array([side * (HALF_SHOULDERS * width - 0.06), SHOULDER_DROP, 0.0])
    reach = float(np.linalg.norm(hand - shoulder))
    direction = (hand - shoulder) / reach
    reach = min(reach, MAX_STRETCH * (UPPER_ARM + FOREARM))
    along = (UPPER_ARM**2 - FOREARM**2 + reach**2) / (2 * reach)
    swivel = np.array([0.75 * side, 0.8, -0.15])
    swivel -= direction * (swivel @ direction)
    height = np.sqrt(max(UPPER_ARM**2 - along**2, 0.0))
    elbow = shoulder + direction * along + swivel / np.linalg.norm(swivel) * height
    return Arm(side, shoulder, elbow, shoulder + direction * reach)


@dataclass(frozen=True)
class Camera:
    """Where the signer is in the picture.

    at: the pixel between the shoulders; unit: pixels per head height; roll: lean of the body in radians.
    """

    at: Floats
    unit: float
    roll: float

    def zoom(self, near: float) -> float:
        """Pixels per head height at that distance in front of the body."""
        return self.unit / (1 - PERSPECTIVE * near)

    def rotation(self) -> Floats:
        """(2, 2): turns body directions into image directions."""
        cos, sin = np.cos(self.roll), np.sin(self.roll)
        return np.array([[cos, -sin], [sin, cos]])

    def project(self, point: Floats) -> Floats:
        """A body point (2,) or (3,) -> pixel (2,)."""
        near = float(point[2]) if len(point) == 3 else 0.0
        return np.asarray(self.at + self.zoom(near) * (self.rotation() @ point[:2]))


def joint_pixels(arms: tuple[Arm, Arm], camera: Camera) -> Floats:
    """(6, 2) pixels of the two arms' joints, ordered as JOINT_NAMES."""
    left, right = sorted(arms, key=lambda arm: -arm.side)
    return np.array(
        [
            camera.project(getattr(arm, joint))
            for joint in ("shoulder", "elbow", "wrist")
            for arm in (left, right)
        ]
    )
