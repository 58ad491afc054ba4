"""What of a clip is signing: hands at rest count as unseen, and time is spent on the span with a raised hand.

Signers rest in different ways: hands out of the picture, in the lap, on a table. None of it belongs to the sign, and
what belongs to no sign only tells signers apart. Knows nothing about features.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from toolkit.landmarks import Layout
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
    """(N, T, K, 4) -> (N, T, 2), left and right: 0 at the hips, 1 at the face; NaN where nobody was found."""
    heights = clips[..., 1]
    hips = heights[..., layout.slots("left_hip", "right_hip")].mean(-1, keepdim=True)
    face = heights[..., layout.slots(*FACE_POINTS)].mean(-1, keepdim=True)
    wrists = heights[..., layout.slots("left_wrist", "right_wrist")]
    return (hips - wrists) / (hips - face).abs().clamp(min=SMALLEST)


def lose_resting_hands(clips: Tensor, layout: Layout) -> Tensor:
    """NaN for the landmarks of hands that are not raised, where the layout has hands of their own."""
    low = wrist_heights(clips, layout) < RAISED  # False where the body was not found
    parts = [
        clips[:, :, slots.start : slots.stop].masked_fill(
            low[..., ("left_hand", "right_hand").index(name), None, None], math.nan
        )
        if name.endswith("hand")
        else clips[:, :, slots.start : slots.stop]
        for name, slots in layout.parts.items()
    ]
    return torch.cat(parts, 2)


def signing_moments(clips: Tensor, layout: Layout, num_frames: int) -> Tensor:
    """(N, num_frames) moments in frames: from just before the first raised hand to just after the last one.

    Raised is meant in comparison with the clip's own lowest and highest hand, so that a clip that begins
    or ends in the middle of a sign, or in which nothing is raised, is left whole.
    """
    length = clips.shape[1]
    heights = torch.nan_to_num(wrist_heights(clips, layout), nan=_NOWHERE).amax(-1)  # (N, T)
    highest = heights.amax(1, keepdim=True)
    lowest = torch.where(heights > _NOWHERE, heights, highest).amin(1, keepdim=True)
    raised = heights >= lowest + SIGNING * (highest - lowest)
    frame = torch.arange(length, dtype=torch.float32, device=clips.device)
    margin = (length - 1) / 31  # a frame of the 32 that a clip of the recommended recipe has
    first = torch.where(raised, frame, float(length)).amin(1, keepdim=True)
    last = torch.where(raised, frame, -1.0).amax(1, keepdim=True)
    start, stop = (first - margin).clamp(min=0.0), (last + margin).clamp(max=length - 1.0)
    return start + (stop - start) * moments(2, num_frames, clips.device)
