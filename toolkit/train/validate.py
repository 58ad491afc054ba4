"""How good a network is on clips that it was not trained on: the figures that a checkpoint carries.

Knows nothing about training or files.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from toolkit.calibration import calibration_error, fit_temperature
from toolkit.errors import TrainingError
from toolkit.metrics import topk, wilson_interval
from toolkit.train.dataset import LabelledClips
from toolkit.train.model import SignClassifier

EVAL_BATCH = {"pose": 32, "features": 64, "video": 4}  # clips per forward pass outside training
NOT_VALIDATED: dict[str, Any] = dict.fromkeys(("val_top1", "val_top5", "val_loss", "val_top1_interval"))


def validate(model: SignClassifier, clips: LabelledClips) -> dict[str, Any]:
    """val_top1, val_top5 (fractions), val_loss, val_top1_interval (95 %, Wilson), temperature, and the calibration
    error (0..1) without and with it: ece_uncalibrated, ece. At least one clip.

    Raises:
        TrainingError: the loss is not finite.
    """
    logits, labels = compute_logits(model, clips), clips.labels
    loss = float(nn.functional.cross_entropy(torch.from_numpy(logits), torch.from_numpy(labels)))
    if not math.isfinite(loss):
        raise TrainingError(f"the validation loss became {loss}: lower training.learning_rate")
    top1, temperature = topk(logits, labels, 1), fit_temperature(logits, labels)
    return {
        "val_top1": top1,
        "val_top5": topk(logits, labels, 5),
        "val_loss": loss,
        "val_top1_interval": list(wilson_interval(top1, len(labels))),
        "temperature": temperature,
        "ece_uncalibrated": calibration_error(logits, labels),
        "ece": calibration_error(logits, labels, temperature),
    }


@torch.no_grad()
def compute_logits(model: SignClassifier, clips: LabelledClips) -> NDArray[np.float32]:
    """(N, num_classes) of all clips in their order, in eval mode."""
    model.eval()
    size = EVAL_BATCH[model.spec.mode]
    chunks = [range(start, min(start + size, len(clips))) for start in range(0, len(clips), size)]
    return np.concatenate([model(torch.from_numpy(clips.batch(chunk))).numpy() for chunk in chunks])
