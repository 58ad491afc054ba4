"""An ONNX graph that can be changed: nodes in order, constants as arrays; and its way into a file.

This module knows neither where a graph comes from nor which changes help.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from export.sparse_constants import by_gaps, is_sparse

OPSET, IR_VERSION = 18, 10  # what onnxruntime 1.20, the oldest one we allow, reads
SMALLEST_HALF = 16
"""Constants with fewer numbers stay float32: a Cast node would take more room than it saves."""


@dataclass
class Graph:
    """nodes: in an order in which every input exists before it is used; constants: name -> values;
    channels: of every 4-D tensor (all of them are N, C, H, W)."""

    nodes: list[NodeProto] = field(default_factory=list)
    constants: dict[str, NDArray[Any]] = field(default_factory=dict)
    channels: dict[str, int] = field(default_factory=dict)

    def constant(self, name: str, values: Any, dtype: Any = np.float32) -> str:
        """Enter a constant; returns its name, which must be new unless the values are the same."""
        array = np.ascontiguousarray(values, dtype)
        if name in self.constants and not np.array_equal(self.constants[name], array):
            raise ValueError(f"two different constants are named {name}")
        self.constants[name] = array
        return name

    def node(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> NodeProto:
        """A node named after its only output; the caller puts it in its place."""
        return helper.make_node(kind, list(inputs), [output], name=output, **attributes)

    def producer(self, name: str) -> NodeProto | None:
        """The node that computes a tensor; None for the graph's input and for constants."""
        return next((node for node in self.nodes if node.output[0] == name), None)

    def consumers(self, name: str) -> list[NodeProto]:
        """The nodes that read a tensor."""
        return [node for node in self.nodes if name in node.input]

    def replace(self, old: NodeProto, new: Sequence[NodeProto]) -> None:
        """Put nodes in the place of another one; the last of them computes what the old one did."""
        place = next(index for index, node in enumerate(self.nodes) if node is old)
        self.nodes[place : place + 1] = new

    def rename(self, old: str, new: str) -> None:
        """Give a tensor another name everywhere."""
        for node in self.nodes:
            node.input[:] = [new if name == old else name for name in node.input]
            node.output[:] = [new if name == old else name for name in node.output]
        if old in self.channels:
            self.channels[new] = self.channels.pop(old)

    def keep(self, outputs: Sequence[str]) -> None:
        """Drop every node and constant that none of the outputs needs."""
        needed, live = set(outputs), []
        for node in reversed(self.nodes):
            if node.output[0] in needed:
                live.append(node)
                needed.update(node.input)
        self.nodes = live[::-1]
        self.constants = {name: values for name, values in self.constants.items() if name in needed}


def attributes(node: NodeProto) -> dict[str, Any]:
    """A node's attributes as Python values."""
    return {item.name: helper.get_attribute_value(item) for item in node.attribute}


def to_model(
    graph: Graph,
    name: str,
    inputs: Mapping[str, tuple[int, ...]],
    outputs: Mapping[str, tuple[int, ...]],
    properties: Mapping[str, str],
    half: bool = True,
) -> onnx.ModelProto:
    """The graph as a model with float32 inputs and outputs (name -> shape behind the batch), any batch size.

    half: store every constant whose float32 values all are float16 values as float16, with a Cast back, which
    onnxruntime does once, while loading, and large ones that are mostly zeros without these; nothing is rounded.
    """
    tensors, casts = [], []
    for key, values in graph.constants.items():
        if half and is_sparse_half(values):
            parts, makers = by_gaps(key, values.astype(np.float16))
            tensors += parts
            casts += makers
        elif half and values.dtype == np.float32 and values.size >= SMALLEST_HALF and is_half(values):
            stored = f"{key}.float16"
            tensors.append(numpy_helper.from_array(values.astype(np.float16), stored))
            casts.append(graph.node("Cast", [stored], key, to=TensorProto.FLOAT))
        else:
            tensors.append(numpy_helper.from_array(values, key))
    made = helper.make_graph(
        [*casts, *graph.nodes],
        name,
        [_described(key, shape) for key, shape in inputs.items()],
        [_described(key, shape) for key, shape in outputs.items()],
        tensors,
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = IR_VERSION
    helper.set_model_props(model, dict(properties))
    return model


def is_half(values: NDArray[np.float32]) -> bool:
    """Whether float16 holds every value exactly."""
    with np.errstate(over="ignore"):
        return bool(np.array_equal(values.astype(np.float16).astype(np.float32), values))


def is_sparse_half(values: NDArray[Any]) -> bool:
    """Whether `to_model` stores a constant by its gaps."""
    return values.dtype == np.float32 and is_half(values) and is_sparse(values.astype(np.float16))


def _described(name: str, shape: tuple[int, ...]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *shape])
