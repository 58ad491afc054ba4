"""Reads a TensorFlow Lite network into plain Python: tensors, constants (sparse ones made dense), operators.

The FlatBuffers schema comes with LiteRT (`ai-edge-litert`); nothing is run here. This module knows neither ONNX
nor what any operator means, except the two that only unpack constants (DEQUANTIZE of float16, DENSIFY).

Source: TensorFlow Lite's schema.fbs (SparsityParameters is described there).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.errors import ExportError, require

Constant = NDArray[Any]
UNPACKING = ("DEQUANTIZE", "DENSIFY")
DENSE_DIMENSION = 0  # schema.fbs: DimensionType.DENSE


@dataclass(frozen=True)
class Operator:
    """kind: TensorFlow Lite's name, e.g. CONV_2D; inputs, outputs: tensor numbers, -1 for an input left out;
    options: the operator's own table of the schema (strideW, padding, ...), or None."""

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Any


@dataclass(frozen=True)
class Network:
    """shapes: of every tensor (4-D ones as N, H, W, C); constants: tensor number -> values, float32 or int.

    float16: numbers of the constants that the file stores as float16 (their float32 values are exact).
    """

    shapes: tuple[tuple[int, ...], ...]
    constants: dict[int, Constant]
    float16: frozenset[int]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def read_network(content: bytes) -> Network:
    """The first subgraph of a .tflite file.

    Raises:
        ExportError: not a TensorFlow Lite file, or it stores constants in a way this reader does not know.
        MissingDependencyError: LiteRT, which holds the schema, is not installed.
    """
    if content[4:8] != b"TFL3":
        raise ExportError(f"not a TensorFlow Lite network: it starts with {content[:8]!r}")
    schema = require("ai_edge_litert.schema_py_generated", "dev")
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = model.subgraphs[0]
    kinds = {number: name for name, number in vars(schema.BuiltinOperator).items() if isinstance(number, int)}
    number_types = {
        schema.TensorType.FLOAT32: np.float32,
        schema.TensorType.FLOAT16: np.float16,
        schema.TensorType.INT32: np.int32,
    }

    shapes = tuple(_integers(tensor.shape) for tensor in graph.tensors)
    constants: dict[int, Constant] = {}
    for index, tensor in enumerate(graph.tensors):
        data = model.buffers[tensor.buffer].data
        if data is None or not len(data):
            continue
        if tensor.type not in number_types:
            raise ExportError(
                f"tensor {index} stores its constant as type {tensor.type}; float and int32 are known"
            )
        values = np.asarray(data, np.uint8).view(number_types[tensor.type])
        constants[index] = (
            densify(tensor.sparsity, shapes[index], values)
            if tensor.sparsity is not None
            else values.reshape(shapes[index])
        )

    operators, float16 = [], set()
    for entry in graph.operators:
        code = model.operatorCodes[entry.opcodeIndex]
        kind = kinds[max(code.builtinCode, code.deprecatedBuiltinCode)]
        inputs, outputs = _integers(entry.inputs), _integers(entry.outputs)
        if kind in UNPACKING and inputs[0] in constants:
            packed = constants[inputs[0]]
            if packed.dtype == np.float16 or inputs[0] in float16:
                float16.add(outputs[0])
            constants[outputs[0]] = packed.astype(np.float32) if kind == "DEQUANTIZE" else packed
        else:
            operators.append(Operator(kind, inputs, outputs, entry.builtinOptions))
    return Network(
        shapes,
        constants,
        frozenset(float16),
        tuple(operators),
        _integers(graph.inputs),
        _integers(graph.outputs),
    )


def densify(sparsity: Any, shape: tuple[int, ...], values: Constant) -> Constant:
    """The dense array of a sparse constant.

    A sparse array is a tree: one level per dimension in traversal order, then one per block dimension. A dense
    level has all its children; a sparse one lists them, as the rows of a CSR matrix do. `values` are the leaves.
    """
    places = np.zeros(1, np.int64)  # number of every node of the level reached so far
    levels: list[NDArray[np.int64]] = []  # per level, the coordinate of every node
    for level in sparsity.dimMetadata:
        if level.format == DENSE_DIMENSION:
            parents = np.repeat(np.arange(len(places)), level.denseSize)
            coordinates = np.tile(np.arange(level.denseSize), len(places))
            places = places[parents] * level.denseSize + coordinates
        else:
            segments = np.asarray(level.arraySegments.values, np.int64)
            starts, counts = segments[places], segments[places + 1] - segments[places]
            parents = np.repeat(np.arange(len(places)), counts)
            first = np.cumsum(counts) - counts
            places = np.arange(int(counts.sum())) + (starts - first)[parents]
            coordinates = np.asarray(level.arrayIndices.values, np.int64)[places]
        levels = [*(known[parents] for known in levels), coordinates]

    rank = len(shape)
    blocks = [] if sparsity.blockMap is None else [int(dimension) for dimension in sparsity.blockMap]
    order = [int(dimension) for dimension in sparsity.traversalOrder]
    size = {blocks[d - rank]: sparsity.dimMetadata[i].denseSize for i, d in enumerate(order) if d >= rank}
    index = [np.zeros(len(places), np.int64) for _ in shape]
    for dimension, coordinates in zip(order, levels, strict=True):
        if dimension < rank:
            index[dimension] += coordinates * size.get(dimension, 1)
        else:
            index[blocks[dimension - rank]] += coordinates
    dense = np.zeros(shape, values.dtype)
    dense[tuple(index)] = values[places]
    return dense


def _integers(values: Any) -> tuple[int, ...]:
    return () if values is None else tuple(int(value) for value in values)
