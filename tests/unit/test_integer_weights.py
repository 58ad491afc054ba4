"""8-bit kernels: near the float ones, and never too large for a processor without VNNI."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from export.integer_weights import PAIR_LIMIT, IntegerLayer, pair_sums, to_int8


def kernel(inputs: int, side: int = 1) -> NDArray[np.float32]:
    random = np.random.default_rng(5)
    return random.normal(0, 0.2, (24, inputs, side, side)).astype(np.float32)


def restored(made: IntegerLayer) -> NDArray[np.float32]:
    return made.kernel * made.scales[:, None, None, None]


def quantized(weights: NDArray[np.float32], depthwise: bool = False) -> IntegerLayer:
    return to_int8(weights, np.zeros(len(weights)), 0.02, np.zeros(weights.shape[1]), depthwise)


@pytest.mark.parametrize(("inputs", "side"), [(32, 1), (7, 1), (3, 3)])
def test_sixteen_bits_hold_any_two_products(inputs: int, side: int) -> None:
    made = quantized(np.abs(kernel(inputs, side)))
    assert made.kernel.dtype == np.int8
    # as the processor does it: neighbours in the order row, column, channel, under the brightest activations
    flat = made.kernel.transpose(0, 2, 3, 1).reshape(24, -1).astype(np.int64)
    flat = np.pad(flat, ((0, 0), (0, flat.shape[1] % 2)))
    sums = 255 * flat[:, 0::2] + 255 * flat[:, 1::2]
    assert sums.max() <= np.iinfo(np.int16).max
    assert sums.max() > 0.8 * np.iinfo(np.int16).max  # no bit is given away


def test_neighbours_of_opposite_signs_need_no_room() -> None:
    weights = np.tile(np.array([1.0, -1.0], np.float32), 8).reshape(1, 16, 1, 1)
    assert quantized(weights).kernel.max() == 127
    assert pair_sums(weights) == 1
    assert quantized(np.abs(weights)).kernel.max() == PAIR_LIMIT // 2


def test_restored_kernels_are_within_half_a_step() -> None:
    for weights, depthwise in ((kernel(32), False), (kernel(1, 5), True)):
        made = quantized(weights, depthwise)
        assert (np.abs(restored(made) - weights) <= 0.5001 * made.scales[:, None, None, None]).all()


def test_depthwise_kernels_use_all_bits() -> None:
    made = quantized(np.abs(kernel(1, 3)), depthwise=True)
    np.testing.assert_array_equal(made.kernel.max(axis=(1, 2, 3)), 127)


def test_the_bias_takes_over_what_rounding_lost() -> None:
    weights, means = kernel(32), np.random.default_rng(6).uniform(0, 6, 32)
    bias = np.linspace(-3, 3, 24)
    made = to_int8(weights, bias, 0.02, means, depthwise=False)
    exact = (weights[:, :, 0, 0] * means).sum(axis=1) + bias
    ours = (restored(made)[:, :, 0, 0] * means).sum(axis=1) + made.bias * made.bias_scales
    np.testing.assert_allclose(ours, exact, atol=1e-3)
    plain = (restored(made)[:, :, 0, 0] * means).sum(axis=1) + bias
    assert np.abs(plain - exact).max() > 0.01


def test_a_dead_channel_keeps_its_bias() -> None:
    weights = kernel(8)
    weights[3], weights[4] = 1e-20, 0
    bias = np.full(24, 5.0)
    made = to_int8(weights, bias, 0.02, np.zeros(8), depthwise=False)
    np.testing.assert_allclose(made.bias * made.bias_scales, bias, rtol=1e-5, atol=1e-3)
    assert not made.kernel[3:5].any()
