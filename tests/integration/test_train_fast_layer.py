"""The training step written out by hand computes what the layer's definition and autograd compute."""

import pytest

pytest.importorskip("torch", reason="training needs the train extra")

import torch
from torch import nn

from toolkit.config import load_settings
from toolkit.train import encoder, products
from toolkit.train.encoder import EncoderLayer
from toolkit.train.optimizer import FlatAdamW


def outcome(layer, sequence, grad):
    """Output and gradients of a training pass; the same masks every time."""
    torch.manual_seed(3)
    sequence = sequence.clone().requires_grad_()
    result = layer(sequence)
    return [result.detach(), *torch.autograd.grad(result, [sequence, *layer.parameters()], grad)]


@pytest.mark.parametrize("p", [0.0, 0.3])
@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (5, 16)])
def test_values_and_gradients_are_those_of_autograd(monkeypatch, p, shape):
    torch.manual_seed(0)
    layer = EncoderLayer(32, 4, 48, p).train()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_(std=0.3)
    sequence, grad = torch.randn(*shape, 32), torch.randn(*shape, 32)
    fast = outcome(layer, sequence, grad)
    monkeypatch.setattr(encoder, "can_take_over", lambda values: False)
    plain = outcome(layer, sequence, grad)
    for first, second in zip(fast, plain, strict=True):
        torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("sizes", [(1, 1, 1), (5, 132, 128), (64, 128, 384), (64, 384, 128)])
def test_products_are_those_of_torch(sizes):
    rows, inside, outside = sizes
    torch.manual_seed(0)
    ours, torchs = products.Linear(inside, outside).train(), nn.Linear(inside, outside)
    torchs.load_state_dict(ours.state_dict())
    values, grad = torch.randn(rows, inside), torch.randn(rows, outside)
    found = []
    for layer in (ours, torchs):
        given = values.clone().requires_grad_()
        result = layer(given)
        found.append([result, *torch.autograd.grad(result, [given, *layer.parameters()], grad)])
    for first, second in zip(*found, strict=True):
        torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-4)


def test_one_flat_optimiser_steps_as_torchs_adamw_with_clipping():
    training = load_settings(None, {"training.gradient_clip": 0.5, "training.weight_decay": 0.2}).training
    torch.manual_seed(0)
    model, other = (nn.Sequential(nn.Linear(5, 7), nn.GELU(), nn.Linear(7, 3)) for _ in range(2))
    other.load_state_dict(model.state_dict())
    flat = FlatAdamW(model, training)
    decayed = [p for p in other.parameters() if p.dim() > 1]
    plain = torch.optim.AdamW(
        [
            {"params": decayed, "weight_decay": 0.2},
            {"params": [p for p in other.parameters() if p.dim() == 1], "weight_decay": 0.0},
        ]
    )
    for step in range(6):
        values, rate = torch.randn(4, 5) * 3, 0.01 * (step + 1)
        flat.step(model(values).square().sum(), rate)
        plain.zero_grad()
        other(values).square().sum().backward()
        nn.utils.clip_grad_norm_(other.parameters(), 0.5)
        for group in plain.param_groups:
            group["lr"] = rate
        plain.step()
    for first, second in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-5)
