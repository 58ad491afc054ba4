"""Smaller batches and more epochs where clips are few: a network learns by steps, not by epochs.

Knows nothing about what is trained.
"""

from __future__ import annotations

import math

from toolkit.train.settings import Settings

STEPS_PER_EPOCH = 6  # at least; 90 clips in batches of 64 would be two steps
SMALLEST_BATCH = 8  # clips; not gone below


def for_few_clips(settings: Settings, clips: int) -> Settings:
    """The settings with batch size and epochs as a run on so many clips takes them.

    Where training.min_steps is set, batches are halved until an epoch has STEPS_PER_EPOCH of them or they are as
    small as SMALLEST_BATCH, and epochs are added until the run has min_steps steps.
    """
    training = settings.training
    if not training.min_steps:
        return settings
    batch = training.batch_size
    while batch > SMALLEST_BATCH and math.ceil(clips / batch) < STEPS_PER_EPOCH:
        batch = max(SMALLEST_BATCH, batch // 2)
    epochs = max(training.epochs, math.ceil(training.min_steps / math.ceil(clips / batch)))
    changed = training.model_copy(update={"batch_size": batch, "epochs": epochs})
    return settings.model_copy(update={"training": changed})
