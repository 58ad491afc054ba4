"""Left and right: clips as a mirror shows them, which is how a left-handed signer makes the sign."""

from __future__ import annotations

import torch
from torch import Tensor

from toolkit.landmarks import Layout


def mirror_landmarks(clips: Tensor, layout: Layout) -> Tensor:
    """(..., K, 4) as a mirror shows it: x becomes 1 - x and every left point the right one."""
    swapped = clips[..., list(layout.swap), :]
    return torch.cat([1 - swapped[..., :1], swapped[..., 1:]], -1)
