"""Landmarks -> per-frame features, free of where the signer stands, how big, and how wide the image is.

Works part by part on any layout of toolkit/landmarks: gaps are filled per part, positions are measured from
the shoulders in shoulder widths, and small named pieces describe each frame. It is part of the model, so it
is exported with it. Knows nothing about training.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from toolkit.landmarks import Layout
from toolkit.train.timeline import interpolation, moments

FACE_POINTS = ("nose", "left_eye", "right_eye", "left_ear", "right_ear", "mouth_left", "mouth_right")
ARM_POINTS = ("left_elbow", "right_elbow", "left_wrist", "right_wrist")
DEPTH_POINTS = (
    *ARM_POINTS,
    "left_thumb",
    "left_index",
    "left_pinky",
    "right_thumb",
    "right_index",
    "right_pinky",
)
BODY_POINTS = (*FACE_POINTS, "left_shoulder", "right_shoulder", *ARM_POINTS)
ANCHORS = ("nose", "left_ear", "right_ear", "mouth_left", "mouth_right", "left_shoulder", "right_shoulder",
           "left_elbow", "right_elbow")  # fmt: skip
"""Places on the body that a hand can be at: the distances to them tell apart signs of one hand shape."""
HIP_TO_FACE = 1.97
"""Height from mid-hip to the middle of the face in shoulder widths: the median over 12 frontal clips in pixels
(spread 7 %). Image fractions hide the aspect ratio, and 16:9 beside 4:3 would stretch every vertical distance
by a third; this gives the vertical axis a scale of its own that equals the horizontal one."""
LIMIT = 6.0  # shoulder widths; a point further out is a detection error
SMALLEST = 0.02  # image fractions; a scale below it comes from a failed detection, not from a person


@dataclass(frozen=True)
class Hand:
    """Slots of one hand: its own part where the layout has one, else the body's wrist and three knuckles."""

    part: int  # position in layout.parts
    wrist: int
    body_wrist: int
    fingers: tuple[int, ...]
    tips: tuple[int, ...]


def find_hands(layout: Layout) -> tuple[Hand, Hand]:
    """The left and the right hand of a layout, with slots in the same order."""
    return _hand(layout, "left"), _hand(layout, "right")


def _hand(layout: Layout, side: str) -> Hand:
    names, part = list(layout.parts), f"{side}_hand"
    body_wrist = layout.points.index(f"{side}_wrist")
    if part not in layout.parts:
        knuckles = tuple(layout.slots(f"{side}_thumb", f"{side}_index", f"{side}_pinky"))
        return Hand(names.index("body"), body_wrist, body_wrist, knuckles, knuckles)
    wrist, *fingers = layout.parts[part]
    tips = tuple(slot for slot in fingers if layout.points[slot].endswith("_tip"))
    return Hand(names.index(part), wrist, body_wrist, tuple(fingers), tips)


def fill_and_resample(clips: Tensor, layout: Layout, num_frames: int) -> tuple[Tensor, Tensor]:
    """Landmarks without gaps at num_frames moments, and which parts were really found.

    clips: (N, T, K, 4), NaN where nothing was found. Returns points (N, F, K, 4), zero for a part that was
    never found, and found (N, F, P) in 0..1 in the order of layout.parts.
    """
    at = moments(clips.shape[1], num_frames, clips.device)
    points, found = [], []
    for slots in layout.parts.values():
        part = clips[:, :, slots.start : slots.stop].flatten(2)
        gap = torch.isnan(part)
        usable = ~gap.any(-1)  # (N, T)
        values = torch.where(gap, torch.zeros_like(part), part)
        filled = interpolation(usable, at) @ values
        points.append(filled.reshape(*filled.shape[:2], len(slots), -1))
        weights = interpolation(torch.ones_like(usable), at)  # (N, F, T): gaps keep their weight here
        found.append((weights @ usable.float().unsqueeze(-1)).squeeze(-1))
    return torch.cat(points, 2), torch.stack(found, -1)


def from_shoulders(points: Tensor, layout: Layout) -> Tensor:
    """(N, F, K, 2) x, y from the clip's mid-shoulder, in shoulder widths, within +-LIMIT.

    points: (N, F, K, 4) without NaN. Centre and scales are one per clip (medians over time), so that a
    signer's own movement stays visible.
    """
    flat = points[..., :2]
    left_hip, right_hip = layout.slots("left_hip", "right_hip")
    hips = (flat[:, :, left_hip, 1] + flat[:, :, right_hip, 1]) / 2
    face = flat[:, :, layout.slots(*FACE_POINTS), 1].mean(-1)
    middle, width = _shoulders(points, layout)
    height = (_median((hips - face).abs()) / HIP_TO_FACE).clamp(min=SMALLEST)
    scale = torch.stack([width, height], -1)  # (N, 2)
    return ((flat - middle[:, None, None, :2]) / scale[:, None, None]).clamp(-LIMIT, LIMIT)


def depths(points: Tensor, layout: Layout) -> Tensor:
    """(N, F, 10) how far elbows, wrists and the body's knuckles are behind the shoulders, in shoulder widths."""
    middle, width = _shoulders(points, layout)
    z = points[:, :, layout.slots(*DEPTH_POINTS), 2] - middle[:, None, None, 2]
    return (z / width[:, None, None]).clamp(-LIMIT, LIMIT)


def _shoulders(points: Tensor, layout: Layout) -> tuple[Tensor, Tensor]:
    """(N, 3) middle of the shoulders and (N,) their distance along x, medians over the clip."""
    left, right = layout.slots("left_shoulder", "right_shoulder")
    middle = _median((points[:, :, left, :3] + points[:, :, right, :3]) / 2)
    return middle, _median((points[:, :, left, 0] - points[:, :, right, 0]).abs()).clamp(min=SMALLEST)


def describe(clips: Tensor, layout: Layout, num_frames: int) -> Tensor:
    """(N, T, K, 4) raw landmarks with NaN -> (N, F, D) features, finite whatever was missing."""
    points, found = fill_and_resample(clips, layout, num_frames)
    placed = from_shoulders(points, layout)
    hands = find_hands(layout)
    placed = _rest_at_wrist(placed, found, hands, layout)
    pieces = [piece(placed, found, hands, layout) for piece in PIECES.values()]
    moving = torch.cat([*pieces, depths(points, layout)], -1)
    presence = torch.cat([found, points[:, :, layout.slots(*ARM_POINTS), 3]], -1)
    return torch.cat([moving, velocities(moving), presence], -1)


def positions(placed: Tensor, found: Tensor, hands: tuple[Hand, Hand], layout: Layout) -> Tensor:
    """x and y of the upper body and both wrists."""
    slots = [*layout.slots(*BODY_POINTS), *(hand.wrist for hand in hands)]
    return placed[:, :, slots].flatten(2)


def hand_shapes(placed: Tensor, found: Tensor, hands: tuple[Hand, Hand], layout: Layout) -> Tensor:
    """Finger points seen from the wrist in palm sizes, and distances between fingertips; 0 when not found."""
    parts = []
    for hand in hands:
        local = placed[:, :, list(hand.fingers)] - placed[:, :, hand.wrist, None]
        palm = _length(local).mean((1, 2))[:, None, None].clamp(min=SMALLEST)
        ends = placed[:, :, list(hand.tips)]
        first, second = zip(*combinations(range(len(hand.tips)), 2), strict=True)
        spans = _length(ends[:, :, list(first)] - ends[:, :, list(second)])
        reach = _length(ends - placed[:, :, hand.wrist, None])
        shape = torch.cat([local.flatten(2), spans, reach], -1) / palm
        parts.append(shape.clamp(-LIMIT, LIMIT) * found[:, :, hand.part, None])
    return torch.cat(parts, -1)


def distances(placed: Tensor, found: Tensor, hands: tuple[Hand, Hand], layout: Layout) -> Tensor:
    """From wrist and fingertips of either hand to the anchors of the body, and to those of the other hand."""
    anchors = placed[:, :, None, layout.slots(*ANCHORS)]
    reach = [placed[:, :, [hand.wrist, *hand.tips]] for hand in hands]
    spans = [_length(points[:, :, :, None] - anchors).flatten(2) for points in reach]
    return torch.cat([*spans, _length(reach[0] - reach[1])], -1)


def arm_directions(placed: Tensor, found: Tensor, hands: tuple[Hand, Hand], layout: Layout) -> Tensor:
    """Unit vectors of both upper arms and forearms."""
    start = layout.slots("left_shoulder", "right_shoulder", "left_elbow", "right_elbow")
    bones = placed[:, :, layout.slots(*ARM_POINTS)] - placed[:, :, start]
    return (bones / _length(bones).clamp(min=SMALLEST).unsqueeze(-1)).flatten(2)


PIECES = {
    "positions": positions,
    "hand_shapes": hand_shapes,
    "distances": distances,
    "arm_directions": arm_directions,
}
"""What describes a frame: name -> (N, F, K, 2) placed points -> (N, F, d)."""


def velocities(values: Tensor) -> Tensor:
    """Central differences over time, one-sided at the ends; zero for a single frame. (N, F, D) -> same."""
    if values.shape[1] == 1:
        return torch.zeros_like(values)
    later = torch.cat([values[:, 1:], values[:, -1:]], 1)
    earlier = torch.cat([values[:, :1], values[:, :-1]], 1)
    return (later - earlier) / 2


def _rest_at_wrist(placed: Tensor, found: Tensor, hands: tuple[Hand, Hand], layout: Layout) -> Tensor:
    """A hand that was never found lies at the body's wrist instead of at the origin."""
    pieces = [placed[:, :, : layout.parts["body"].stop]]
    for hand in hands:
        if hand.wrist == hand.body_wrist:
            continue
        own = placed[:, :, hand.wrist : hand.wrist + 1 + len(hand.fingers)]
        ever = (found[:, :, hand.part].amax(1) > 0)[:, None, None, None]
        pieces.append(torch.where(ever, own, placed[:, :, hand.body_wrist, None].expand_as(own)))
    return torch.cat(pieces, 2)


def _median(values: Tensor) -> Tensor:
    """The median over axis 1 (the upper one of an even count), by sorting, which exports."""
    return values.sort(1).values[:, values.shape[1] // 2]


def _length(vectors: Tensor) -> Tensor:
    return (vectors.square().sum(-1) + 1e-12).sqrt()
