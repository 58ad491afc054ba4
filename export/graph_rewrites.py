"""Rewrites that make a convolutional network fast in onnxruntime and leave what it computes.

onnxruntime runs convolutions on blocks of channels (its NCHWc layout) and takes an activation, and an addition
of another tensor, into them. Whatever breaks a chain of convolutions costs two changes of layout. So the rewrites
below turn what stands between convolutions into convolutions, or move it out of their way; those with constants
0 and 1 are exact. export/prelu_rewrites.py does the same for PRelu. Knows nothing of a particular network.
"""

from __future__ import annotations

import numpy as np
from onnx import NodeProto

from export.onnx_graph import Graph, attributes


def make_fast(graph: Graph) -> None:
    """All rewrites of this module, in the order in which they make room for each other."""
    fold_spatial_pads(graph)
    fold_depth_to_space(graph)
    pad_and_slice_by_convolution(graph)
    convolve_before_resizing(graph)
    clip_in_convolution(graph)
    merge_reshapes(graph)


def fold_spatial_pads(graph: Graph) -> None:
    """Pad of height and width with zeros, read by convolutions only: into their own padding."""
    for pad in [node for node in graph.nodes if node.op_type == "Pad"]:
        pads, readers = graph.constants[pad.input[1]], graph.consumers(pad.output[0])
        if pads[[0, 1, 4, 5]].any() or not all(is_convolution(reader) for reader in readers):
            continue
        for reader in readers:
            own = next(item for item in reader.attribute if item.name == "pads")
            own.ints[:] = [int(have + more) for have, more in zip(own.ints, pads[[2, 3, 6, 7]], strict=True)]
            reader.input[0] = pad.input[0]
        graph.replace(pad, [])


def fold_depth_to_space(graph: Graph) -> None:
    """DepthToSpace of 2, then a depthwise 3x3 of stride 2 padded by 1, then a 1x1: without the first.

    Place (2i + a, 2j + b) of channel c was place (i, j) of channel (2a + b)C + c, so the depthwise kernel falls
    apart into four of 2x2, one for each (a, b), whose sum the 1x1 can take, its weights repeated four times.
    """
    for shuffle in [node for node in graph.nodes if node.op_type == "DepthToSpace"]:
        for depthwise in graph.consumers(shuffle.output[0]):
            pointwise = graph.consumers(depthwise.output[0])
            if not (_is_half_size_depthwise(graph, depthwise) and len(pointwise) == 1):
                continue
            if not is_pointwise(graph, pointwise[0]):
                continue
            kernel = graph.constants[depthwise.input[1]]
            parts = np.zeros((4, *kernel.shape[:2], 2, 2), np.float32)
            for row in range(3):
                for column in range(3):
                    # offsets -1, 0, 1 are (block before, second half), (block, first half), (block, second half)
                    a, b = (row + 1) % 2, (column + 1) % 2
                    parts[2 * a + b, :, :, (row + 1) // 2, (column + 1) // 2] = kernel[:, :, row, column]
            name, channels = depthwise.output[0], 4 * len(kernel)
            mixing = graph.constants[pointwise[0].input[1]]
            inputs = [shuffle.input[0], graph.constant(f"{name}.kernel2x2", parts.reshape(channels, 1, 2, 2))]
            if len(depthwise.input) > 2:
                bias = np.zeros(channels, np.float32)
                bias[: len(kernel)] = graph.constants[depthwise.input[2]]  # once in the sum of the four
                inputs.append(graph.constant(f"{name}.bias2x2", bias))
            node = graph.node(
                "Conv", inputs, name, kernel_shape=[2, 2], strides=[1, 1], group=channels, pads=[1, 1, 0, 0]
            )
            graph.replace(depthwise, [node])
            graph.channels[name] = channels
            pointwise[0].input[1] = graph.constant(
                f"{pointwise[0].output[0]}.kernel4", np.tile(mixing, (1, 4, 1, 1))
            )
        if not graph.consumers(shuffle.output[0]):
            graph.replace(shuffle, [])


def pad_and_slice_by_convolution(graph: Graph) -> None:
    """Channels of zeros appended, or the first channels taken: by a 1x1 convolution with ones and zeros."""
    for node in list(graph.nodes):
        source, output = node.input[0], node.output[0]
        have, want = graph.channels.get(source, 0), graph.channels.get(output, 0)
        if node.op_type == "Pad":
            only_behind = np.delete(graph.constants[node.input[1]], 5)
            fits = not only_behind.any()
        elif node.op_type == "Slice":
            begin, end, axes, strides = (graph.constants[name] for name in node.input[1:5])
            sliced = dict(zip(axes.tolist(), zip(begin, end, strides, strict=True), strict=True))
            fits = sliced.pop(1, None) == (0, want, 1)
            # the other axes keep everything: the whole of them was entered by the reader
            fits = fits and all(part[0] == 0 and part[2] == 1 for part in sliced.values())
        else:
            continue
        if fits and have and want:
            kernel = np.eye(want, have, dtype=np.float32).reshape(want, have, 1, 1)
            graph.replace(node, [pointwise_node(graph, source, output, kernel, None)])


def convolve_before_resizing(graph: Graph) -> None:
    """Resize to a larger image, then a 1x1: the 1x1 first, on the small image.

    Both are linear and the weights of a bilinear mean add up to one, so the two commute, biases included.
    """
    for resize in [node for node in graph.nodes if node.op_type == "Resize"]:
        for conv in graph.consumers(resize.output[0]):
            if not is_pointwise(graph, conv):
                continue
            name, small = conv.output[0], f"{conv.output[0]}.small"
            conv.input[0], conv.output[0], conv.name = resize.input[0], small, small
            late = graph.node("Resize", [small, *resize.input[1:]], name, **attributes(resize))
            graph.replace(conv, [conv, late])
            graph.channels[small] = graph.channels[name]
        if not graph.consumers(resize.output[0]):
            graph.replace(resize, [])


def clip_in_convolution(graph: Graph) -> None:
    """Clip behind anything but a convolution: behind a depthwise 1x1 of ones, which onnxruntime joins it to."""
    for clip in [node for node in graph.nodes if node.op_type == "Clip"]:
        source = clip.input[0]
        producer = graph.producer(source)
        if source in graph.channels and not (producer is not None and is_convolution(producer)):
            copy = _copying_convolution(graph, source, f"{source}.copy")
            clip.input[0] = copy.output[0]
            graph.replace(clip, [copy, clip])


def merge_reshapes(graph: Graph) -> None:
    """Reshape of a Reshape: one. Only the first dimension of a target may be -1, as everywhere here."""
    for reshape in [node for node in graph.nodes if node.op_type == "Reshape"]:
        first = graph.producer(reshape.input[0])
        if first is not None and first.op_type in ("Reshape", "Flatten"):
            reshape.input[0] = first.input[0]
            if not graph.consumers(first.output[0]):
                graph.replace(first, [])


def is_convolution(node: NodeProto) -> bool:
    return bool(node.op_type == "Conv")


def is_pointwise(graph: Graph, node: NodeProto) -> bool:
    """A 1x1 convolution over all channels, without padding or stride."""
    if not is_convolution(node):
        return False
    options = attributes(node)
    return (
        options["kernel_shape"] == [1, 1]
        and options["strides"] == [1, 1]
        and options["group"] == 1
        and not any(options["pads"])
    )


def pointwise_node(
    graph: Graph, source: str, output: str, kernel: np.ndarray, bias: np.ndarray | None, group: int = 1
) -> NodeProto:
    """A 1x1 convolution with new constants, named after its output."""
    inputs = [source, graph.constant(f"{output}.mix", kernel)]
    if bias is not None:
        inputs.append(graph.constant(f"{output}.mix_bias", bias))
    graph.channels[output] = len(kernel)
    return graph.node(
        "Conv", inputs, output, kernel_shape=[1, 1], strides=[1, 1], group=group, pads=[0, 0, 0, 0]
    )


def _copying_convolution(graph: Graph, source: str, output: str) -> NodeProto:
    channels = graph.channels[source]
    return pointwise_node(graph, source, output, np.ones((channels, 1, 1, 1), np.float32), None, channels)


def _is_half_size_depthwise(graph: Graph, node: NodeProto) -> bool:
    if not is_convolution(node):
        return False
    options, kernel = attributes(node), graph.constants[node.input[1]]
    return (
        options["group"] == len(kernel)
        and kernel.shape[1:] == (1, 3, 3)
        and options["strides"] == [2, 2]
        and options["pads"] == [1, 1, 1, 1]
    )
