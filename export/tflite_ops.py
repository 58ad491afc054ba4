"""TensorFlow Lite operators as ONNX nodes, channels first.

Every 4-D tensor is N, C, H, W here and N, H, W, C there; where a network reshapes, which shows the order of the
numbers, it is turned back first. Knows the operators of the BlazePose and hand networks, and refuses others.
Graphs come out plain; export/graph_rewrites.py makes them fast.

Source: TensorFlow Lite's schema.fbs (options) and kernels/padding.h (the sizes of SAME padding).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from onnx import NodeProto

from export.onnx_graph import Graph
from export.tflite_reader import Network, Operator
from toolkit.errors import ExportError

RELU, RELU6, NO_ACTIVATION = 1, 3, 0  # schema.fbs: ActivationFunctionType
SAME_PADDING = 0  # schema.fbs: Padding
TO_CHANNELS_FIRST, TO_CHANNELS_LAST = (0, 3, 1, 2), (0, 2, 3, 1)
AXIS = (0, 2, 3, 1)
"""ONNX axis of a TensorFlow Lite axis of a 4-D tensor."""


class Converter:
    """One network on its way: tensor number n is named "t{n}", its constants "t{n}.kernel" and the like."""

    def __init__(self, network: Network, input_name: str) -> None:
        self.network = network
        self.graph = Graph()
        self.input_name = input_name

    def convert(self) -> Graph:
        """The whole network, unused outputs included.

        Raises:
            ExportError: an operator, or an option of one, is not known.
        """
        for index, shape in enumerate(self.network.shapes):
            if len(shape) == 4 and index not in self.network.constants:
                self.graph.channels[self.name(index)] = shape[3]
        for op in self.network.operators:
            if op.kind not in CONVERTERS:
                raise ExportError(
                    f"the TensorFlow Lite operator {op.kind} is not known to export/tflite_ops.py"
                )
            CONVERTERS[op.kind](self, op)
        return self.graph

    def name(self, tensor: int) -> str:
        return self.input_name if tensor == self.network.inputs[0] else f"t{tensor}"

    def shape(self, tensor: int) -> tuple[int, ...]:
        return self.network.shapes[tensor]

    def add(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> NodeProto:
        node = self.graph.node(kind, inputs, output, **attributes)
        self.graph.nodes.append(node)
        if inputs[0] in self.graph.channels and kind in ("Clip", "Relu"):
            self.graph.channels[output] = self.graph.channels[inputs[0]]
        return node

    def weights(self, tensor: int, name: str, order: tuple[int, ...] | None = None) -> str:
        if tensor not in self.network.constants:
            raise ExportError(f"{name}: tensor {tensor} is computed, a constant was expected")
        values = self.network.constants[tensor]
        return self.graph.constant(name, values if order is None else values.transpose(order))

    def before_activation(self, activation: int, output: str) -> str:
        """Name to compute before a fused activation; call `activate` afterwards."""
        return output if activation == NO_ACTIVATION else f"{output}.before"

    def activate(self, activation: int, output: str) -> None:
        before = f"{output}.before"
        if output in self.graph.channels and activation != NO_ACTIVATION:
            self.graph.channels[before] = self.graph.channels[output]
        if activation == RELU:
            self.add("Relu", [before], output)
        elif activation == RELU6:
            limits = [self.graph.constant("zero", 0.0), self.graph.constant("six", 6.0)]
            self.add("Clip", [before, *limits], output)
        elif activation != NO_ACTIVATION:
            raise ExportError(f"{output}: the fused activation {activation} is not known")

    def padding(
        self, same: bool, sizes: tuple[int, int], kernel: Sequence[int], strides: Sequence[int]
    ) -> list[int]:
        """ONNX pads (top, left, bottom, right); SAME puts the odd one behind."""
        before, after = [], []
        for size, window, stride in zip(sizes, kernel, strides, strict=True):
            total = max((-(-size // stride) - 1) * stride + window - size, 0) if same else 0
            before.append(total // 2)
            after.append(total - total // 2)
        return [*before, *after]


def _convolution(net: Converter, op: Operator) -> None:
    depthwise, options, output = op.kind == "DEPTHWISE_CONV_2D", op.options, net.name(op.outputs[0])
    if (options.dilationWFactor, options.dilationHFactor) != (1, 1):
        raise ExportError(f"{output}: dilated convolutions are not known")
    order = (3, 0, 1, 2) if depthwise else TO_CHANNELS_FIRST
    kernel = net.weights(op.inputs[1], f"{output}.kernel", order)
    inputs = [net.name(op.inputs[0]), kernel]
    if len(op.inputs) > 2 and op.inputs[2] >= 0:
        inputs.append(net.weights(op.inputs[2], f"{output}.bias"))
    window, strides = net.graph.constants[kernel].shape[2:], [options.strideH, options.strideW]
    _, height, width, channels = net.shape(op.inputs[0])
    net.add(
        "Conv",
        inputs,
        net.before_activation(options.fusedActivationFunction, output),
        kernel_shape=list(window),
        strides=strides,
        group=channels if depthwise else 1,
        pads=net.padding(options.padding == SAME_PADDING, (height, width), window, strides),
    )
    net.activate(options.fusedActivationFunction, output)


def _add(net: Converter, op: Operator) -> None:
    output, activation = net.name(op.outputs[0]), op.options.fusedActivationFunction
    if any(tensor in net.network.constants for tensor in op.inputs):
        raise ExportError(f"{output}: adding a constant is not known")
    net.add("Add", [net.name(tensor) for tensor in op.inputs], net.before_activation(activation, output))
    net.activate(activation, output)


def _pad(net: Converter, op: Operator) -> None:
    output = net.name(op.outputs[0])
    amounts = net.network.constants[op.inputs[1]].reshape(-1, 2)[list(TO_CHANNELS_FIRST)]
    pads = net.graph.constant(f"{output}.pads", amounts.T.ravel(), np.int64)
    net.add("Pad", [net.name(op.inputs[0]), pads], output)


def _max_pool(net: Converter, op: Operator) -> None:
    options, output = op.options, net.name(op.outputs[0])
    if options.fusedActivationFunction != NO_ACTIVATION:
        raise ExportError(f"{output}: pooling with an activation is not known")
    window, strides = [options.filterHeight, options.filterWidth], [options.strideH, options.strideW]
    _, height, width, _ = net.shape(op.inputs[0])
    pads = net.padding(options.padding == SAME_PADDING, (height, width), window, strides)
    net.add("MaxPool", [net.name(op.inputs[0])], output, kernel_shape=window, strides=strides, pads=pads)


def _resize(net: Converter, op: Operator) -> None:
    output = net.name(op.outputs[0])
    source, target = net.shape(op.inputs[0]), net.shape(op.outputs[0])
    scales = [1.0, 1.0, target[1] / source[1], target[2] / source[2]]
    mode = "asymmetric"
    if op.options.alignCorners or op.options.halfPixelCenters:
        mode = "align_corners" if op.options.alignCorners else "half_pixel"
    inputs = [net.name(op.inputs[0]), "", net.graph.constant(f"{output}.scales", scales)]
    net.add("Resize", inputs, output, mode="linear", coordinate_transformation_mode=mode)


def _reshape(net: Converter, op: Operator) -> None:
    source, output = net.name(op.inputs[0]), net.name(op.outputs[0])
    shape, target = net.shape(op.inputs[0]), net.shape(op.outputs[0])
    if len(target) == 4:
        raise ExportError(f"{output}: reshaping to four dimensions is not known")
    if len(shape) == 4 and shape[1:3] != (1, 1):
        net.add("Transpose", [source], f"{output}.last", perm=list(TO_CHANNELS_LAST))
        source = f"{output}.last"
    net.add("Reshape", [source, net.graph.constant(f"{output}.shape", [-1, *target[1:]], np.int64)], output)


def _concatenation(net: Converter, op: Operator) -> None:
    rank = len(net.shape(op.outputs[0]))
    axis = op.options.axis % rank
    inputs = [net.name(tensor) for tensor in op.inputs]
    net.add("Concat", inputs, net.name(op.outputs[0]), axis=AXIS[axis] if rank == 4 else axis)


def _depth_to_space(net: Converter, op: Operator) -> None:
    inputs, output = [net.name(op.inputs[0])], net.name(op.outputs[0])
    net.add("DepthToSpace", inputs, output, blocksize=op.options.blockSize, mode="DCR")


def _prelu(net: Converter, op: Operator) -> None:
    output = net.name(op.outputs[0])
    slope = net.graph.constant(f"{output}.slope", net.network.constants[op.inputs[1]].reshape(-1, 1, 1))
    net.add("PRelu", [net.name(op.inputs[0]), slope], output)


def _logistic(net: Converter, op: Operator) -> None:
    net.add("Sigmoid", [net.name(op.inputs[0])], net.name(op.outputs[0]))


def _mean(net: Converter, op: Operator) -> None:
    output = net.name(op.outputs[0])
    if sorted(net.network.constants[op.inputs[1]].ravel()) != [1, 2]:
        raise ExportError(f"{output}: only the mean over height and width is known")
    pooled = output if op.options.keepDims else f"{output}.pooled"
    net.add("GlobalAveragePool", [net.name(op.inputs[0])], pooled)
    if not op.options.keepDims:
        net.add("Flatten", [pooled], output, axis=1)


def _fully_connected(net: Converter, op: Operator) -> None:
    output, activation = net.name(op.outputs[0]), op.options.fusedActivationFunction
    if len(net.shape(op.inputs[0])) != 2:
        raise ExportError(f"{output}: a fully connected layer on more than (N, features) is not known")
    constants = [net.weights(op.inputs[1], f"{output}.matrix"), net.weights(op.inputs[2], f"{output}.bias")]
    inputs = [net.name(op.inputs[0]), *constants]
    net.add("Gemm", inputs, net.before_activation(activation, output), transB=1)
    net.activate(activation, output)


def _strided_slice(net: Converter, op: Operator) -> None:
    options, output = op.options, net.name(op.outputs[0])
    begin, end, strides = (net.network.constants[tensor].astype(np.int64) for tensor in op.inputs[1:4])
    if options.shrinkAxisMask or options.newAxisMask or options.ellipsisMask:
        raise ExportError(f"{output}: a slice that changes the number of dimensions is not known")
    for axis, size in enumerate(net.shape(op.inputs[0])):
        begin[axis] = 0 if options.beginMask >> axis & 1 else begin[axis]
        end[axis] = size if options.endMask >> axis & 1 else end[axis]
    parts = {"begin": begin[1:], "end": end[1:], "axes": AXIS[1:], "strides": strides[1:]}  # never the batch
    names = [net.graph.constant(f"{output}.{part}", values, np.int64) for part, values in parts.items()]
    net.add("Slice", [net.name(op.inputs[0]), *names], output)


CONVERTERS: dict[str, Callable[[Converter, Operator], None]] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _convolution,
    "ADD": _add,
    "PAD": _pad,
    "MAX_POOL_2D": _max_pool,
    "RESIZE_BILINEAR": _resize,
    "RESHAPE": _reshape,
    "CONCATENATION": _concatenation,
    "DEPTH_TO_SPACE": _depth_to_space,
    "PRELU": _prelu,
    "LOGISTIC": _logistic,
    "MEAN": _mean,
    "FULLY_CONNECTED": _fully_connected,
    "STRIDED_SLICE": _strided_slice,
}
