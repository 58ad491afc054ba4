"""Dropout whose masks are slices of one random table, because drawing them anew is a sixth of a training step.

The table is the same in every process; where a slice starts is drawn from torch's global generator, so a run is
decided by its seed as ever. Two steps share a mask about never: there are 65,536 starts.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor, nn

LEVELS = 256  # probabilities are rounded to a random byte's worth
TABLE = 2**20  # values; twice the largest mask where that is more
ALIGNED = 16  # values: a cache line, so that a slice is read as fast as a tensor of its own
TABLE_SEED = 1


class Dropout(nn.Module):
    """nn.Dropout, faster; p is rounded to 1/256."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.dropped = min(round(p * LEVELS), LEVELS - 1)

    def mask(self, *shape: int) -> Tensor | None:
        """Factors of this shape to multiply values by: 0, or 1 / (1 - p); None where nothing is dropped."""
        if not self.training or not self.dropped:
            return None
        size = 1
        for length in shape:
            size *= length
        table = _factors(self.dropped, max(TABLE, 1 << (2 * size - 1).bit_length()))
        start = ALIGNED * int(torch.randint((len(table) - size) // ALIGNED, ()))
        return table[start : start + size].view(shape)

    def forward(self, values: Tensor) -> Tensor:
        mask = self.mask(*values.shape) if self.training else None
        return values if mask is None else values * mask.to(values.dtype)


@lru_cache(maxsize=4)
def _factors(dropped: int, size: int) -> Tensor:
    """(size,) float32: 0 for `dropped` of LEVELS values, else what keeps the mean as it was."""
    generator = torch.Generator().manual_seed(TABLE_SEED)
    draws = torch.randint(LEVELS, (size,), dtype=torch.uint8, generator=generator)
    return (draws >= dropped).float().mul_(LEVELS / (LEVELS - dropped))
