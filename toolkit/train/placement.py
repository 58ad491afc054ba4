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
from toolkit.train.rest import FACE_POINTS, lose_resting_hands, signing_moments
from toolkit.train.timeline import interpolation, moments

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
    at = (
        signing_moments(clips, layout, num_frames)
        if signing_span
        else moments(clips.shape[1], num_frames, clips.device)
    )
    if raised_hands:
        clips = lose_resting_hands(clips, layout)
    filled, found = fill_and_resample(clips, layout, at)
    hands = find_hands(layout)
    filled = filled.permute(2, 3, 0, 1).contiguous()
    found = found.permute(2, 0, 1).contiguous()
    points = _rest_at_wrist(from_shoulders(filled, layout), found, hands, layout)
    return Signer(points, filled[:, 3], found, layout, hands)


def fill_and_resample(clips: Tensor, layout: Layout, at: Tensor) -> tuple[Tensor, Tensor]:
    """Landmarks without gaps at F moments, and which parts were really found.

    clips: (N, T, K, 4), NaN where nothing was found; at: (F,) or (N, F) in frames. Returns points (N, F, K, 4),
    zero for a part that was never found, and found (N, F, P) in 0..1 in the order of layout.parts.
    """
    parts = [clips[:, :, slots.start : slots.stop].flatten(2) for slots in layout.parts.values()]
    sums = torch.stack([part.sum(-1) for part in parts], 1)  # (N, P, T)
    usable = ~torch.isnan(sums)  # a sum is NaN as soon as one of its terms is
    weights = interpolation(usable, at if at.dim() == 1 else at[:, None]).unbind(1)  # (N, F, T) each
    filled = [weight @ torch.nan_to_num(part) for weight, part in zip(weights, parts, strict=True)]
    everywhere = torch.ones(clips.shape[1], dtype=torch.bool, device=clips.device)
    plain = interpolation(everywhere, at)  # (F, T) or (N, F, T): gaps keep their weight here
    found = plain @ usable.float().transpose(1, 2)
    points = torch.cat(filled, 2)  # (N, F, K * 4)
    return points.reshape(*points.shape[:2], clips.shape[2], -1), found


def from_shoulders(points: Tensor, layout: Layout) -> Tensor:
    """(K, 3, N, F) x, y, z from the clip's mid-shoulder, in shoulder widths, within +-LIMIT.

    points: (K, 4, N, F) without NaN. Centre and scales are one per clip (medians over time), so that a
    signer's own movement stays visible.
    """
    left_hip, right_hip, left, right = layout.slots(
        "left_hip", "right_hip", "left_shoulder", "right_shoulder"
    )
    hips = (points[left_hip, 1] + points[right_hip, 1]) / 2
    face = pick(points[:, 1], layout.slots(*FACE_POINTS)).mean(0)
    middle = _median((points[left, :3] + points[right, :3]) / 2)  # (3, N)
    width = _median((points[left, 0] - points[right, 0]).abs()).clamp(min=SMALLEST)
    height = (_median((hips - face).abs()) / HIP_TO_FACE).clamp(min=SMALLEST)
    scale = torch.stack([width, height, width])  # (3, N): z is on the scale of x
    return ((points[:, :3] - middle[..., None]) / scale[..., None]).clamp(-LIMIT, LIMIT)


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
    pieces = [placed[: layout.parts["body"].stop]]
    for hand in hands:
        if hand.wrist == hand.body_wrist:
            continue
        own = placed[hand.wrist : hand.wrist + 1 + len(hand.points)]
        ever = (found[hand.part].amax(-1) > 0)[:, None]  # (N, 1)
        pieces.append(torch.where(ever, own, placed[hand.body_wrist]))
    return torch.cat(pieces)


def _median(values: Tensor) -> Tensor:
    """The median over the last axis (the upper one of an even count), by sorting, which exports."""
    return values.sort(-1).values[..., values.shape[-1] // 2]
