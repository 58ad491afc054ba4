"""Tiny networks as users might bring them to `toolkit extract --model`: real ONNX graphs, some with a fault.

Tests write them to a folder of their own with `write_cnn`; a few hundred bytes each, so none is kept here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CHANNELS = 8
SIDE = 32


def write_cnn(
    path: Path,
    shape: tuple[int | str, ...] = ("batch", 3, SIDE, SIDE),
    element: int = TensorProto.FLOAT,
    tail: str = "pooled",
    metadata: Mapping[str, str] | None = None,
    external: bool = False,
) -> Path:
    """One convolution and a mean, (batch, 8), its weights drawn at random.

    shape: of the input, NHWC where its last axis is 3; tail: "pooled" (N, 8), "kept" (N, 8, 1, 1),
    "map" (N, 8, h, w), "nan", "constant", "dropout" (as in training), "two" outputs; external: weights in
    a second file, path + ".data".
    """
    kernel = np.random.default_rng(5).normal(size=(CHANNELS, 3, 4, 4)).astype(np.float32)
    nodes = [helper.make_node("Cast", ["pixels"], ["real"], to=TensorProto.FLOAT)]
    if shape[-1] == 3:
        nodes.append(helper.make_node("Transpose", ["real"], ["planes"], perm=[0, 3, 1, 2]))
    else:
        nodes.append(helper.make_node("Identity", ["real"], ["planes"]))
    nodes += [
        helper.make_node("Conv", ["planes", "kernel"], ["map"], strides=[4, 4]),
        helper.make_node("ReduceMean", ["map", "axes"], ["kept"], keepdims=1),
        helper.make_node("ReduceMean", ["map", "axes"], ["pooled"], keepdims=0),
        helper.make_node("Mul", ["pooled", "not_a_number"], ["nan"]),
        helper.make_node("Mul", ["pooled", "zero"], ["constant"]),
        helper.make_node("Dropout", ["pooled", "half", "on"], ["dropout"]),
    ]
    outputs = ["pooled", "kept"] if tail == "two" else [tail]
    constants: dict[str, Any] = {
        "kernel": kernel,
        "axes": np.array([2, 3], np.int64),
        "not_a_number": np.float32("nan"),
        "zero": np.float32(0),
        "half": np.float32(0.5),
        "on": np.bool_(True),
    }
    graph = helper.make_graph(
        nodes,
        "tiny_cnn",
        [helper.make_tensor_value_info("pixels", element, list(shape))],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, dict(metadata or {}))
    beside = {"save_as_external_data": True, "location": f"{path.name}.data", "size_threshold": 100}
    onnx.save(model, path, **(beside if external else {}))
    return path
