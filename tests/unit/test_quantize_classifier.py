"""When 8-bit weights are written: the decision, and what quantising leaves alone."""

from __future__ import annotations

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="quantising needs onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from export.quantize_classifier import Figures, compare, decide, quantized, run_in_batches  # noqa: E402
from toolkit.errors import ExportError  # noqa: E402

FP32 = Figures(top1=0.8, size_bytes=1_600_000, latency_ms=1.0)


@pytest.mark.parametrize(
    ("int8", "worth", "told"),
    [
        (Figures(0.8, 500_000, 2.0), True, "3.2x smaller"),
        (Figures(0.8, 1_700_000, 0.5), True, "2.00x faster"),
        (Figures(0.795, 400_000, 0.5), True, "4.0x smaller and 2.00x faster"),
        (Figures(0.79, 400_000, 0.5), False, "falls by 1.0 points, 0.5 are allowed"),
        (Figures(0.8, 1_600_000, 1.0), False, "neither smaller nor faster"),
        (Figures(0.9, 1_700_000, 1.1), False, "neither smaller nor faster"),
    ],
)
def test_int8_is_written_when_it_costs_little_and_gains_something(
    int8: Figures, worth: bool, told: str
) -> None:
    found, reason = decide(FP32, int8)
    assert found is worth
    assert told in reason


WEIGHTS = np.random.default_rng(0).normal(0, 1, (8, 4)).astype(np.float32)
MIXED = np.random.default_rng(1).normal(0, 1, (8, 8)).astype(np.float32)


def small_model(trained: bool) -> bytes:
    """clips (N, T, 8) -> mean over time by a product, mixed by a fixed matrix, then logits (N, 4), by trained
    weights or not."""
    nodes = [
        helper.make_node("Transpose", ["clips"], ["by_value"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["by_value", "clips"], ["products"]),  # of two inputs: not to be touched
        helper.make_node("ReduceMean", ["products", "axis"], ["means"], keepdims=0),
        helper.make_node("MatMul", ["means", "mixed"], ["values"], name="mixing"),
        helper.make_node("MatMul", ["values", "weights"], ["logits"], name="head")
        if trained
        else helper.make_node("Identity", ["values"], ["logits"]),
    ]
    constants: dict[str, np.ndarray] = {"axis": np.array([1], np.int64), "weights": WEIGHTS, "mixed": MIXED}
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("clips", TensorProto.FLOAT, ["batch", "time", 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 4 if trained else 8])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, {"sign_toolkit.mode": '"pose"'})
    content: bytes = model.SerializeToString()
    return content


def test_only_trained_matrices_are_quantised_per_channel_and_the_metadata_stays() -> None:
    made = onnx.load_from_string(quantized(small_model(trained=True), [WEIGHTS.T]))
    kinds = [node.op_type for node in made.graph.node]
    assert kinds.count("MatMulInteger") == 1 and kinds.count("MatMul") == 2
    (mixed,) = [item for item in made.graph.initializer if item.name == "mixed"]
    assert np.array_equal(
        numpy_helper.to_array(mixed), MIXED
    )  # fixed, not trained: not a bit of it is rounded
    (whole,) = [
        item for item in made.graph.initializer if item.data_type == TensorProto.INT8 and item.dims == [8, 4]
    ]
    assert np.abs(numpy_helper.to_array(whole).astype(int)).max() <= 64  # 7 bits: right on every CPU
    assert any(
        list(item.dims) == [4] and item.data_type == TensorProto.FLOAT for item in made.graph.initializer
    )
    assert {item.key: item.value for item in made.metadata_props} == {"sign_toolkit.mode": '"pose"'}
    assert made.ir_version == 10


def test_a_model_without_trained_matrices_is_refused() -> None:
    with pytest.raises(ExportError, match="no matrices to quantise"):
        quantized(small_model(trained=False), [WEIGHTS])


def test_both_files_are_compared_on_the_same_clips() -> None:
    model = small_model(trained=True)
    clips = np.random.default_rng(1).normal(0, 1, (40, 5, 8)).astype(np.float32)
    labels = run_in_batches(model, clips).argmax(1)
    labels[:10] = (labels[:10] + 1) % 4
    found = compare(model, quantized(model, [WEIGHTS]), clips, labels)
    assert found.fp32.top1 == 0.75
    assert found.fp32.size_bytes == len(model)
    assert found.clips == 40 and 0.9 <= found.agreement <= 1
    assert min(found.fp32.latency_ms, found.int8.latency_ms) > 0
