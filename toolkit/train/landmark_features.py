"""What is read off a placed signer, frame by frame: small named pieces, each of which can be left out.

All but the last two are still pictures of a frame, in shoulder widths, palm sizes or cosines. Knows nothing
about gaps, places in the image (see toolkit/train/placement) or training.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations, product

import torch
from torch import Tensor

from toolkit.landmarks import Layout
from toolkit.train.mirror import lead_with_the_right
from toolkit.train.placement import LIMIT, SMALLEST, Hand, Signer, pick, place_signer
from toolkit.train.rest import FACE_POINTS

ARM_POINTS = ("left_elbow", "right_elbow", "left_wrist", "right_wrist")
ARM_STARTS = ("left_shoulder", "right_shoulder", "left_elbow", "right_elbow")
BODY_POINTS = (*FACE_POINTS, "left_shoulder", "right_shoulder", *ARM_POINTS)
ANCHORS = ("nose", "left_ear", "right_ear", "mouth_left", "mouth_right", "left_shoulder", "right_shoulder",
           "left_elbow", "right_elbow")  # fmt: skip
"""Places on the body that a hand can be at: the distances to them tell apart signs of one hand shape."""


def positions(signer: Signer) -> Tensor:
    """x and y of the upper body and both wrists."""
    slots = [*signer.layout.slots(*BODY_POINTS), *(hand.wrist for hand in signer.hands)]
    return pick(signer.points, slots)[:, :2].flatten(0, 1)


def arm_directions(signer: Signer) -> Tensor:
    """Unit vectors (x, y) of both upper arms and forearms."""
    bones = signer.place(*ARM_POINTS)[:, :2] - signer.place(*ARM_STARTS)[:, :2]
    return _unit(bones).flatten(0, 1)


def hand_points(signer: Signer) -> Tensor:
    """x and y of the hand's points seen from its wrist, in palm sizes."""
    points, wrists = _of_both(signer, lambda hand: hand.points), _of_both(signer, lambda hand: (hand.wrist,))
    local = points[:, :, :2] - wrists[:, :, :2]
    return _per_hand(signer, local.flatten(1, 2) / _palms(signer))


def finger_distances(signer: Signer) -> Tensor:
    """Between the tips of the fingers, and from each to the wrist, in palm sizes."""

    def ends(side: int) -> Tensor:
        return _of_both(
            signer, lambda hand: [pair[side] for pair in combinations([hand.wrist, *hand.tips], 2)]
        )

    return _per_hand(signer, _length(ends(0) - ends(1)) / _palms(signer))


def finger_bones(signer: Signer) -> Tensor:
    """Unit vectors (x, y, z) of the hand's bones, and the cosines of the angles between those that meet."""

    def ends(side: int) -> Tensor:
        return _of_both(signer, lambda hand: [bone[side] for bone in hand.bones])

    bones = _unit(ends(1) - ends(0))  # (2, bones, 3, N, F)
    first, second = (pick(bones, [joint[side] for joint in signer.hands[0].joints], 1) for side in (0, 1))
    return _per_hand(signer, torch.cat([bones.flatten(1, 2), (first * second).sum(2)], 1))


def body_distances(signer: Signer) -> Tensor:
    """From wrist and fingertips of either hand to the anchors of the body, in the plane of the image."""
    pairs = list(
        product((slot for hand in signer.hands for slot in hand.touching), signer.layout.slots(*ANCHORS))
    )
    first, second = ([pair[side] for pair in pairs] for side in (0, 1))
    flat = signer.points[:, :2]
    return _length(pick(flat, first) - pick(flat, second))


def hands_apart(signer: Signer) -> Tensor:
    """From wrist and fingertips of one hand to the same points of the other, in the plane of the image."""
    left, right = (pick(signer.points, hand.touching)[:, :2] for hand in signer.hands)
    return _length(left - right)


PIECES: dict[str, Callable[[Signer], Tensor]] = {
    "positions": positions,
    "arm_directions": arm_directions,
    "hand_points": hand_points,
    "finger_distances": finger_distances,
    "finger_bones": finger_bones,
    "body_distances": body_distances,
    "hands_apart": hands_apart,
}
"""What describes a frame: name -> signer at F moments -> (d, N, F)."""
EXTRAS = ("velocities", "presence", "raised_hands", "signing_span", "leading_hand")
"""How all of that changes, what was seen at all, what of a clip is looked at (train/rest), and which way round
(train/mirror)."""
FEATURES = (*PIECES, *EXTRAS)


def describe(clips: Tensor, layout: Layout, num_frames: int, features: Sequence[str] = FEATURES) -> Tensor:
    """(N, T, K, 4) raw landmarks with NaN -> (D, N, F) features, finite whatever was missing.

    features: names out of FEATURES, at least one of PIECES.
    """
    if "leading_hand" in features:
        clips = lead_with_the_right(clips, layout)
    signer = place_signer(clips, layout, num_frames, "raised_hands" in features, "signing_span" in features)
    still = torch.cat([piece(signer) for name, piece in PIECES.items() if name in features])
    parts = [still]
    if "velocities" in features:
        parts.append(velocities(still))
    if "presence" in features:
        parts += [signer.found, pick(signer.scores, layout.slots(*ARM_POINTS))]
    return torch.cat(parts)


def velocities(values: Tensor) -> Tensor:
    """Central differences over time, one-sided at the ends; zero for a single frame. (D, N, F) -> same."""
    one = torch.eye(values.shape[-1], device=values.device)
    later, earlier = torch.cat([one[:, 1:], one[:, -1:]], 1), torch.cat([one[:, :1], one[:, :-1]], 1)
    return values @ ((later - earlier) / 2)


def _of_both(signer: Signer, slots: Callable[[Hand], Sequence[int]]) -> Tensor:
    """(2, k, 3, N, F): the same points of the left and of the right hand."""
    left, right = (slots(hand) for hand in signer.hands)
    picked = pick(signer.points, [*left, *right])
    return picked.reshape(2, len(left), *picked.shape[1:])


def _per_hand(signer: Signer, figures: Tensor) -> Tensor:
    """(2, d, N, F) -> (2 d, N, F): the left hand's, then the right hand's; zero where the hand was not seen."""
    return (figures.clamp(-LIMIT, LIMIT) * _seen(signer)[:, None]).flatten(0, 1)


def _seen(signer: Signer) -> Tensor:
    """(2, N, F) 0..1, whether the hands were seen."""
    return pick(signer.found, [hand.part for hand in signer.hands])


def _palms(signer: Signer) -> Tensor:
    """(2, 1, N, 1) from the wrist to the roots of the fingers, on average over the frames that show the hand."""
    roots, wrists = _of_both(signer, lambda hand: hand.palm), _of_both(signer, lambda hand: (hand.wrist,))
    sizes, seen = _length(roots - wrists).mean(1), _seen(signer)
    palms = ((sizes * seen).sum(2) / seen.sum(2).clamp(min=SMALLEST)).clamp(min=SMALLEST)
    return palms[:, None, :, None]


def _unit(vectors: Tensor) -> Tensor:
    """(..., 2 or 3, N, F), of length 1 along the third axis from the end."""
    return vectors / _length(vectors).clamp(min=SMALLEST).unsqueeze(-3)


def _length(vectors: Tensor) -> Tensor:
    """(..., 2 or 3, N, F) -> (..., N, F)."""
    return (vectors.square().sum(-3) + 1e-12).sqrt()
