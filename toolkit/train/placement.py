"""Landmarks -> points without gaps, free of where the signer stands, how big, and how wide the image is.

Works part by part on any layout of toolkit/landmarks. It is part of the model, so it is exported with it; what is
then read off the points is written in toolkit/train/landmark_features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from toolkit.landmarks import Layout
from toolkit.train.rest import FACE_POINTS, means, resting_hands, signing_moments, wrist_heights
from toolkit.train.timeline import interpolation, moments, plain_interpolation

HIP_TO_FACE = 1.97
"""Height from mid-hip to the middle of the face in shoulder widths: the median over 12 frontal clips in pixels
(spread 7 %). Image fractions hide the aspect ratio, and 16:9 beside 4:3 would stretch every vertical distance
by a third; this gives the vertical axis a scale of its own that equals the horizontal one."""
LIMIT = 6.0  # shoulder widths; a point further out is a detection error
SMALLEST = 0.02  # image fractions or shoulder widths; less comes from a failed detection, not from a person


@dataclass(frozen=True)
class Hand:
    """Slots of one hand: its own part where the layout has one, else the body's wrist and three knuckles.

    points: all but the wrist; palm: those whose distance from the wrist is the hand's size; touching: what
    touches the face, the body and the other hand; bones: pairs of slots; joints: pairs of bones that meet.
    """

    part: int  # position in layout.parts
    wrist: int
    body_wrist: int
    points: tuple[int, ...]
    palm: tuple[int, ...]
    tips: tuple[int, ...]
    touching: tuple[int, ...]
    bones: tuple[tuple[int, int], ...]
    joints: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Signer:
    """points: (K, 3, N, F) x, y, z in shoulder widths from the clip's mid-shoulder, without NaN, within +-LIMIT;
    scores: (K, N, F) 0..1; found: (P, N, F) 0..1, whether a part was really seen, in the order of layout.parts.

    Clips and frames come last: picking points is then copying rows, four times as fast.
    """

    points: Tensor
    scores: Tensor
    found: Tensor
    layout: Layout
    hands: tuple[Hand, Hand]

    def place(self, *names: str) -> Tensor:
        """(len(names), 3, N, F) of the named points."""
        return pick(self.points, self.layout.slots(*names))


def pick(values: Tensor, places: Sequence[int], axis: int = 0) -> Tensor:
    """values[places] along an axis, as one node of an exported graph instead of four."""
    return values.index_select(axis, torch.tensor(places, device=values.device))


def place_signer(
    clips: Tensor, layout: Layout, num_frames: int, raised_hands: bool = False, signing_span: bool = False
) -> Signer:
    """(N, T, K, 4) raw landmarks with NaN -> the signer at num_frames moments, finite whatever was missing.

    raised_hands: hands at rest count as unseen; signing_span: the moments are those with a raised hand (train/rest).
    """
    length = clips.shape[1]
    clips = clips.permute(0, 2, 3, 1).contiguous()
    at, missing = moments(length, num_frames, clips.device), _missing(clips, layout)
    if raised_hands or signing_span:
        heights = wrist_heights(clips, layout)
        if signing_span:
            at = signing_moments(heights, num_frames)
        if raised_hands:
            missing = missing + resting_hands(heights, layout)
    points, found = fill_and_resample(clips, missing == 0, layout, at)
    points, found = points.permute(1, 2, 0, 3).contiguous(), found.transpose(0, 1).contiguous()
    hands = find_hands(layout)
    placed = _rest_at_wrist(from_shoulders(points, layout), found, hands, layout)
    return Signer(placed, points[:, 3], found, layout, hands)


def fill_and_resample(clips: Tensor, usable: Tensor, layout: Layout, at: Tensor) -> tuple[Tensor, Tensor]:
    """Landmarks without gaps at F moments, and which parts were really found.

    clips: (N, K, 4, T), NaN where nothing was found; usable: (N, P, T) bool, in the order of layout.parts; at: (F,)
    or (N, F) in frames. Returns points (N, K, 4, F), zero for a part that was never found, and found (N, P, F) in
    0..1.
    """
    weights = interpolation(usable, at if at.dim() == 1 else at[:, None])  # (N, P, T, F)
    known = torch.where(clips.isnan(), torch.zeros((), device=clips.device), clips).flatten(1, 2)
    parts = [known[:, 4 * slots.start : 4 * slots.stop] for slots in layout.parts.values()]
    points = torch.cat([part @ weights[:, number] for number, part in enumerate(parts)], 1)
    found = usable.float() @ plain_interpolation(clips.shape[-1], at)  # gaps keep their weight here
    return points.reshape(-1, *clips.shape[1:3], points.shape[-1]), found


def _missing(clips: Tensor, layout: Layout) -> Tensor:
    """(N, K, 4, T) -> (N, P, T): how many values of a part are NaN; it cannot be used if one is."""
    of_part = torch.zeros(len(layout.parts), *clips.shape[1:3], device=clips.device)
    for number, slots in enumerate(layout.parts.values()):
        of_part[number, slots.start : slots.stop] = 1
    return of_part.flatten(1) @ clips.isnan().flatten(1, 2).float()


def from_shoulders(points: Tensor, layout: Layout) -> Tensor:
    """(K, 3, N, F) x, y, z from the clip's mid-shoulder, in shoulder widths, within +-LIMIT.

    points: (K, 4, N, F) without NaN. Centre and scales are one per clip (medians over time), so that a
    signer's own movement stays visible.
    """
    hips, shoulders = layout.slots("left_hip", "right_hip"), layout.slots("left_shoulder", "right_shoulder")
    left, right = ([slot] for slot in shoulders)
    measures = [
        *(means(layout, shoulders, axis) for axis in range(3)),
        means(layout, left, 0) - means(layout, right, 0),
        (means(layout, hips, 1) - means(layout, layout.slots(*FACE_POINTS), 1)) / HIP_TO_FACE,
    ]
    body = points[layout.parts["body"].start : layout.parts["body"].stop]
    measured = torch.stack(measures).to(points.device) @ body.flatten(0, 1).flatten(1)
    measured = measured.reshape(5, *points.shape[2:])  # (5, N, F)
    # the last two are distances: the larger of a figure and its negative
    distances = torch.tensor([1.0, 1, 1, -1, -1], device=points.device)[:, None, None]
    medians = _median(torch.maximum(measured, measured * distances)).unsqueeze(-1)  # (5, N, 1)
    scale = pick(medians, (3, 4, 3)).clamp(min=SMALLEST)  # z is on the scale of x
    return ((points[:, :3] - medians[:3]) / scale).clamp(-LIMIT, LIMIT)


def find_hands(layout: Layout) -> tuple[Hand, Hand]:
    """The left and the right hand of a layout, with slots in the same order."""
    return _hand(layout, "left"), _hand(layout, "right")


def _hand(layout: Layout, side: str) -> Hand:
    names, part = list(layout.parts), f"{side}_hand"
    body_wrist = layout.points.index(f"{side}_wrist")
    if part in layout.parts:
        wrist, *points = layout.parts[part]
        tips = [slot for slot in points if layout.points[slot].endswith("_tip")]
        palm = layout.slots(*(f"{part}_{finger}_1" for finger in ("index", "middle", "ring", "pinky")))
        touching = [wrist, *(slot for slot in tips if not layout.points[slot].endswith("ring_tip"))]
    else:
        part, wrist = "body", body_wrist
        points = layout.slots(f"{side}_thumb", f"{side}_index", f"{side}_pinky")
        tips, palm, touching = points, points, [wrist, *points]
    own = {wrist, *points}
    if part == "body":
        bones = [(wrist, point) for point in points]
    else:
        bones = [edge for edge in layout.edges if own.issuperset(edge)]
    pairs = [
        (a, b) for a, first in enumerate(bones) for b, second in enumerate(bones) if first[1] == second[0]
    ]
    roots = [number for number, bone in enumerate(bones) if bone[0] == wrist]
    return Hand(
        names.index(part),
        wrist,
        body_wrist,
        tuple(points),
        tuple(palm),
        tuple(tips),
        tuple(touching),
        tuple(bones),
        (*pairs, *pairwise(roots)),
    )


def _rest_at_wrist(placed: Tensor, found: Tensor, hands: tuple[Hand, Hand], layout: Layout) -> Tensor:
    """A hand that was never found lies at the body's wrist instead of at the origin."""
    instead, part = list(range(len(layout))), [0] * len(layout)
    for hand in hands:
        if hand.wrist != hand.body_wrist:
            for slot in (hand.wrist, *hand.points):
                instead[slot], part[slot] = hand.body_wrist, hand.part
    ever = pick(found.amax(-1) > 0, part)  # (K, N)
    return torch.where(ever[:, None, :, None], placed, pick(placed, instead))


def _median(values: Tensor) -> Tensor:
    """The median over the last axis (of an even count the mean of the middle two), by sorting, which exports."""
    length = values.shape[-1]
    return values.topk(length // 2 + 1).values[..., (length - 1) // 2 :].mean(-1)
