"""PRelu without PRelu: max(x, 0) and max(-x, 0) from one convolution with Relu, mixed by the next one.

PRelu(x) = max(x, 0) - slope * max(-x, 0). onnxruntime has no PRelu in its block layout and takes a Relu into a
convolution, so a convolution with twice the channels, the second half negated, gives both terms; the convolution
behind it, being linear, takes the slopes into its kernel. Small networks pay nothing for the doubled channels:
fewer than sixteen run as sixteen anyway.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto

from export.graph_rewrites import is_convolution, pointwise_node
from export.onnx_graph import Graph, attributes

Kernel = NDArray[np.float32]


def fold_channel_scales(graph: Graph) -> None:
    """A depthwise 1x1 (a factor and an offset per channel) read by one unpadded convolution: into that one."""
    for scale in [node for node in graph.nodes if _is_channel_scale(graph, node)]:
        readers = graph.consumers(scale.output[0])
        if len(readers) != 1 or not _is_full(readers[0]) or any(attributes(readers[0])["pads"]):
            continue
        reader = readers[0]
        kernel = graph.constants[reader.input[1]].astype(np.float64)
        factor = graph.constants[scale.input[1]].astype(np.float64).reshape(1, -1, 1, 1)
        offset = np.einsum("oihw,i->o", kernel, _bias(graph, scale)) + _bias(graph, reader)
        name = reader.output[0]
        constants = [
            graph.constant(f"{name}.kernel_scaled", kernel * factor),
            graph.constant(f"{name}.bias_scaled", offset),
        ]
        reader.input[:] = [scale.input[0], *constants]
        graph.replace(scale, [])


def split_prelu(graph: Graph) -> None:
    """Every PRelu whose readers are convolutions over all channels, or factors per channel."""
    for prelu in [node for node in graph.nodes if node.op_type == "PRelu"]:
        readers = graph.consumers(prelu.output[0])
        if not all(_is_full(reader) or _is_channel_scale(graph, reader) for reader in readers):
            continue
        slope = graph.constants[prelu.input[1]].reshape(-1)
        halves = _signed_halves(graph, prelu)
        for reader in readers:
            kernel, name = graph.constants[reader.input[1]], reader.output[0]
            if not _is_full(reader):
                kernel = np.diag(kernel.reshape(-1)).reshape(len(kernel), len(kernel), 1, 1)
                next(item for item in reader.attribute if item.name == "group").i = 1
            mixed = np.concatenate([kernel, -kernel * slope.reshape(1, -1, 1, 1)], axis=1)
            reader.input[0] = halves
            reader.input[1] = graph.constant(f"{name}.kernel_signed", mixed)


def _signed_halves(graph: Graph, prelu: NodeProto) -> str:
    """Put max(x, 0) and max(-x, 0), one behind the other, in the place of PRelu(x); returns their name."""
    source, output = prelu.input[0], f"{prelu.output[0]}.halves"
    channels = graph.channels[source]
    producer = graph.producer(source)
    relu = graph.node("Relu", [f"{output}.before"], output)
    if producer is not None and _is_full(producer):
        kernel, bias = graph.constants[producer.input[1]], _bias(graph, producer)
        constants = [
            graph.constant(f"{output}.kernel", np.concatenate([kernel, -kernel])),
            graph.constant(f"{output}.bias", np.concatenate([bias, -bias])),
        ]
        options = attributes(producer)
        conv = graph.node("Conv", [producer.input[0], *constants], f"{output}.before", **options)
        alone = len(graph.consumers(source)) == 1
        graph.replace(prelu, [conv, relu])
        if alone:
            graph.replace(producer, [])
    else:
        one = np.eye(channels, dtype=np.float32)
        kernel = np.concatenate([one, -one]).reshape(2 * channels, channels, 1, 1)
        graph.replace(prelu, [pointwise_node(graph, source, f"{output}.before", kernel, None), relu])
    graph.channels[f"{output}.before"] = graph.channels[output] = 2 * channels
    return output


def _bias(graph: Graph, conv: NodeProto) -> NDArray[np.floating]:
    if len(conv.input) > 2:
        return graph.constants[conv.input[2]]
    return np.zeros(len(graph.constants[conv.input[1]]), np.float32)


def _is_full(node: NodeProto) -> bool:
    return is_convolution(node) and attributes(node)["group"] == 1


def _is_channel_scale(graph: Graph, node: NodeProto) -> bool:
    if not is_convolution(node) or len(node.input) < 2:
        return False
    kernel = graph.constants[node.input[1]]
    return kernel.shape[1:] == (1, 1, 1) and attributes(node)["group"] == len(kernel) > 1
