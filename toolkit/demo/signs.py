"""The vocabulary of the drawn signer: what each hand does during a sign.

This module knows no bodies and no pictures. A hand's place is given in units of one head height around the
point between the shoulders, so that every signer, right- or left-handed, can perform it. The signs are made
up and belong to no sign language. Three pairs share hand shape and places and differ in motion only (each is
the other played backwards), so that no single frame tells them apart:
circle_outward / circle_inward, raise / lower, spread / gather.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

OPEN: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
FIST: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
POINT: tuple[float, float, float, float] = (0.0, 1.0, 1.0, 1.0)
LOOSE: tuple[float, float, float, float] = (0.35, 0.35, 0.35, 0.35)


class HandPose(NamedTuple):
    """Where one hand is and what it looks like.

    out: from the body's middle towards the hand's own side; down: below the shoulders (negative: above);
    near: towards the viewer (all in head heights); angle: where the fingers point, in degrees, 0 = up,
    positive = towards the body's middle; curl: of index, middle, ring and little finger, 0 = straight,
    1 = bent.
    """

    out: float
    down: float
    near: float
    angle: float
    curl: tuple[float, float, float, float] = OPEN


REST = HandPose(1.0, 2.4, 0.1, 180.0, LOOSE)
"""The arm hangs down; the hand stays inside the picture."""

TwoHands = tuple[HandPose, HandPose]
"""The dominant hand and the other one."""


def _wave(cycles: float, phase: float = 0.0) -> float:
    """-1..1, starts at 0 and rises."""
    return float(np.sin(2 * np.pi * (cycles + phase)))


def _pulse(cycles: float) -> float:
    """0..1, starts at 0, is 1 halfway through every cycle."""
    return float(0.5 - 0.5 * np.cos(2 * np.pi * cycles))


def _stroke(t: float) -> float:
    """0..1, once, slow at both ends."""
    return t * t * (3 - 2 * t)


def _circle_outward(t: float) -> TwoHands:
    # one and a half turns, from the top: away from the body's middle first
    turn = 1.5 * t
    return HandPose(0.62 + 0.55 * _wave(turn), 0.5 - 0.55 * _wave(turn, 0.25), 0.9, 10, POINT), REST


def _raise(t: float) -> TwoHands:
    hand = HandPose(1.15, 1.35 - 1.9 * _stroke(t), 0.5, 0)
    return hand, hand


def _spread(t: float) -> TwoHands:
    hand = HandPose(0.2 + 1.3 * _stroke(t), 0.4, 0.8, 15)
    return hand, hand


def _waving(t: float) -> TwoHands:
    return HandPose(1.25 + 0.32 * _wave(3 * t), -0.45, 0.6, -22 * _wave(3 * t)), REST


def _touch_head(t: float) -> TwoHands:
    return HandPose(0.85 - 0.12 * _pulse(2 * t), -0.62, 0.45, 38, (0.1, 0.1, 0.1, 0.1)), REST


def _push(t: float) -> TwoHands:
    hand = HandPose(0.6, 0.55 - 0.2 * _pulse(2 * t), 0.5 + 1.5 * _pulse(2 * t), 0)
    return hand, hand


def _cross(t: float) -> TwoHands:
    inward = -0.3 + 0.12 * _wave(2 * t)
    return HandPose(inward, 0.35, 1.0, 30, FIST), HandPose(inward, 0.65, 0.75, 30, FIST)


def _alternate(t: float) -> TwoHands:
    lift = 0.6 * _wave(2 * t)
    return HandPose(0.75, 0.45 + lift, 0.8, 12), HandPose(0.75, 0.45 - lift, 0.8, 12)


def _tap_arm(t: float) -> TwoHands:
    return HandPose(0.15, 0.1 + 0.5 * _pulse(3 * t), 1.0, 70, FIST), HandPose(-0.05, 1.0, 0.75, 85, FIST)


def _clap(t: float) -> TwoHands:
    hand = HandPose(0.1 + 0.6 * _pulse(3 * t), 0.55, 0.85, 25)
    return hand, hand


def _shrug(t: float) -> TwoHands:
    hand = HandPose(1.0, 0.12 + 0.35 * _pulse(3 * t), 0.45, 40, (0.6, 0.6, 0.6, 0.6))
    return hand, hand


def _backwards(sign: Callable[[float], TwoHands]) -> Callable[[float], TwoHands]:
    return lambda t: sign(1 - t)


def _circle_inward(t: float) -> TwoHands:
    # the same circle from the same top, the other way round
    turn = -1.5 * t
    return HandPose(0.62 + 0.55 * _wave(turn), 0.5 - 0.55 * _wave(turn, 0.25), 0.9, 10, POINT), REST


SIGNS: dict[str, Callable[[float], TwoHands]] = {
    "wave": _waving,
    "circle_outward": _circle_outward,
    "circle_inward": _circle_inward,
    "raise": _raise,
    "lower": _backwards(_raise),
    "touch_head": _touch_head,
    "push": _push,
    "cross": _cross,
    "spread": _spread,
    "gather": _backwards(_spread),
    "alternate": _alternate,
    "tap_arm": _tap_arm,
    "clap": _clap,
    "shrug": _shrug,
}
"""Gloss -> the two hands at time t, 0..1 from the first to the last moment of the sign."""

MOTION_PAIRS = (("circle_outward", "circle_inward"), ("raise", "lower"), ("spread", "gather"))
"""Glosses that only their motion tells apart."""
