"""A convolutional network in an ONNX file, seen as layers, and what its tensors look like on real frames.

A layer is a convolution with the ReLU or ReLU6 behind it. This module knows nothing about integers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from export.onnx_graph import attributes
from toolkit.errors import ExportError
from toolkit.session import make_session


@dataclass(frozen=True)
class Layer:
    """name: of its kernel; source, output: names of the tensors before and behind; activation: None for a linear
    layer; ceiling: the largest output, 6 for ReLU6; kernel: (O, I, kh, kw); bias: (O,)."""

    name: str
    conv: NodeProto
    activation: NodeProto | None
    source: str
    output: str
    ceiling: float
    kernel: NDArray[np.float32]
    bias: NDArray[np.float32]

    @property
    def depthwise(self) -> bool:
        return int(attributes(self.conv)["group"]) == len(self.kernel) > 1


class FloatNetwork:
    """A network with one input of uint8 images, channels last, and its convolutions in the order of the file.

    Raises:
        ExportError: it has no convolutions, or one without a constant kernel and bias.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        self.nodes: list[NodeProto] = list(model.graph.node)
        self.constants = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
        for node in self.nodes:  # kernels are stored as float16
            if node.op_type == "Cast" and node.input[0] in self.constants:
                self.constants[node.output[0]] = self.constants[node.input[0]].astype(np.float32)
        self.layers = [self._layer(node) for node in self.nodes if node.op_type == "Conv"]
        if not self.layers:
            raise ExportError(f"{model.graph.name}: no convolution in this network, so nothing to make int8")

    def readers(self, tensor: str) -> list[NodeProto]:
        return [node for node in self.nodes if tensor in node.input]

    def _layer(self, conv: NodeProto) -> Layer:
        if len(conv.input) != 3 or not all(name in self.constants for name in conv.input[1:]):
            raise ExportError(f"convolution '{conv.name}' has no constant kernel and bias; fold them first")
        readers = self.readers(conv.output[0])
        activation, ceiling = None, np.inf
        if len(readers) == 1 and readers[0].op_type in ("Relu", "Clip"):
            bounds = [float(self.constants.get(name, np.nan)) for name in readers[0].input[1:]]
            if readers[0].op_type == "Relu" or (len(bounds) == 2 and bounds[0] == 0 and bounds[1] > 0):
                activation, ceiling = readers[0], bounds[1] if bounds else np.inf
        return Layer(
            conv.input[1].removesuffix(".float32"),
            conv,
            activation,
            conv.input[0],
            (activation or conv).output[0],
            ceiling,
            self.constants[conv.input[1]],
            self.constants[conv.input[2]],
        )


@dataclass
class Statistics:
    """Per tensor, over all frames: low, high (smallest and largest value), means (C,) per channel."""

    low: dict[str, float] = field(default_factory=dict)
    high: dict[str, float] = field(default_factory=dict)
    means: dict[str, NDArray[np.float64]] = field(default_factory=dict)


def observe(
    model: onnx.ModelProto,
    nodes: Sequence[NodeProto],
    constants: dict[str, NDArray[Any]],
    tensors: Collection[str],
    frames: Iterable[NDArray[np.uint8]],
) -> Statistics:
    """Run the nodes up to the tensors (N, C, H, W), frame by frame: (H, W, 3) uint8 RGB each."""
    names = sorted(tensors)
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * 4) for name in names]
    part = assemble(model, nodes, constants, outputs)
    session = make_session(part.SerializeToString())
    found, total, count = Statistics(), {name: np.zeros(1) for name in names}, 0
    for frame in frames:
        count += 1
        for name, values in zip(names, session.run(names, {_input(model): frame[None]}), strict=True):
            found.low[name] = min(found.low.get(name, np.inf), float(values.min()))
            found.high[name] = max(found.high.get(name, -np.inf), float(values.max()))
            total[name] = total[name] + values.mean(axis=(0, 2, 3), dtype=np.float64)
    if not count:
        raise ExportError("no frame to calibrate on; give videos that decode")
    found.means = {name: sums / count for name, sums in total.items()}
    return found


def assemble(
    model: onnx.ModelProto,
    nodes: Sequence[NodeProto],
    constants: dict[str, NDArray[Any]],
    outputs: Sequence[onnx.ValueInfoProto],
) -> onnx.ModelProto:
    """A model with the inputs and the versions of `model`, of those nodes that the outputs need. Of the inputs that
    have a default, those that are needed."""
    needed, live = {item.name for item in outputs}, []
    for node in reversed(nodes):
        if node.output[0] in needed:
            live.append(node)
            needed.update(node.input)
    tensors = [numpy_helper.from_array(values, name) for name, values in constants.items() if name in needed]
    made = {node.output[0] for node in live}
    tensors = [tensor for tensor in tensors if tensor.name not in made]  # a Cast makes it from float16
    inputs = [item for item in model.graph.input if item.name in needed or item.name not in constants]
    graph = helper.make_graph(live[::-1], model.graph.name, inputs, list(outputs), tensors)
    result = helper.make_model(graph, opset_imports=list(model.opset_import))
    result.ir_version = model.ir_version
    return result


def _input(model: onnx.ModelProto) -> str:
    return str(model.graph.input[0].name)
