"""AdamW, its learning rate over a run, averaged weights, and their state as plain named tensors."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from toolkit.train.settings import TrainingSettings

REFERENCE_BATCH = 32  # the batch size that training.learning_rate is meant for
_PREFIX = "optimizer."


def make_optimizer(model: nn.Module, training: TrainingSettings) -> torch.optim.AdamW:
    """AdamW that decays matrices only: decaying biases and norms only hurts."""
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.dim() > 1], "weight_decay": training.weight_decay},
        {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=training.learning_rate, fused=True)


def learning_rate(step: int, all_steps: int, training: TrainingSettings) -> float:
    """The rate of a 0-based step: linear warm-up, then half a cosine down to zero.

    Its peak follows the square root of the batch size, which keeps Adam's noise alike (Malladi et al.,
    "On the SDEs and Scaling Rules for Adaptive Gradient Algorithms", 2022).
    """
    peak = training.learning_rate * math.sqrt(training.batch_size / REFERENCE_BATCH)
    warmup = round(training.warmup * all_steps)
    if step < warmup:
        return peak * (step + 1) / warmup
    share = (step - warmup) / max(1, all_steps - warmup)
    return peak * 0.5 * (1 + math.cos(math.pi * share))


def optimizer_state(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """AdamW's moments and step counts as tensors named after their parameters."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {
        f"{_PREFIX}{names[id(parameter)]}.{key}": value
        for parameter, state in optimizer.state.items()
        for key, value in state.items()
    }


def restore_optimizer(
    model: nn.Module, optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]
) -> None:
    """The inverse of optimizer_state."""
    parameters = dict(model.named_parameters())
    for key, tensor in tensors.items():
        if key.startswith(_PREFIX):
            name, _, field = key.removeprefix(_PREFIX).rpartition(".")
            optimizer.state[parameters[name]][field] = tensor.clone()


class Average:
    """An exponential moving average of a model's weights; with decay 0 it is the model itself."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self._shadow = {name: tensor.clone() for name, tensor in model.state_dict().items()} if decay else {}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Take in the weights after a 0-based step; early steps count more, or the start would linger."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, tensor in model.state_dict().items() if self.decay else ():
            self._shadow[name].lerp_(tensor, 1 - decay)

    def weights(self, model: nn.Module) -> dict[str, Tensor]:
        """The averaged state dict."""
        return self._shadow if self.decay else dict(model.state_dict())

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Continue from a checkpoint's averaged weights."""
        if self.decay:
            self._shadow = {name: tensor.clone() for name, tensor in weights.items()}

    @contextmanager
    def in_place(self, model: nn.Module) -> Iterator[None]:
        """Lend the averaged weights to the model."""
        if not self.decay:
            yield
            return
        own = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        model.load_state_dict(self._shadow)
        try:
            yield
        finally:
            model.load_state_dict(own)
