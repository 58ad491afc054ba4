"""AdamW, its learning rate over a run, averaged weights, and their state as plain named tensors.

All weights of a model lie one behind the other in one tensor, and so do gradients, moments and averages: a small
network has some thirty parameters, and thirty times a few microseconds, for each of clipping, AdamW and averaging,
is more than the arithmetic takes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

from toolkit.train.settings import TrainingSettings

REFERENCE_BATCH = 32  # the batch size that training.learning_rate is meant for
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8  # torch's defaults for Adam
_PREFIX = "optimizer."


class FlatAdamW:
    """AdamW on all parameters of a model at once. Decays matrices only: decaying biases and norms only hurts.

    The model's parameters become views of `values`; load_state_dict writes through to it.
    """

    def __init__(self, model: nn.Module, training: TrainingSettings) -> None:
        named = sorted(model.named_parameters(), key=lambda item: item[1].dim() <= 1)  # matrices first
        self.parameters = [parameter for _, parameter in named]
        self.clip = training.gradient_clip
        self.values = torch.cat([parameter.detach().reshape(-1) for parameter in self.parameters])
        self._places: dict[str, tuple[slice, torch.Size]] = {}
        start = 0
        for name, parameter in named:
            place = slice(start, start + parameter.numel())
            self._places[name] = place, parameter.shape
            parameter.data = self.values[place].view(parameter.shape)
            start = place.stop
        matrices = sum(parameter.numel() for parameter in self.parameters if parameter.dim() > 1)
        self._groups = ((slice(0, matrices), training.weight_decay), (slice(matrices, start), 0.0))
        self._gradient, self._first, self._second = (torch.zeros_like(self.values) for _ in range(3))
        self._steps = [torch.zeros(()) for _ in self._groups]

    def step(self, loss: Tensor, rate: float) -> None:
        """Change the weights by the gradient of the loss, whose norm is clipped first."""
        gradients = torch.autograd.grad(loss, self.parameters)
        with torch.no_grad():
            torch.cat([gradient.reshape(-1) for gradient in gradients], out=self._gradient)
            norm = float(torch.dot(self._gradient, self._gradient)) ** 0.5
            too_long = torch.tensor(max(1.0, norm / self.clip))  # what the gradient is divided by
            for (place, decay), steps in zip(self._groups, self._steps, strict=True):
                adamw(
                    [self.values[place]], [self._gradient[place]], [self._first[place]], [self._second[place]],
                    [], [steps], fused=True, grad_scale=too_long, amsgrad=False, beta1=BETA1, beta2=BETA2,
                    lr=rate, weight_decay=decay, eps=EPSILON, maximize=False,
                )  # fmt: skip

    @property
    def tensors(self) -> list[Tensor]:
        """All numbers that a step changes: the weights, the moments and the step counts."""
        return [self.values, self._first, self._second, *self._steps]

    def named(self, flat: Tensor) -> dict[str, Tensor]:
        """A tensor like `values`, as one view per parameter."""
        return {name: flat[place].view(shape) for name, (place, shape) in self._places.items()}

    def state(self) -> dict[str, Tensor]:
        """Moments and the step count as tensors named after their parameters."""
        tensors = {f"{_PREFIX}step": self._steps[0].clone()}
        for field, flat in (("exp_avg", self._first), ("exp_avg_sq", self._second)):
            tensors |= {f"{_PREFIX}{name}.{field}": part.clone() for name, part in self.named(flat).items()}
        return tensors

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """The inverse of state."""
        for steps in self._steps:
            steps.copy_(tensors[f"{_PREFIX}step"])
        for field, flat in (("exp_avg", self._first), ("exp_avg_sq", self._second)):
            for name, part in self.named(flat).items():
                part.copy_(tensors[f"{_PREFIX}{name}.{field}"])


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


class Average:
    """An exponential moving average of a model's weights; with decay 0 it is the model itself."""

    def __init__(self, model: nn.Module, optimizer: FlatAdamW, decay: float) -> None:
        self.decay, self._model, self._optimizer = decay, model, optimizer
        self._shadow = optimizer.values.clone() if decay else optimizer.values

    @property
    def tensors(self) -> list[Tensor]:
        """The averages, where there are any beside the model's own weights."""
        return [self._shadow] if self.decay else []

    def update(self, step: int) -> None:
        """Take in the weights after a 0-based step; early steps count more, or the start would linger."""
        if self.decay:
            decay = min(self.decay, (1 + step) / (10 + step))
            self._shadow.lerp_(self._optimizer.values, 1 - decay)

    def weights(self) -> dict[str, Tensor]:
        """The averaged state dict; buffers are the model's own."""
        named = self._optimizer.named(self._shadow)
        return {name: named.get(name, own).clone() for name, own in self._model.state_dict().items()}

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Continue from a checkpoint's averaged weights."""
        for name, part in self._optimizer.named(self._shadow).items() if self.decay else ():
            part.copy_(weights[name])

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Lend the averaged weights to the model."""
        own = self._optimizer.values.clone()
        self._optimizer.values.copy_(self._shadow)
        try:
            yield
        finally:
            self._optimizer.values.copy_(own)
