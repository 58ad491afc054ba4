"""Time: gaps filled and clips resampled to a fixed length, as plain matrix products that export.

Both are one step: every output frame is a linear interpolation between the nearest usable frames before and
after its moment, so a weight matrix (T, F) does it all. Knows nothing about what the values mean.
"""

from __future__ import annotations

import torch
from torch import Tensor

_SLACK = 1e-3  # in frames: moments within it of a frame are that frame, whatever the rounding
_END = float(2**20)  # frames; beyond any clip, and every whole number up to it is exact in float32


def moments(length: int, num_frames: int, device: torch.device | None = None) -> Tensor:
    """(F,) positions in 0..length-1, uniform with both ends; the middle for F = 1."""
    steps = torch.arange(num_frames, dtype=torch.float32, device=device)
    if num_frames == 1:
        return (steps + 0.5) * (length - 1)
    return steps * (length - 1) / (num_frames - 1)


def interpolation(usable: Tensor, at: Tensor) -> Tensor:
    """Weights (..., T, F) that interpolate linearly between usable frames; beyond them the ends are held.

    usable: (..., T) bool; at: (F,) or (..., F) moments in frames. A row with no usable frame is all zero.
    """
    length = usable.shape[-1]
    frame = torch.arange(length, dtype=torch.float32, device=usable.device).unsqueeze(-1)  # (T, 1)
    moment = at.unsqueeze(-2)  # (..., 1, F)
    # largest and smallest usable frame on either side by products with 0 and 1, for which nothing is chosen
    from_start, from_end = usable.unsqueeze(-1) * (frame + 1), usable.unsqueeze(-1) * (_END - frame)
    before = (from_start * (frame <= moment + _SLACK)).amax(-2, keepdim=True) - 1  # -1: there is none
    after = _END - (from_end * (frame >= moment - _SLACK)).amax(-2, keepdim=True)  # _END: there is none
    first = torch.where(before < 0, after, before)
    last = torch.where(after == _END, before, after)
    share = ((moment - first) / (last - first).clamp(min=0.5)).clamp(0.0, 1.0)
    # with no usable frame, first is _END and last is -1, which no frame is
    nothing = torch.zeros((), device=usable.device)
    return torch.where(frame == first, 1 - share, nothing) + torch.where(frame == last, share, nothing)


def plain_interpolation(length: int, at: Tensor) -> Tensor:
    """Weights (..., T, F) where every frame is usable. at: (F,) or (..., F) in 0..T-1."""
    frame = torch.arange(length, dtype=torch.float32, device=at.device).unsqueeze(-1)
    return (1 - (frame - at.unsqueeze(-2)).abs()).clamp(min=0.0)


def resample(values: Tensor, num_frames: int) -> Tensor:
    """(N, T, D) -> (N, num_frames, D), linear in time; every frame counts as usable."""
    length = values.shape[1]
    return plain_interpolation(length, moments(length, num_frames, values.device)).T @ values
