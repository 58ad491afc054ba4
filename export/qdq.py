"""Some layers of a network in 8-bit integers: QuantizeLinear and DequantizeLinear around them (standard ONNX).

Activations are unsigned, one scale per tensor; weights signed, one scale per output channel. onnxruntime turns each
layer between the two into one integer convolution. A ReLU needs no operator then: its zero is the smallest integer,
and its ceiling the largest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, helper

from export.float_network import FloatNetwork, Layer, Statistics, assemble, observe
from export.integer_weights import to_int8
from toolkit.errors import ExportError

STEPS = 255


class IntegerNetwork:
    """A float network whose layers from `float_layers` on are integer.

    float_layers: how many of the first layers stay float32. One alone is not possible: onnxruntime (its
    WeightBiasQuantization) makes a float convolution between two integer tensors integer by itself, with one scale
    for all channels, which ruins it.
    """

    def __init__(self, network: FloatNetwork, float_layers: int, frames: Sequence[NDArray[np.uint8]]) -> None:
        """frames: images (H, W, 3) uint8 RGB to calibrate on."""
        if float_layers < 2 or float_layers >= len(network.layers):
            raise ExportError(f"float_layers is {float_layers}; choose 2 to {len(network.layers) - 1}")
        self.network, self.float_layers = network, float_layers
        self.integer = network.layers[float_layers:]
        self._tensors = self._integer_tensors()
        self._seen = observe(network.model, network.nodes, network.constants, self._tensors, frames)
        self._corrections: dict[str, NDArray[np.float64]] = {}
        self._correct_biases(frames)

    def model(self) -> onnx.ModelProto:
        """The network with the same inputs and outputs."""
        nodes, constants = self._rewritten()
        return assemble(self.network.model, nodes, constants, list(self.network.model.graph.output))

    def _integer_tensors(self) -> set[str]:
        tensors = {name for layer in self.integer for name in (layer.source, layer.output)}
        for node in self.network.nodes:
            if node.op_type == "Add" and all(name in tensors for name in node.input):
                tensors.add(node.output[0])
        return tensors

    def _correct_biases(self, frames: Sequence[NDArray[np.uint8]]) -> None:
        """Layer by layer, take out the mean error per channel that all integers up to there have caused.

        Of linear layers only: behind a ReLU the mean error says little about the one before it.
        """
        linear = [layer for layer in self.integer if layer.activation is None]
        for layer in linear:
            nodes, constants = self._rewritten()
            found = observe(self.network.model, nodes, constants, {layer.output}, frames)
            self._corrections[layer.name] = self._seen.means[layer.output] - found.means[layer.output]

    def _rewritten(self) -> tuple[list[NodeProto], dict[str, NDArray[Any]]]:
        """The nodes in order, and their constants. A tensor keeps its name where it is float32; "x.float" is it
        before rounding, "x.int" in 8 bits."""
        constants: dict[str, NDArray[Any]] = dict(self.network.constants)
        by_conv = {layer.conv.output[0]: layer for layer in self.integer}
        gone = {layer.activation.output[0] for layer in self.integer if layer.activation is not None}
        ceilings = {
            layer.output: layer.ceiling for layer in self.network.layers if layer.activation is not None
        }
        scales = {name: _scale(name, self._seen, ceilings) for name in self._tensors}
        nodes: list[NodeProto] = []
        for node in self.network.nodes:
            output = node.output[0]
            if output in gone:
                continue
            copy = NodeProto()
            copy.CopyFrom(node)
            layer = by_conv.get(output)
            if layer is not None:
                nodes += self._integer_kernel(layer, copy, constants, scales)
                output = layer.output
            nodes.append(copy)
            if output in scales:
                copy.output[0] = f"{output}.float"
                nodes += _rounding(output, constants, *scales[output])
        return nodes, constants

    def _integer_kernel(
        self,
        layer: Layer,
        conv: NodeProto,
        constants: dict[str, NDArray[Any]],
        scales: Mapping[str, tuple[np.float32, np.uint8]],
    ) -> list[NodeProto]:
        """Enters the constants, has `conv` read them, and returns the nodes that make them float."""
        bias = layer.bias.astype(np.float64) + self._corrections.get(layer.name, 0.0)
        scale, means = float(scales[layer.source][0]), self._seen.means[layer.source]
        made = to_int8(layer.kernel, bias, scale, means, layer.depthwise)
        parts: list[tuple[str, NDArray[Any], NDArray[np.float32]]] = [
            ("int8", made.kernel, made.scales),
            ("bias", made.bias, made.bias_scales),
        ]
        nodes = []
        for place, (what, values, factors) in enumerate(parts, start=1):
            names = [f"{layer.name}.{what}", f"{layer.name}.{what}.scale", f"{layer.name}.{what}.zero"]
            zeros = np.zeros(len(factors), values.dtype)
            constants |= dict(zip(names, (values, factors, zeros), strict=True))
            nodes.append(helper.make_node("DequantizeLinear", names, [f"{names[0]}.float"], axis=0))
            conv.input[place] = f"{names[0]}.float"
        return nodes


def _scale(name: str, seen: Statistics, ceilings: Mapping[str, float]) -> tuple[np.float32, np.uint8]:
    """(scale, zero point) of a tensor whose values were seen, from zero or below up to zero or above."""
    high = max(min(seen.high[name], ceilings.get(name, np.inf)), 0.0)
    low = 0.0 if name in ceilings else min(seen.low[name], 0.0)
    # in few digits, so that another processor's last bits do not give another file
    scale = np.float32(f"{max(high - low, 1e-6) / STEPS:.5g}")
    return scale, np.uint8(np.clip(np.rint(-low / scale), 0, STEPS))


def _rounding(
    name: str, constants: dict[str, NDArray[Any]], scale: np.float32, zero: np.uint8
) -> list[NodeProto]:
    """ "name.float" -> "name.int" -> "name"."""
    constants[f"{name}.scale"], constants[f"{name}.zero"] = np.array(scale), np.array(zero)
    factors = [f"{name}.scale", f"{name}.zero"]
    return [
        helper.make_node("QuantizeLinear", [f"{name}.float", *factors], [f"{name}.int"]),
        helper.make_node("DequantizeLinear", [f"{name}.int", *factors], [name]),
    ]
