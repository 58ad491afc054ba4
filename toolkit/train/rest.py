"""What of a clip is signing: hands at rest count as unseen, and time is spent on the span with a raised hand.

Signers rest in different ways: hands out of the picture, in the lap, on a table. None of it belongs to the sign, and
what belongs to no sign only tells signers apart. Knows nothing about features.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from toolkit.landmarks import VALUES_PER_POINT, Layout
from toolkit.train.timeline import moments

FACE_POINTS = ("nose", "left_eye", "right_eye", "left_ear", "right_ear", "mouth_left", "mouth_right")
RAISED = 0.2
"""Height of a wrist above the hips from which a hand counts as raised, 1 being the height of the face. In 818 WLASL
clips 95 % of the hands that were found are above it, 92 % of those that were not found below it; in 120 clips
that begin with hands at rest, 97 % of the wrists are below 0.12 in the first frame."""
SIGNING = 0.3  # of the way from a clip's lowest to its highest hand: where signing begins
SMALLEST = 0.02  # image fractions; a smaller person is a failed detection
_NOWHERE = -1e3  # height of a wrist that was not found


def wrist_heights(clips: Tensor, layout: Layout) -> Tensor:
    """(N, K, 4, T), points before time -> (N, 2, T), left and right: 0 at the hips, 1 at the face.

    NaN where nobody was found.
    """
    hips, face = layout.slots("left_hip", "right_hip"), layout.slots(*FACE_POINTS)
    highs = [layout.slots("left_wrist"), layout.slots("right_wrist"), face]
    body = layout.parts["body"]
    rises = means(layout, hips, 1) - torch.stack([means(layout, high, 1) for high in highs])
    measured = rises.to(clips.device) @ clips[:, body.start : body.stop].flatten(1, 2)  # (N, 3, T)
    return measured[:, :2] / measured[:, 2:].abs().clamp(min=SMALLEST)


def means(layout: Layout, slots: Sequence[int], value: int) -> Tensor:
    """(33 * 4,) whose product with the points of a body is the mean of one of their values over some slots."""
    row = torch.zeros(len(layout.parts["body"]), VALUES_PER_POINT)
    row[slots, value] = 1 / len(slots)
    return row.flatten()


def resting_hands(heights: Tensor, layout: Layout) -> Tensor:
    """(N, 2, T) from wrist_heights -> (N, P, T) 0 or 1: hands that are not raised, of the layout's own parts.

    0 for the body itself, and where it was not found.
    """
    sides = [[float(part == hand) for hand in ("left_hand", "right_hand")] for part in layout.parts]
    return torch.tensor(sides, device=heights.device) @ (heights < RAISED).float()


def signing_moments(heights: Tensor, num_frames: int) -> Tensor:
    """(N, num_frames) moments in frames: from just before the first raised hand to just after the last one.

    heights: (N, 2, T) from wrist_heights.

    Raised is meant in comparison with the clip's own lowest and highest hand, so that a clip that begins
    or ends in the middle of a sign, or in which nothing is raised, is left whole.
    """
    length = heights.shape[-1]
    best = torch.where(heights.isnan(), _NOWHERE, heights).amax(1)  # (N, T)
    highest = best.amax(1, keepdim=True)
    lowest = torch.where(best > _NOWHERE, best, highest).amin(1, keepdim=True)
    raised = (best >= lowest + SIGNING * (highest - lowest)).float()
    frame = torch.arange(length, dtype=torch.float32, device=heights.device)
    margin = (length - 1) / 31  # a frame of the 32 that a clip of the recommended recipe has
    # the highest one is raised, so there are a first and a last one
    first = length - (raised * (length - frame)).amax(1, keepdim=True)
    last = (raised * frame).amax(1, keepdim=True)
    start, stop = (first - margin).clamp(min=0.0), (last + margin).clamp(max=length - 1.0)
    return start + (stop - start) * moments(2, num_frames, heights.device)
