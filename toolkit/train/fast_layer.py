"""A training step of an encoder layer written out by hand, forward and backward: what autograd makes of
toolkit/train/encoder, with a third of its operations, less copying, and the products of toolkit/train/products.

Same values and gradients up to rounding, which a test compares. Only training takes this way.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from toolkit.train.products import product, weight_gradient

EPSILON = 1e-5  # nn.LayerNorm's
aten = torch.ops.aten


class Masks(NamedTuple):
    """Dropout's factors, None where nothing is dropped: of attention weights (N * heads, F, F), of what attention
    and feed-forward add (N * F, D), and between the feed-forward's two layers (N * F, ff)."""

    weights: Tensor | None
    attended: Tensor | None
    inner: Tensor | None
    added: Tensor | None


class EncoderStep(torch.autograd.Function):
    """apply(sequence (N, F, D), heads, masks, then weight and bias of: query_key_value, mix_heads,
    attention_norm, up, down, feed_forward_norm) -> (N, F, D)."""

    @staticmethod
    def forward(ctx: Any, sequence: Tensor, heads: int, masks: Masks, *parameters: Tensor) -> Tensor:
        qkv, qkv_bias, mix, mix_bias, norm1, norm1_bias, up, up_bias, down, down_bias, norm2, norm2_bias = (
            parameters
        )
        clips, length, size = sequence.shape
        rows = sequence.reshape(clips * length, size)
        split = _split_heads(product(rows, qkv, qkv_bias), 3, clips, heads)  # (3, N * heads, F, d)
        query, key, value = split.unbind(0)
        weights = torch.softmax(torch.bmm(query, key.mT).mul_(_scale(size, heads)), -1)
        dropped = weights if masks.weights is None else weights * masks.weights
        joined = _join_heads(torch.bmm(dropped, value), 1, clips, heads)
        first = _add(rows, product(joined, mix, mix_bias), masks.attended)
        middle, mean1, spread1 = torch.native_layer_norm(first, [size], norm1, norm1_bias, EPSILON)
        wide = product(middle, up, up_bias)
        inner = nn.functional.gelu(wide)
        if masks.inner is not None:
            inner.mul_(masks.inner)
        second = _add(middle, product(inner, down, down_bias), masks.added)
        result, mean2, spread2 = torch.native_layer_norm(second, [size], norm2, norm2_bias, EPSILON)
        ctx.save_for_backward(
            rows, split, weights, dropped, joined, first, mean1, spread1, middle, wide, inner, second, mean2, spread2,
            *parameters,
        )  # fmt: skip
        ctx.heads, ctx.masks, ctx.shape = heads, masks, sequence.shape
        return result.view(sequence.shape)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (
            rows, split, weights, dropped, joined, first, mean1, spread1, middle, wide, inner, second, mean2, spread2,
            *parameters,
        ) = ctx.saved_tensors  # fmt: skip
        qkv, _, mix, _, norm1, norm1_bias, up, _, down, _, norm2, norm2_bias = parameters
        heads, masks, (clips, length, size) = ctx.heads, ctx.masks, ctx.shape
        grad_second, grad_norm2, grad_norm2_bias = aten.native_layer_norm_backward(
            grad.reshape(clips * length, size),
            second,
            [size],
            mean2,
            spread2,
            norm2,
            norm2_bias,
            [True, True, True],
        )
        grad_added = _masked(grad_second, masks.added)
        grad_inner = product(grad_added, down.T)
        if masks.inner is not None:
            grad_inner.mul_(masks.inner)
        grad_wide = aten.gelu_backward(grad_inner, wide)
        grad_middle = product(grad_wide, up.T).add_(grad_second)
        grad_first, grad_norm1, grad_norm1_bias = aten.native_layer_norm_backward(
            grad_middle, first, [size], mean1, spread1, norm1, norm1_bias, [True, True, True]
        )
        grad_attended = _masked(grad_first, masks.attended)
        grad_heads = _split_heads(product(grad_attended, mix.T), 1, clips, heads)[0]
        query, key, value = split.unbind(0)
        grad_split = torch.empty_like(split)
        torch.bmm(dropped.mT, grad_heads, out=grad_split[2])
        grad_weights = torch.bmm(grad_heads, value.mT)
        if masks.weights is not None:
            grad_weights.mul_(masks.weights)
        grad_scores = aten._softmax_backward_data(grad_weights, weights, -1, weights.dtype)
        grad_scores.mul_(_scale(size, heads))
        torch.bmm(grad_scores, key, out=grad_split[0])
        torch.bmm(grad_scores.mT, query, out=grad_split[1])
        grad_qkv = _join_heads(grad_split, 3, clips, heads)
        grad_rows = product(grad_qkv, qkv.T).add_(grad_first) if ctx.needs_input_grad[0] else None
        return (
            None if grad_rows is None else grad_rows.view(ctx.shape), None, None,
            weight_gradient(grad_qkv, rows), grad_qkv.sum(0),
            weight_gradient(grad_attended, joined), grad_attended.sum(0),
            grad_norm1, grad_norm1_bias,
            weight_gradient(grad_wide, middle), grad_wide.sum(0),
            weight_gradient(grad_added, inner), grad_added.sum(0),
            grad_norm2, grad_norm2_bias,
        )  # fmt: skip


def _scale(size: int, heads: int) -> float:
    return 1 / math.sqrt(size // heads)


def _split_heads(rows: Tensor, parts: int, clips: int, heads: int) -> Tensor:
    """(N * F, parts * D) -> (parts, N * heads, F, d) in one copy."""
    parted = rows.view(clips, len(rows) // clips, parts, heads, -1).permute(2, 0, 3, 1, 4)
    return parted.reshape(parts, clips * heads, -1, parted.shape[-1])


def _join_heads(split: Tensor, parts: int, clips: int, heads: int) -> Tensor:
    """The inverse: (parts, N * heads, F, d) -> (N * F, parts * D)."""
    parted = split.view(parts, clips, heads, split.shape[-2], -1).permute(1, 3, 0, 2, 4)
    return parted.reshape(clips * split.shape[-2], -1)


def _add(rows: Tensor, change: Tensor, mask: Tensor | None) -> Tensor:
    return change.add_(rows) if mask is None else torch.addcmul(rows, change, mask)


def _masked(grad: Tensor, mask: Tensor | None) -> Tensor:
    return grad if mask is None else grad * mask
