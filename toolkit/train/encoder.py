"""The transformer's layers as plain matrix products: what nn.TransformerEncoderLayer computes, in less time.

For short sequences on a CPU two things cost more than they need to there: drawing dropout's random numbers one by
one, and a fused attention that is made for long sequences. Same structure, initial weights and meaning of
dropout; knows nothing about signs.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

LEVELS = 256  # probabilities are rounded to a random byte's worth


class Dropout(nn.Module):
    """nn.Dropout with one random byte per value, eight drawn at once; p is rounded to 1/256."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.dropped = min(round(p * LEVELS), LEVELS - 1)
        self.scale = LEVELS / (LEVELS - self.dropped)  # so that the mean stays what it was

    def forward(self, values: Tensor) -> Tensor:
        if not self.training or not self.dropped:
            return values
        draws = torch.empty((values.numel() + 7) // 8, dtype=torch.int64).random_(-(2**63), None)
        kept = draws.view(torch.uint8)[: values.numel()].view(values.shape) >= self.dropped
        return values * kept.to(values.dtype).mul_(self.scale)


class EncoderLayer(nn.Module):
    """Self-attention and feed-forward, each with dropout, residual and layer norm after it; GELU.

    (N, F, embed_dim) -> same.
    """

    def __init__(self, embed_dim: int, num_heads: int, ff_dim: int, dropout: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.scale = 1 / math.sqrt(embed_dim // num_heads)
        self.query_key_value = nn.Linear(embed_dim, 3 * embed_dim)
        self.mix_heads = nn.Linear(embed_dim, embed_dim)
        self.up, self.down = nn.Linear(embed_dim, ff_dim), nn.Linear(ff_dim, embed_dim)
        self.attention_norm, self.feed_forward_norm = nn.LayerNorm(embed_dim), nn.LayerNorm(embed_dim)
        self.dropout = Dropout(dropout)
        nn.init.xavier_uniform_(self.query_key_value.weight)  # as nn.MultiheadAttention begins
        nn.init.zeros_(self.query_key_value.bias)
        nn.init.zeros_(self.mix_heads.bias)

    def forward(self, sequence: Tensor) -> Tensor:
        sequence = self.attention_norm(sequence + self.dropout(self._attend(sequence)))
        inner = self.dropout(nn.functional.gelu(self.up(sequence)))
        normed: Tensor = self.feed_forward_norm(sequence + self.dropout(self.down(inner)))
        return normed

    def _attend(self, sequence: Tensor) -> Tensor:
        heads = self.query_key_value(sequence).unflatten(-1, (3, self.num_heads, -1))
        query, key, value = heads.permute(2, 0, 3, 1, 4).unbind(0)  # (N, heads, F, embed_dim / heads) each
        weights = self.dropout(((query * self.scale) @ key.transpose(-1, -2)).softmax(-1))
        mixed: Tensor = self.mix_heads((weights @ value).transpose(1, 2).flatten(2))
        return mixed
