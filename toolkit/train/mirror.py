"""Left and right: clips as a mirror shows them, which is how a left-handed signer makes the sign."""

from __future__ import annotations

import torch
from torch import Tensor

from toolkit.landmarks import Layout
from toolkit.train.rest import wrist_heights


def mirror_landmarks(clips: Tensor, layout: Layout) -> Tensor:
    """(..., K, 4) as a mirror shows it: x becomes 1 - x and every left point the right one."""
    swapped = clips[..., list(layout.swap), :]
    return torch.cat([1 - swapped[..., :1], swapped[..., 1:]], -1)


def lead_with_the_right(clips: Tensor, layout: Layout) -> Tensor:
    """(N, T, K, 4) with those clips mirrored in which the left wrist is higher than the right one on average.

    A sign and its mirror image become the same clip, so nothing has to be learnt twice.
    """
    left, right = torch.nan_to_num(wrist_heights(clips.permute(0, 2, 3, 1), layout)).mean(-1).unbind(-1)
    return torch.where((left > right)[:, None, None, None], mirror_landmarks(clips, layout), clips)
