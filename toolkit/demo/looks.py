"""What a drawn signer looks like: skin, hair, clothes, build, wall behind, and which hand signs.

This module chooses and draws nothing. All colours are RGB, 0..255.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from toolkit.demo.drawing import Colour

SKINS: tuple[Colour, ...] = (
    (228, 185, 150), (122, 76, 52), (205, 152, 112), (240, 203, 176), (158, 102, 70), (222, 172, 135),
    (92, 58, 42),
)  # fmt: skip
HAIRS: tuple[Colour, ...] = (
    (38, 32, 30), (84, 52, 32), (132, 84, 48), (198, 152, 84), (124, 120, 122), (62, 34, 26), (150, 70, 34),
)  # fmt: skip
SHIRTS: tuple[Colour, ...] = (
    (38, 70, 128), (160, 52, 54), (46, 108, 82), (66, 64, 70), (42, 124, 142), (112, 56, 118), (206, 140, 48),
    (196, 198, 204),
)  # fmt: skip
WALLS: tuple[Colour, ...] = (
    (226, 222, 214), (196, 208, 198), (182, 198, 216), (222, 208, 186), (216, 202, 210), (168, 182, 186),
)  # fmt: skip
HAIR_STYLES = ("short", "long", "bun", "curls", "scarf", "bald")
PATTERNS = ("plain", "stripes", "collar", "hood")
ROOMS = ("wall", "panels", "window", "shelf", "pictures")

# Sums of absolute differences over the three channels. Below them, networks and people lose the outline.
MIN_SHIRT_TO_WALL = 150.0
MIN_SHIRT_TO_SKIN = 110.0
MIN_SKIN_TO_WALL = 70.0


@dataclass(frozen=True)
class Looks:
    """One signer. width, chest: breadth of the shoulders and girth, 1 = average.

    sleeve: the part of the upper arm that it covers, 1 = a long sleeve;
    head: head height as a fraction of the image height; at: mid-shoulder point as image fractions.
    """

    skin: Colour
    hair: Colour
    hair_style: str
    glasses: bool
    beard: bool
    shirt: Colour
    accent: Colour
    pattern: str
    sleeve: float
    wall: Colour
    room: str
    width: float
    chest: float
    head: float
    at: tuple[float, float]
    left_handed: bool


def choose_looks(signer: int, seed: int, left_handed: bool = False) -> Looks:
    """The looks of signer number `signer` of the data set `seed`; signers of one data set differ widely."""
    shared = np.random.default_rng([seed, 0x5167])  # the same shuffles for all signers of a data set
    skins, hairs, shirts, walls = (shared.permutation(len(table)) for table in (SKINS, HAIRS, SHIRTS, WALLS))
    styles, patterns, rooms = (shared.permutation(len(table)) for table in (HAIR_STYLES, PATTERNS, ROOMS))
    rng = np.random.default_rng([seed, 0x5168, signer])

    skin = _vary(SKINS[skins[signer % len(skins)]], 6, rng)
    wall = _first_apart(WALLS, walls, signer, ((skin, MIN_SKIN_TO_WALL),), rng)
    shirt = _first_apart(SHIRTS, shirts, signer, ((wall, MIN_SHIRT_TO_WALL), (skin, MIN_SHIRT_TO_SKIN)), rng)
    style = HAIR_STYLES[styles[signer % len(styles)]]
    return Looks(
        skin=skin,
        hair=_vary(HAIRS[hairs[signer % len(hairs)]], 6, rng),
        hair_style=style,
        glasses=bool(rng.random() < 0.35),
        beard=style in ("short", "curls", "bald") and bool(rng.random() < 0.5),
        shirt=shirt,
        accent=_vary(SHIRTS[shirts[(signer + 3) % len(shirts)]], 12, rng),
        pattern=PATTERNS[patterns[signer % len(patterns)]],
        sleeve=1.0 if signer % 3 != 2 else float(rng.uniform(0.45, 0.6)),
        wall=wall,
        room=ROOMS[rooms[signer % len(rooms)]],
        width=float(rng.uniform(0.93, 1.08)),
        chest=float(rng.uniform(0.92, 1.12)),
        # The framing in which pose networks find the signer, hands at rest included.
        head=float(rng.uniform(0.176, 0.195)),
        at=(float(rng.uniform(0.47, 0.53)), float(rng.uniform(0.37, 0.40))),
        left_handed=left_handed,
    )


def _vary(colour: Colour, by: float, rng: np.random.Generator) -> Colour:
    red, green, blue = np.clip(np.asarray(colour) + rng.uniform(-by, by, 3), 12, 245).tolist()
    return (red, green, blue)


def _first_apart(
    table: tuple[Colour, ...],
    order: np.ndarray[tuple[int, ...], np.dtype[np.int64]],
    start: int,
    limits: tuple[tuple[Colour, float], ...],
    rng: np.random.Generator,
) -> Colour:
    """The first colour from `start` on that keeps its distance from the others; the farthest if none does."""
    colours = [_vary(table[order[(start + step) % len(order)]], 8, rng) for step in range(len(order))]
    slack = [min(_distance(colour, other) - limit for other, limit in limits) for colour in colours]
    return next(
        (colour for colour, spare in zip(colours, slack, strict=True) if spare >= 0),
        colours[int(np.argmax(slack))],
    )


def _distance(a: Colour, b: Colour) -> float:
    return float(np.abs(np.subtract(a, b)).sum())
