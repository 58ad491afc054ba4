"""Gap filling and resampling against numpy's own interpolation."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the train extra")

import torch

from toolkit.train.timeline import interpolation, moments, resample


@pytest.mark.parametrize("length", [1, 2, 7, 16, 40])
@pytest.mark.parametrize("num_frames", [1, 2, 8, 16])
def test_resampling_is_linear_interpolation(length, num_frames):
    values = np.random.default_rng(0).normal(size=(2, length, 3)).astype(np.float32)
    at = np.linspace(0, length - 1, num_frames) if num_frames > 1 else [(length - 1) / 2]
    expected = np.stack([[np.interp(at, np.arange(length), clip[:, d]) for d in range(3)] for clip in values])
    got = resample(torch.from_numpy(values), num_frames).numpy()
    np.testing.assert_allclose(got, expected.transpose(0, 2, 1), atol=1e-5)


@pytest.mark.parametrize("seed", range(10))
def test_gaps_are_filled_from_the_frames_around_them(seed):
    rng = np.random.default_rng(seed)
    length = 16
    usable, values = rng.random(length) < 0.4, rng.normal(size=length)
    usable[rng.integers(length)] = True
    frames = np.arange(length)
    expected = np.interp(frames, frames[usable], values[usable])  # holds the ends, like ours
    weights = interpolation(torch.from_numpy(usable), moments(length, length))
    got = weights.T @ torch.from_numpy(np.where(usable, values, 1e6)).float()
    np.testing.assert_allclose(got.numpy(), expected, atol=1e-5)


def test_nothing_usable_gives_zeros():
    assert interpolation(torch.zeros(3, 5, dtype=torch.bool), moments(5, 4)).abs().sum() == 0
