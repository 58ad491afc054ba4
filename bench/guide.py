"""The guide's figures as data, what its arithmetic really gives, and whether the two agree.

The guide is the lightweight training guide whose pipeline this package is. Its sums are written out there:
"16 frames x 33 keypoints x 4 values x 4 bytes", so they can be checked without measuring anything; what was
measured is put beside them. Knows nothing about how measuring is done.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from bench.measure import Summary

KIB, MIB, GIB = 2**10, 2**20, 2**30
GUIDE_FRAMES, GUIDE_BATCH = 16, 4
ITEM_SHAPES = {"pose": (33, 4), "features": (128,), "video": (224, 224, 3)}
"""One frame of a clip in the guide's sums."""
VALUE_BYTES = {"pose": 4, "features": 4, "video": 1}
"""float32, float32, uint8."""
PER_CLIP = {"pose": 2 * KIB, "features": 8 * KIB, "video": 3 * MIB}
PER_BATCH = {"pose": 32 * KIB, "features": 128 * KIB, "video": 12 * MIB}
DISK = {"pose": 10 * GIB, "features": 50 * GIB}
"""Of the whole data set. For video the guide gives no figure ("original videos")."""
SPEED = {"pose": "fast", "features": "medium", "video": "slow"}
WLASL_CLIPS = 21083
"""Instances in WLASL_v0.3.json, the data set that the guide speaks of."""
HOLDS_WITHIN = 1.5
"""The guide's figures are round ("~"): one within this factor of the truth holds."""
SAME_SPEED = 1.1
"""Two modes closer than this factor, or whose repetitions overlap, are equally fast for a user."""


@dataclass(frozen=True)
class Claim:
    """One figure of the guide, what it should be, and the verdict. claim: in words; the others are bytes or words."""

    claim: str
    mode: str
    guide: float | str
    arithmetic: float | None
    measured: float | str | None
    verdict: str


def clip_bytes(mode: str, num_frames: int = GUIDE_FRAMES) -> int:
    """Bytes of one clip in memory: frames x values per frame x bytes per value."""
    return num_frames * math.prod(ITEM_SHAPES[mode]) * VALUE_BYTES[mode]


def verdict(guide: float, true: float) -> str:
    """'holds', or how far off the guide is and in which direction."""
    if true <= 0:
        return "cannot be judged"
    factor = guide / true
    if 1 / HOLDS_WITHIN <= factor <= HOLDS_WITHIN:
        return "holds"
    direction, times = ("high", factor) if factor > 1 else ("low", 1 / factor)
    return f"wrong: {times:.1f}x too {direction}" if times < 10 else f"wrong: {times:.0f}x too {direction}"


def size_claims(
    modes: Sequence[str], held_per_batch: Mapping[str, Summary], stored_per_clip: Mapping[str, Summary]
) -> list[Claim]:
    """Claims on memory and disk. held_per_batch, stored_per_clip: measured bytes at the guide's own sizes;
    modes that were not measured are left out of them.

    A verdict is on the guide's own arithmetic where it gives one; for disk, on what was measured.
    """
    claims = []
    for mode in modes:
        true = clip_bytes(mode)
        claims.append(Claim("a clip in RAM", mode, PER_CLIP[mode], true, None, verdict(PER_CLIP[mode], true)))
        batch, held = true * GUIDE_BATCH, _median(held_per_batch, mode)
        judged = verdict(PER_BATCH[mode], batch)
        if held is not None and verdict(PER_BATCH[mode], held) != judged:
            judged += f"; as measured: {verdict(PER_BATCH[mode], held)}"
        claims.append(Claim(f"a batch of {GUIDE_BATCH} in RAM", mode, PER_BATCH[mode], batch, held, judged))
        stored = _median(stored_per_clip, mode)
        whole = None if stored is None else stored * WLASL_CLIPS
        if mode in DISK:
            plain = true * WLASL_CLIPS
            judged = verdict(DISK[mode], plain if whole is None else whole)
            claims.append(Claim("disk, all of WLASL", mode, DISK[mode], plain, whole, judged))
        else:
            claims.append(
                Claim("disk, all of WLASL", mode, "original videos", None, whole, "no figure given")
            )
    return claims


def speed_claim(clips_per_s: Mapping[str, Summary]) -> Claim | None:
    """The guide's ranking of training speeds beside the measured one; None with fewer than two modes."""
    ranked = [mode for mode in SPEED if mode in clips_per_s]
    if len(ranked) < 2:
        return None
    wrong, level = [], []
    for faster, slower in combinations(ranked, 2):
        ours, theirs = clips_per_s[slower], clips_per_s[faster]
        factor = ours.median / theirs.median
        ranges_meet = ours.low <= theirs.high and theirs.low <= ours.high
        if 1 / SAME_SPEED <= factor <= SAME_SPEED or ranges_meet:
            level.append(f"{faster} and {slower} are level")
        elif factor > 1:
            wrong.append(f"{slower} is {factor:.1f}x as fast as {faster}")
    found = ", ".join(f"{mode} {clips_per_s[mode].median:.3g} clips/s" for mode in ranked)
    judged = (
        f"wrong: {'; '.join(wrong)}" if wrong else f"holds in part: {'; '.join(level)}" if level else "holds"
    )
    said = ", ".join(f"{mode} {SPEED[mode]}" for mode in ranked)
    return Claim("training speed", ", ".join(ranked), said, None, found, judged)


def _median(found: Mapping[str, Summary], mode: str) -> float | None:
    return found[mode].median if mode in found else None
