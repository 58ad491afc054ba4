"""Make the two tiny models of the tests: `python tests/data/make_tiny_model.py` rewrites the files beside it.

Real ONNX graphs in the toolkit's own format, with dynamic batch and time, written with onnx.helper alone:

    tiny_pose.onnx    says where the signer's right wrist was on average: up, down or left (NaN is left out)
    tiny_video.onnx   says which colour a clip of 12 x 8 pixel frames has: red, green or blue
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from toolkit.landmarks import LAYOUTS
from toolkit.metadata import ModelMetadata

OPSET = 18
NUM_FRAMES = 4
EXTRACTOR: dict[str, str | int | float] = {"backend": "mediapipe", "network": "tiny", "weights": "0123abcd"}


def pose_model() -> bytes:
    """clips (N, T, 33, 4) float32 -> logits (N, 3)."""
    layout = LAYOUTS["body"]
    values = len(layout) * 4
    weights = np.zeros((values, 3), np.float32)
    wrist = 4 * layout.slots("right_wrist")[0]
    weights[wrist, 2] = -8.0  # left: x near 0
    weights[wrist + 1, 0] = -8.0  # up: y near 0
    weights[wrist + 1, 1] = 8.0  # down: y near 1
    nodes = [
        helper.make_node("IsNaN", ["clips"], ["missing"]),
        helper.make_node("Where", ["missing", "zero", "clips"], ["filled"]),
        helper.make_node("Where", ["missing", "zero", "one"], ["found"]),
        helper.make_node("ReduceSum", ["filled", "time_axis"], ["sum"], keepdims=0),
        helper.make_node("ReduceSum", ["found", "time_axis"], ["count"], keepdims=0),
        helper.make_node("Max", ["count", "one"], ["frames"]),
        helper.make_node("Div", ["sum", "frames"], ["mean"]),
        helper.make_node("Reshape", ["mean", "flat"], ["values"]),
        helper.make_node("Gemm", ["values", "weights", "bias"], ["logits"]),
    ]
    constants = {
        "zero": np.float32(0),
        "one": np.float32(1),
        "time_axis": np.array([1], np.int64),
        "flat": np.array([-1, values], np.int64),
        "weights": weights,
        "bias": np.array([4, -4, 2], np.float32),
    }
    metadata = ModelMetadata(
        glosses=("up", "down", "left"),
        mode="pose",
        layout=layout.name,
        num_frames=NUM_FRAMES,
        item_shape=layout.item_shape,
        extractor=EXTRACTOR,
        training={"clips": 0, "source": "weights set by hand"},
        metrics={},
        versions={"sign-toolkit": "0.1.0"},
    )
    return _file(nodes, constants, TensorProto.FLOAT, metadata)


def video_model() -> bytes:
    """clips (N, T, 8, 12, 3) uint8 RGB -> logits (N, 3)."""
    nodes = [
        helper.make_node("Cast", ["clips"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels", "axes"], ["colour"], keepdims=0),
        helper.make_node("Gemm", ["colour", "weights"], ["logits"]),
    ]
    constants = {
        "axes": np.array([1, 2, 3], np.int64),
        "weights": (np.eye(3, dtype=np.float32) * 4 / 255).astype(np.float32),
    }
    metadata = ModelMetadata(
        glosses=("red", "green", "blue"),
        mode="video",
        layout="",
        num_frames=NUM_FRAMES,
        item_shape=(8, 12, 3),
        extractor={},
        training={"clips": 0, "source": "weights set by hand"},
        metrics={},
        versions={"sign-toolkit": "0.1.0"},
    )
    return _file(nodes, constants, TensorProto.UINT8, metadata)


def _file(
    nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray], element: int, metadata: ModelMetadata
) -> bytes:
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("clips", element, ["batch", "time", *metadata.item_shape])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", len(metadata.glosses)])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    helper.set_model_props(model, metadata.to_properties())
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


MODELS = {"tiny_pose.onnx": pose_model, "tiny_video.onnx": video_model}

if __name__ == "__main__":
    for name, make in MODELS.items():
        (Path(__file__).parent / name).write_bytes(make())
