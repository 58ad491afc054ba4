"""A run on few clips takes as many steps as one on many; who names epochs or a batch size gets them."""

import pytest

from toolkit.config import load_settings
from toolkit.train.few_clips import for_few_clips


@pytest.mark.parametrize(
    ("clips", "batch", "epochs"),
    [(671, 64, 120), (2000, 64, 120), (120, 16, 165), (90, 16, 220), (20, 8, 440)],
)
def test_a_small_set_gets_smaller_batches_and_more_epochs(clips, batch, epochs):
    given = load_settings(
        None, {"training.epochs": 120, "training.batch_size": 64, "training.min_steps": 1320}
    )
    training = for_few_clips(given, clips).training
    assert (training.batch_size, training.epochs) == (batch, epochs)


def test_epochs_that_are_named_are_taken_as_they_are(tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("training: {epochs: 120, batch_size: 64, min_steps: 1320}")
    named = load_settings(config, {"training.epochs": 3})
    assert for_few_clips(named, 20).training == named.training
    assert named.training.epochs == 3
