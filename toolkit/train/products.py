"""Matrix products of float32 tensors by the faster of the two libraries that torch brings.

torch gives float32 products to MKL, which on processors of other makers than Intel leaves the wider half of their
units idle; oneDNN, which torch brings for its other number types, uses it: twice as fast there, and the same
sums up to their order. Knows nothing about networks.
"""

from __future__ import annotations

import platform
from typing import Any

import torch
from torch import Tensor, nn

Gradients = tuple[Tensor | None, Tensor | None, Tensor | None]


def _has_onednn() -> bool:
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    there: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return x86 and there and hasattr(torch.ops.mkldnn, "_linear_pointwise")


ONEDNN = _has_onednn()


def product(rows: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """rows (M, K) @ weight (N, K).T + bias (N,); what nn.functional.linear gives, without autograd."""
    if ONEDNN and rows.dtype is torch.float32:
        result: Tensor = torch.ops.mkldnn._linear_pointwise(rows, weight, bias, "none", [], "")
        return result
    return nn.functional.linear(rows, weight, bias)


def weight_gradient(grad: Tensor, rows: Tensor) -> Tensor:
    """grad (M, N).T @ rows (M, K) -> (N, K). One of the two is copied for it: the narrower one."""
    if rows.shape[1] < grad.shape[1]:
        return product(rows.T, grad.T).T
    return product(grad.T, rows.T)


def can_take_over(values: Tensor) -> bool:
    """Whether a layer may compute its own gradients: in training proper, not when traced or in low precision."""
    return torch.is_grad_enabled() and not torch.is_autocast_enabled("cpu") and values.device.type == "cpu"


class Linear(nn.Linear):
    """nn.Linear whose products in training are those of this module."""

    def forward(self, values: Tensor) -> Tensor:
        if not self.training or not can_take_over(values):
            return super().forward(values)
        rows: Tensor = _Linear.apply(values.flatten(0, -2), self.weight, self.bias)  # type: ignore[no-untyped-call]
        return rows.view(*values.shape[:-1], -1)


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(rows, weight)
        return product(rows, weight, bias)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Gradients:
        rows, weight = ctx.saved_tensors
        inward = product(grad, weight.T) if ctx.needs_input_grad[0] else None
        return inward, weight_gradient(grad, rows), grad.sum(0)
