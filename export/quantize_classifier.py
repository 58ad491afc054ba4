"""Weights of an exported classifier in 8 bits, and whether that is worth it: four figures and a decision.

Dynamic, per output channel: products with trained weights run in integers, with the scale of the other side taken
from each clip. Gap filling, resampling and normalisation are not trained and stay in float. Weights take 7 of the 8
bits: with all of them, CPUs without VNNI add up two products in 16 bits and clip the sum, and answers would
depend on the machine (onnxruntime, "Quantize ONNX models", reduce_range). Knows no runs and writes no files.
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

from toolkit import model_seal
from toolkit.errors import ExportError
from toolkit.metrics import topk
from toolkit.session import make_session

MAX_DROP = 0.005
"""Top-1 accuracy (a fraction) that validation clips may lose by quantisation."""
ROUNDS, WARM_UP = 60, 5  # runs of one clip that a latency is the median of, in turns
BATCH = 16


@dataclass(frozen=True)
class Figures:
    """What one file is worth on this machine.

    top1: fraction of the validation clips; size_bytes: of the file; latency_ms: CPU time of one clip, median.
    """

    top1: float
    size_bytes: int
    latency_ms: float


@dataclass(frozen=True)
class Comparison:
    """fp32, int8: the figures of both; agreement: fraction of clips with the same best gloss; clips: how many."""

    fp32: Figures
    int8: Figures
    agreement: float
    clips: int


def quantized(model: bytes, trained: Sequence[NDArray[np.float32]]) -> bytes:
    """The same model with its trained matrices in int8; metadata, inputs and outputs stay.

    trained: the network's parameters; in the graph they may stand transposed. Other constant matrices, those that
    describe a clip, stay as they are: rounding one of 32 x 32 made 60 % of the error.

    Raises:
        ExportError: there is nothing to quantise.
    """
    graph = onnx.load_from_string(model).graph
    with tempfile.TemporaryDirectory() as folder, _quiet():
        source, target = Path(folder) / "fp32.onnx", Path(folder) / "int8.onnx"
        source.write_bytes(model)
        quantize_dynamic(
            source,
            target,
            op_types_to_quantize=["MatMul"],  # and Gemm, which it takes apart
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=_untrained_products(graph, trained),
        )
        made = onnx.load(target)
    if not any(node.op_type == "MatMulInteger" for node in made.graph.node):
        raise ExportError("the model has no matrices to quantise; export it with --precision fp32")
    original = onnx.load_from_string(model)
    made.ir_version, made.graph.name = original.ir_version, original.graph.name
    made.producer_name, made.producer_version = original.producer_name, original.producer_version
    del made.metadata_props[:]
    made.metadata_props.extend(item for item in original.metadata_props if item.key != model_seal.KEY)
    onnx.checker.check_model(made, full_check=True)
    content: bytes = made.SerializeToString(deterministic=True)
    return content


def _untrained_products(graph: onnx.GraphProto, trained: Sequence[NDArray[np.float32]]) -> list[str]:
    """Names of the products with a constant matrix that is none of the parameters."""
    matrices = [turned for one in trained if one.ndim == 2 for turned in (one, one.T)]
    own = {
        item.name
        for item in graph.initializer
        if any(np.array_equal(numpy_helper.to_array(item), matrix) for matrix in matrices)
    }
    products = [node for node in graph.node if node.op_type in ("MatMul", "Gemm")]
    return [node.name for node in products if not own & set(node.input)]


def compare(fp32: bytes, int8: bytes, clips: NDArray[Any], labels: NDArray[np.int64]) -> Comparison:
    """Run both files on clips (N, T, *item_shape) with labels (N,), one thread, in turns.

    One clip at a time, as a recogniser does: in int8 the clips of a batch share a scale, which rounds more.
    """
    sessions = [make_session(model) for model in (fp32, int8)]
    logits = [run_in_batches(model, clips, 1) for model in (fp32, int8)]
    times: list[list[float]] = [[], []]
    for number in range(WARM_UP + ROUNDS):
        one = clips[number % len(clips)][None]
        for session, spent in zip(sessions, times, strict=True):
            began = time.process_time()
            session.run(["logits"], {"clips": one})
            spent.append(time.process_time() - began)
    figures = [
        Figures(topk(answers, labels), len(model), 1000 * float(np.median(spent[WARM_UP:])))
        for answers, model, spent in zip(logits, (fp32, int8), times, strict=True)
    ]
    same = float((logits[0].argmax(1) == logits[1].argmax(1)).mean())
    return Comparison(figures[0], figures[1], same, len(clips))


def decide(fp32: Figures, int8: Figures) -> tuple[bool, str]:
    """Whether to write int8, and the reason in words."""
    drop = fp32.top1 - int8.top1
    if drop > MAX_DROP + 1e-9:
        return False, f"top-1 falls by {100 * drop:.1f} points, {100 * MAX_DROP:.1f} are allowed"
    gains = []
    if int8.size_bytes < fp32.size_bytes:
        gains.append(f"{fp32.size_bytes / int8.size_bytes:.1f}x smaller")
    if int8.latency_ms < fp32.latency_ms:
        gains.append(f"{fp32.latency_ms / int8.latency_ms:.2f}x faster")
    if not gains:
        return False, "it is neither smaller nor faster here"
    return True, " and ".join(gains)


def run_in_batches(model: bytes, clips: NDArray[Any], batch: int = BATCH) -> NDArray[np.float32]:
    """Logits (N, C) of clips (N, T, *item_shape), `batch` of them at a time."""
    session = make_session(model)
    parts = [
        session.run(["logits"], {"clips": clips[first : first + batch]})[0]
        for first in range(0, len(clips), batch)
    ]
    return np.concatenate(parts)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the advice to prepare the model for static quantisation."""
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
