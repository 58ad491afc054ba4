"""Large constants that are mostly zeros: stored as what is not zero and the gaps between it.

An ONNX graph has no packed form for sparse weights that every runtime reads, so standard operators put them in their
places: a running sum of the gaps gives the places, ScatterElements fills zeros at them. onnxruntime does that once,
while it loads the graph, as with the cast to float32. This module knows neither graphs nor networks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

SMALLEST = 2**15
"""Constants with fewer numbers stay dense. The pose detector loads in 3 ms more and takes 3.2 MB less; its small
kernels too would make that 8 ms for another 0.2 MB."""
LARGEST_SHARE = (
    0.5  # of numbers that are not zero; from 2/3 on, three bytes for each are more than two for all
)
LARGEST_GAP = 255  # uint8; farther apart, zeros are stored between


def is_sparse(values: NDArray[np.float16]) -> bool:
    """Whether storing the gaps saves room worth its cost while loading."""
    count = int(np.count_nonzero(_bits(values)))
    return values.size >= SMALLEST and 0 < count <= LARGEST_SHARE * values.size


def by_gaps(name: str, values: NDArray[np.float16]) -> tuple[list[TensorProto], list[NodeProto]]:
    """Tensors to store, and nodes that make of them the tensor `name`: float32, the same values and shape."""
    flat = values.reshape(-1)
    places = _places(np.flatnonzero(_bits(flat)))
    stored: dict[str, NDArray[Any]] = {
        "gaps": np.diff(places, prepend=0).astype(np.uint8),
        "nonzeros": flat[places],
        "axis": np.array(0, np.int64),
        "size": np.array([flat.size], np.int64),
        "shape": np.array(values.shape, np.int64),
    }
    tensors = [numpy_helper.from_array(array, f"{name}.{part}") for part, array in stored.items()]
    zero = numpy_helper.from_array(np.zeros(1, np.float16))
    nodes = [
        _node(name, "Cast", ["gaps"], "steps", to=TensorProto.INT32),
        _node(name, "CumSum", ["steps", "axis"], "places"),
        _node(name, "ConstantOfShape", ["size"], "zeros", value=zero),
        _node(name, "ScatterElements", ["zeros", "places", "nonzeros"], "flat", axis=0),
        _node(name, "Reshape", ["flat", "shape"], "float16"),
        helper.make_node("Cast", [f"{name}.float16"], [name], name=name, to=TensorProto.FLOAT),
    ]
    return tensors, nodes


def _node(name: str, kind: str, inputs: list[str], output: str, **attributes: Any) -> NodeProto:
    made = f"{name}.{output}"
    return helper.make_node(kind, [f"{name}.{part}" for part in inputs], [made], name=made, **attributes)


def _bits(values: NDArray[np.float16]) -> NDArray[np.uint16]:
    return np.ascontiguousarray(values).view(np.uint16)  # a negative zero has one: it stays what it is


def _places(nonzero: NDArray[np.intp]) -> NDArray[np.intp]:
    """The places, and as many between them as it takes to have no gap above LARGEST_GAP."""
    between = [
        np.arange(before + LARGEST_GAP, after, LARGEST_GAP)
        for before, after in zip(np.r_[0, nonzero[:-1]], nonzero, strict=True)
        if after - before > LARGEST_GAP
    ]
    return np.unique(np.concatenate([nonzero, *between]))
