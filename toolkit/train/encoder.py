"""The transformer's layers as plain matrix products: what nn.TransformerEncoderLayer computes, in less time.

Same structure, initial weights and meaning of dropout. What is written here is the layer's definition, which is
exported and evaluated; training in float32 takes the same layer with its gradients written out (fast_layer).
Knows nothing about signs.
"""

from __future__ import annotations

import math

from torch import Tensor, nn

from toolkit.train.dropout import Dropout
from toolkit.train.fast_layer import EncoderStep, Masks
from toolkit.train.products import can_take_over

__all__ = ["Dropout", "EncoderLayer"]


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
        if self.training and can_take_over(sequence):
            return self._step(sequence)
        sequence = self.attention_norm(sequence + self.dropout(self._attend(sequence)))
        inner = self.dropout(nn.functional.gelu(self.up(sequence)))
        normed: Tensor = self.feed_forward_norm(sequence + self.dropout(self.down(inner)))
        return normed

    def _step(self, sequence: Tensor) -> Tensor:
        clips, length, size = sequence.shape
        rows, heads, mask = clips * length, self.num_heads, self.dropout.mask
        masks = Masks(
            mask(clips * heads, length, length),
            mask(rows, size),
            mask(rows, self.up.out_features),
            mask(rows, size),
        )
        pieces = (
            self.query_key_value, self.mix_heads, self.attention_norm, self.up, self.down, self.feed_forward_norm
        )  # fmt: skip
        parameters = [parameter for piece in pieces for parameter in (piece.weight, piece.bias)]
        result: Tensor = EncoderStep.apply(sequence, heads, masks, *parameters)  # type: ignore[no-untyped-call]
        return result

    def _attend(self, sequence: Tensor) -> Tensor:
        heads = self.query_key_value(sequence).unflatten(-1, (3, self.num_heads, -1))
        query, key, value = heads.permute(2, 0, 3, 1, 4).unbind(0)  # (N, heads, F, embed_dim / heads) each
        weights = self.dropout(((query * self.scale) @ key.transpose(-1, -2)).softmax(-1))
        mixed: Tensor = self.mix_heads((weights @ value).transpose(1, 2).flatten(2))
        return mixed
