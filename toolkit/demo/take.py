"""One take: a signer performs a sign, as frames and as the true places of the joints.

This module knows time: how a sign begins at rest and ends there, how no two takes are alike, when a signer
blinks. The same arguments always give the same frames.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from toolkit.demo.drawing import Image
from toolkit.demo.looks import choose_looks
from toolkit.demo.scene import Sensor, add_label, paint_room
from toolkit.demo.signer import Signer
from toolkit.demo.signs import REST, SIGNS, HandPose
from toolkit.demo.skeleton import JOINT_NAMES, Camera
from toolkit.errors import ConfigError

Floats = NDArray[np.floating]

FPS = 25
WIDTH, HEIGHT = 480, 360
MIN_FRAMES, MAX_FRAMES = 34, 50
LEFT_HANDED_SIGNER = 1
"""The number of the one signer who signs with the left hand."""
BLINK_FRAMES = 3  # 0.12 s
CHEST = 0.5
"""Head heights below the shoulders."""


class Take(NamedTuple):
    """frames: (T, HEIGHT, WIDTH, 3) uint8 RGB; joints: (T, 6, 2) float32, image fractions, as JOINT_NAMES."""

    frames: Image
    joints: NDArray[np.float32]


def draw_clip(gloss: str, signer: int, seed: int = 0, take: int = 0) -> Take:
    """Draw one clip of signer number `signer` of the data set `seed`, MIN_FRAMES to MAX_FRAMES long at FPS.

    Raises:
        ConfigError: the drawn signer does not know the gloss.
    """
    if gloss not in SIGNS:
        raise ConfigError(f"the drawn signer knows no sign '{gloss}'; choose one of: {', '.join(SIGNS)}")
    person = _signer(signer, seed)
    looks = person.looks
    rng = np.random.default_rng([seed, 0x7A4E, signer, take, list(SIGNS).index(gloss)])
    count = int(rng.integers(MIN_FRAMES, MAX_FRAMES + 1))
    performance = _Performance(gloss, rng)
    unit = looks.head * HEIGHT * rng.uniform(0.97, 1.03)
    start = np.multiply(looks.at, (WIDTH, HEIGHT)) + rng.normal(0, 0.008, 2) * WIDTH
    drift = rng.normal(0, 0.012, 2) * WIDTH
    phase = rng.random(4)
    room, sensor = paint_room(looks, WIDTH, HEIGHT, rng), Sensor(WIDTH, HEIGHT, rng)
    blink = int(rng.integers(0, count))

    frames = np.empty((count, HEIGHT, WIDTH, 3), np.uint8)
    joints = np.empty((count, len(JOINT_NAMES), 2), np.float32)
    for index, t in enumerate(np.linspace(0, 1, count)):
        sway = np.sin(2 * np.pi * (t * np.array([0.7, 0.7, 0.8, 0.6]) + phase))
        at = start + drift * t + 0.02 * unit * sway[:2]
        camera = Camera(at, unit, float(0.03 * np.sin(2 * np.pi * (0.5 * t + phase[2]))))
        dominant, other = performance.hands(float(t))
        # Seen from the front, a right-handed signer's dominant hand is on the left of the image.
        hands = (other, dominant) if looks.left_handed else (dominant, other)
        image = frames[index]
        image[...] = room
        pixels = person.draw(image, hands, camera, 0.03 * sway[2:], not blink <= index < blink + BLINK_FRAMES)
        sensor.expose(image)
        add_label(image)
        joints[index] = pixels / (WIDTH, HEIGHT)
    return Take(frames, joints)


@lru_cache(maxsize=8)
def _signer(signer: int, seed: int) -> Signer:
    return Signer(choose_looks(signer, seed, left_handed=signer == LEFT_HANDED_SIGNER))


class _Performance:
    """One performance of a sign: from rest into the sign and back, in this take's own way."""

    def __init__(self, gloss: str, rng: np.random.Generator) -> None:
        self._sign = SIGNS[gloss]
        self._lead = rng.uniform(0.14, 0.20)  # part of the take for the way in, and for the way out
        self._amplitude = rng.uniform(0.9, 1.1)
        self._delay = rng.uniform(-0.03, 0.03)
        self._offsets = rng.normal(0, 0.05, (2, 2))

    def hands(self, t: float) -> tuple[HandPose, HandPose]:
        """The dominant hand and the other one at time t of the take, 0..1."""
        lead = self._lead
        presence = _ease(t / lead) * _ease((1 - t) / lead)
        progress = (t + self._delay - 0.6 * lead) / (1 - 1.2 * lead)
        dominant, other = self._sign(min(max(progress, 0.0), 1.0))
        return self._blend(dominant, 0, presence), self._blend(other, 1, presence)

    def _blend(self, goal: HandPose, hand: int, presence: float) -> HandPose:
        if goal is REST:
            return REST
        out, down = self._offsets[hand]
        # a sign is made larger or smaller around the chest
        down += CHEST + (goal.down - CHEST) * self._amplitude
        goal = goal._replace(out=goal.out + out, down=down)
        out, down, near, angle = (a + (b - a) * presence for a, b in zip(REST[:4], goal[:4], strict=True))
        index, middle, ring, little = (
            a + (b - a) * presence for a, b in zip(REST.curl, goal.curl, strict=True)
        )
        return HandPose(out, down, near, angle, (index, middle, ring, little))


def _ease(x: float) -> float:
    """0..1 with a soft start and end."""
    x = min(max(x, 0.0), 1.0)
    return x * x * (3 - 2 * x)
