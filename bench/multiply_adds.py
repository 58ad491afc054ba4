"""How many multiply-adds a network does, counted from its ONNX graph, and a clip needs at least.

Knows nothing about how fast they are done.

Only convolutions and matrix products are counted: they are nearly all of the work of these networks, and what a
processor's peak is stated in. One multiply-add is two floating-point operations.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

SHIPPED = {
    "pose_detector.onnx": 392_942_368,
    "pose_landmarks_full.onnx": 351_244_288,
    "pose_landmarks_lite.onnx": 166_287_360,
    "hand_recrop.onnx": 40_746_784,
    "hand_landmarks_full.onnx": 330_896_224,
    "efficientnet_lite0.onnx": 384_235_232,
    "efficientnet_lite0_int8.onnx": 384_235_232,
}
"""File in toolkit/weights -> multiply-adds of one image. Written down, so that bench needs no onnx package; a test
counts them again."""
COUNTED = ("Conv", "MatMul", "Gemm")
FRAME_SIDE = 224
"""What the dynamic height and width of the CNN are in the pipeline, in pixels."""


def of_extraction(backend: str, num_frames: int, quality: Mapping[str, float]) -> int:
    """The least that the extractor of a row ("onnx", "onnx lite", "onnx int8", ...) has to do for a clip: one
    detection, the landmark network on every frame with a person, the hand network for every hand that was
    found. What is looked at in vain comes on top. quality: see Extraction. 0 for backends whose networks are
    not ours to count."""
    family, _, variant = backend.partition(" ")
    if family != "onnx":
        return 0
    if "detection_rate" not in quality:
        name = "efficientnet_lite0_int8.onnx" if variant == "int8" else "efficientnet_lite0.onnx"
        return num_frames * SHIPPED[name]
    landmarks = SHIPPED[f"pose_landmarks_{'lite' if variant == 'lite' else 'full'}.onnx"]
    hands = quality.get("left_hand_rate", 0.0) + quality.get("right_hand_rate", 0.0)
    per_frame = quality["detection_rate"] * landmarks + hands * SHIPPED["hand_landmarks_full.onnx"]
    return SHIPPED["pose_detector.onnx"] + round(num_frames * per_frame)


def of_file(path: Path, num_frames: int = 1, frame_side: int = FRAME_SIDE) -> int:
    """Multiply-adds of one run on one clip or image. The network is run once, since the shapes of the products in
    a graph that takes any length are known only then.

    num_frames, frame_side: what inputs of any length and size are taken to be.
    """
    import numpy as np
    import onnx

    from toolkit.session import make_session

    model = onnx.load(path)
    sizes = {"height": frame_side, "width": frame_side, "time": num_frames}
    inputs = {}
    for given in model.graph.input:
        kind = onnx.helper.tensor_dtype_to_np_dtype(given.type.tensor_type.elem_type)
        dims = given.type.tensor_type.shape.dim
        inputs[given.name] = np.zeros([dim.dim_value or sizes.get(dim.dim_param, 1) for dim in dims], kind)
    shapes = {weight.name: tuple(weight.dims) for weight in model.graph.initializer}
    shapes |= {name: array.shape for name, array in inputs.items()}
    counted = [node for node in model.graph.node if node.op_type in COUNTED]
    known = {*shapes, *(output.name for output in model.graph.output)}
    wanted = {name for node in counted for name in (*node.input, node.output[0]) if name} - known
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in sorted(wanted))
    names = [output.name for output in model.graph.output]
    found = make_session(model.SerializeToString()).run(names, inputs)
    shapes |= {name: array.shape for name, array in zip(names, found, strict=True)}
    return sum(_of_node(node, shapes) for node in counted)


def _of_node(node: Any, shapes: Mapping[str, Sequence[int]]) -> int:
    if node.op_type == "Conv":
        per_output = math.prod(shapes[node.input[1]][1:])  # input channels of the group x kernel
    elif node.op_type == "Gemm":
        turned = any(attribute.name == "transA" and attribute.i for attribute in node.attribute)
        per_output = shapes[node.input[0]][0 if turned else -1]
    else:
        per_output = shapes[node.input[0]][-1]
    return math.prod(shapes[node.output[0]]) * per_output
