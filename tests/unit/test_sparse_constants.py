"""Constants stored by gaps come back bit by bit, and the detector that ships is the dense one of before."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper

from export.blazepose import SPARSE_CHANGES
from export.onnx_graph import Graph, to_model
from export.sparse_constants import LARGEST_GAP, SMALLEST, by_gaps, is_sparse
from toolkit.extract import ExtractorSpec
from toolkit.extract.blazepose import fingerprint
from toolkit.weights import NUMBERS, weights_path

DETECTOR = "pose_detector.onnx"


def kernel(share: float, shape: tuple[int, ...] = (256, 160, 1, 1)) -> np.ndarray:
    random = np.random.default_rng(0)
    values = random.normal(size=shape).astype(np.float16)
    return np.where(random.uniform(size=shape) < share, values, np.float16(0))


def restored(tensors: list[TensorProto], nodes: list[NodeProto]) -> list[np.ndarray]:
    """What onnxruntime makes of the last node of each constant, in their order."""
    names = [node.output[0] for node in nodes if node.op_type == "Cast" and not node.name.endswith(".steps")]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names]
    model = helper.make_model(
        helper.make_graph(nodes, "g", [], outputs, tensors), opset_imports=[helper.make_opsetid("", 18)]
    )
    model.ir_version = 10
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return list(ort.InferenceSession(model.SerializeToString(), options).run(names, {}))


def crowded() -> np.ndarray:
    values = kernel(0.25)
    values.reshape(-1)[: LARGEST_GAP * 3 + 1] = 0  # farther than a gap reaches, from the very beginning
    values.reshape(-1)[20_000:30_000] = 0
    values.reshape(-1)[25_000] = np.float16(-0.0)
    values.reshape(-1)[-1] = np.float16(6e-8)  # the smallest number of float16
    return values


@pytest.mark.parametrize(
    "values",
    [kernel(0.25), kernel(0.5), kernel(0.0001), crowded()],
    ids=["quarter", "half", "lonely", "crowded"],
)
def test_every_bit_comes_back(values: np.ndarray) -> None:
    tensors, nodes = by_gaps("kernel", values)
    (found,) = restored(tensors, nodes)
    expected = values.astype(np.float32)
    assert found.shape == expected.shape
    assert np.array_equal(found.view(np.uint32), expected.view(np.uint32))
    assert len(tensors[0].raw_data) + len(tensors[1].raw_data) < values.nbytes


def test_small_dense_and_empty_constants_stay() -> None:
    assert is_sparse(kernel(0.25))
    assert not is_sparse(kernel(0.25, (SMALLEST - 1,)))
    assert not is_sparse(kernel(0.6))
    assert not is_sparse(np.zeros(SMALLEST, np.float16))


def test_numbers_that_float16_rounds_are_not_touched() -> None:
    graph = Graph(constants={"kernel": kernel(0.25).astype(np.float32) * np.float32(1.0001)})
    model = to_model(graph, "g", {}, {}, {})
    assert [tensor.name for tensor in model.graph.initializer] == ["kernel"]
    assert not model.graph.node


def test_the_detector_is_byte_for_byte_the_dense_one_but_for_its_way_of_storing() -> None:
    """So stores and models that name the hash of the dense file remain usable."""
    model = onnx.load(weights_path(DETECTOR))
    changes = next(item for item in model.metadata_props if item.key.endswith(".changes"))
    assert changes.value.endswith(SPARSE_CHANGES)
    changes.value = changes.value.removesuffix(SPARSE_CHANGES)
    sparse = [node.name.removesuffix(".places") for node in model.graph.node if node.op_type == "CumSum"]
    assert len(sparse) > 20
    parts = [item for item in model.graph.initializer if item.name.rpartition(".")[0] in sparse]
    makers = [node for node in model.graph.node if node.name.startswith(tuple(f"{name}." for name in sparse))]
    casts = [node for node in model.graph.node if node.name in sparse]
    by_name = dict(zip(sparse, restored(parts, [*makers, *casts]), strict=True))
    tensors = []
    for tensor in model.graph.initializer:
        name, _, part = tensor.name.rpartition(".")
        if name not in by_name:
            tensors.append(tensor)
        elif part == "gaps":
            tensors.append(numpy_helper.from_array(by_name[name].astype(np.float16), f"{name}.float16"))
    nodes = [node for node in model.graph.node if node not in makers]
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.initializer.extend(tensors)
    model.graph.node.extend(nodes)
    found = hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest()
    assert found == NUMBERS[DETECTOR]


def test_the_fingerprint_is_that_of_the_dense_file() -> None:
    """The one that stores of release 0.1 and models trained on them hold."""
    spec = ExtractorSpec("pose", "onnx", landmarks="body_hands")
    assert fingerprint(spec)["weights_sha256"] == "90417997c2e980cd"


def test_onnxruntime_unpacks_the_detector_while_it_loads(tmp_path: Path) -> None:
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    ort.InferenceSession(str(weights_path(DETECTOR)), options)
    left = {node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node}
    assert "Conv" in left
    assert not {"CumSum", "ScatterElements", "ConstantOfShape", "Cast"} & left
