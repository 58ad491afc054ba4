"""Time: gaps filled and clips resampled to a fixed length, as plain matrix products that export.

Both are one step: every output frame is a linear interpolation between the nearest usable frames before and
after its moment, so a weight matrix (F, T) does it all. Knows nothing about what the values mean.
"""

from __future__ import annotations

import torch
from torch import Tensor

_SLACK = 1e-3  # in frames: moments within it of a frame are that frame, whatever the rounding


def moments(length: int, num_frames: int, device: torch.device | None = None) -> Tensor:
    """(F,) positions in 0..length-1, uniform with both ends; the middle for F = 1."""
    steps = torch.arange(num_frames, dtype=torch.float32, device=device)
    if num_frames == 1:
        return (steps + 0.5) * (length - 1)
    return steps * (length - 1) / (num_frames - 1)


def interpolation(usable: Tensor, at: Tensor) -> Tensor:
    """Weights (..., F, T) that interpolate linearly between usable frames; beyond them the ends are held.

    usable: (..., T) bool; at: (F,) or (..., F) moments in frames. A row with no usable frame is all zero.
    """
    length = usable.shape[-1]
    frame = torch.arange(length, dtype=torch.float32, device=usable.device)
    here = usable.unsqueeze(-2)  # (..., 1, T)
    moment = at.unsqueeze(-1)  # (..., F, 1)
    before = torch.where(here & (frame <= moment + _SLACK), frame, -1.0).amax(-1, keepdim=True)
    after = torch.where(here & (frame >= moment - _SLACK), frame, float(2**20)).amin(-1, keepdim=True)
    none_before, none_after = before < 0, after > float(2**19)
    first = torch.where(none_before, after, before)
    last = torch.where(none_after, before, after)
    share = ((moment - first) / (last - first).clamp(min=0.5)).clamp(0.0, 1.0)
    weights = (1.0 - share) * (frame == first) + share * (frame == last)
    return torch.where(none_before & none_after, torch.zeros_like(weights), weights)


def resample(values: Tensor, num_frames: int) -> Tensor:
    """(N, T, D) -> (N, num_frames, D), linear in time; every frame counts as usable."""
    length = values.shape[1]
    everywhere = torch.ones(length, dtype=torch.bool, device=values.device)
    return interpolation(everywhere, moments(length, num_frames, values.device)) @ values
