"""float32 kernels -> 8-bit integers that no x86 processor gets wrong.

Without VNNI instructions (Intel before 2019, AMD before 2022) onnxruntime multiplies unsigned activations by signed
weights with `pmaddubsw`: two products at a time, added in 16 bits, cut off at +-32767. Two full-size weights of the
same sign under bright activations pass that (2 * 127 * 255 = 64770): the embeddings of the usual 8-bit weights then
fall to cosine 0.95, without any message. 7-bit weights would cure it at the cost of a bit everywhere. Here only the
kernels with such a pair are scaled down, and only as far as the pair requires. This module does not know graphs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LARGEST = 127
PAIR_LIMIT = 128
"""Largest sum of two neighbouring weights of one sign: 128 * 255 = 32640 is below 2 ** 15."""
BIAS_LIMIT = 2.0**29
"""Largest bias in units of its scale; leaves room for the sums in 32 bits."""


class IntegerLayer(NamedTuple):
    """kernel: (O, I, kh, kw) int8; scales: (O,) float32, weight per unit; bias: (O,) int32; bias_scales: (O,)
    float32, which are scales times the scale of the input."""

    kernel: NDArray[np.int8]
    scales: NDArray[np.float32]
    bias: NDArray[np.int32]
    bias_scales: NDArray[np.float32]


def to_int8(
    kernel: NDArray[np.float32],
    bias: NDArray[np.float64],
    input_scale: float,
    input_means: NDArray[np.float64],
    depthwise: bool,
) -> IntegerLayer:
    """kernel: (O, I, kh, kw); bias: (O,); input_scale: input per unit of its 8-bit form; input_means: (channels,),
    with which what rounding takes from the sums on average goes into the bias.

    Depthwise kernels keep all 8 bits: onnxruntime multiplies those one by one.
    """
    scales = np.abs(kernel).max(axis=(1, 2, 3)).astype(np.float64) / LARGEST
    # A dead channel has a bias and next to no weights: the scale has to let the bias fit into 32 bits.
    scales = np.maximum(scales, np.maximum(np.abs(bias) / (input_scale * BIAS_LIMIT), 1e-12))
    if not depthwise:
        scales *= np.maximum(pair_sums(kernel / scales[:, None, None, None]) / PAIR_LIMIT, 1)
    rounded = _rounded(kernel, scales)
    while not depthwise and (over := pair_sums(rounded) > PAIR_LIMIT).any():
        scales = np.where(over, scales * 1.002, scales)  # rounding had pushed the pair over the limit
        rounded = _rounded(kernel, scales)
    single = scales.astype(np.float32)
    lost = (kernel - rounded * single[:, None, None, None]).sum(axis=(2, 3))
    bias = bias + (lost[:, 0] * input_means if depthwise else (lost * input_means).sum(axis=1))
    bias_scales = (single * np.float32(input_scale)).astype(np.float32)
    return IntegerLayer(
        rounded.astype(np.int8), single, np.rint(bias / bias_scales).astype(np.int32), bias_scales
    )


def pair_sums(kernel: NDArray[np.floating]) -> NDArray[np.float64]:
    """kernel: (O, I, kh, kw) -> (O,): the largest sum, in magnitude, of two neighbours of the same sign.

    Neighbours in the order in which onnxruntime multiplies: rows, columns, input channels last.
    """
    flat = kernel.transpose(0, 2, 3, 1).reshape(len(kernel), -1).astype(np.float64)
    pairs = np.pad(flat, ((0, 0), (0, flat.shape[1] % 2))).reshape(len(kernel), -1, 2)
    positive, negative = np.maximum(pairs, 0).sum(axis=2), np.maximum(-pairs, 0).sum(axis=2)
    sums: NDArray[np.float64] = np.maximum(positive, negative).max(axis=1)
    return sums


def _rounded(kernel: NDArray[np.float32], scales: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.clip(np.rint(kernel / scales[:, None, None, None]), -LARGEST, LARGEST)
