"""The projection at the end of the CNN: the directions in which the frames of sign videos differ most.

Principal components of all training frames in a store of raw embeddings, best first. They hold nothing of any single
clip. `export/cnn.py` takes them from a store, or over from the file that ships, and puts them into the graph:

    pooled (N, 1280) -> MatMul with all 256 directions -> the first `embed_dim` numbers -> embeddings (N, embed_dim)

`embed_dim` is an input of the graph with a default. All directions are multiplied, because their product is prepared
while loading, and numbers are cut off rather than columns: 0.3 % of the CPU time of a frame, the least of all ways.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from toolkit.errors import ExportError
from toolkit.extract.cnn_projection import (
    BASIS,
    BASIS_DIM,
    EMBED_DIM,
    EMBED_DIM_INPUT,
    EMBEDDINGS,
    NETWORK,
    POOLED,
    POOLED_DIM,
)
from toolkit.store import FeatureStore

SPLIT = "train"
FEWEST_FRAMES = 4 * BASIS_DIM
MAX_SKEW = 2e-3
"""Largest inner product allowed between two directions, which float16 leaves a little short of orthogonal."""


def principal_components(frames: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """frames: (N, D) -> (D, D) orthonormal columns, and (D,) the variance along each, largest first.

    The sign of a column is chosen so that its largest entry is positive.
    """
    centred = frames - frames.mean(axis=0)
    variance, columns = np.linalg.eigh(centred.T @ centred / len(frames))
    columns = columns[:, ::-1]
    columns = columns * np.sign(columns[np.abs(columns).argmax(axis=0), np.arange(columns.shape[1])])
    return columns, variance[::-1]


def make_basis(store: FeatureStore) -> tuple[NDArray[np.float16], float]:
    """(1280, 256) float16 and the fraction of the variance that it keeps.

    The same store gives the same bytes again on the same machine.

    Raises:
        ExportError: the store does not hold enough raw fp32 embeddings of training frames.
    """
    made_by = store.spec.extractor
    if (made_by.get("network"), made_by.get("projection"), made_by.get("precision")) != (
        NETWORK,
        "none",
        "fp32",
    ):
        raise ExportError(
            f"{store.path} holds {made_by}; make a store with: toolkit extract --mode features "
            f"--embed_dim {POOLED_DIM} --precision fp32"
        )
    ids = [record.id for record in store.records if record.split == SPLIT]
    frames = store.load(ids).reshape(-1, POOLED_DIM).astype(np.float64)
    if len(frames) < FEWEST_FRAMES:
        raise ExportError(f"{store.path} has {len(frames)} training frames; {FEWEST_FRAMES} are needed")
    columns, variance = principal_components(frames)
    basis = columns[:, :BASIS_DIM].astype(np.float16)
    skew = np.abs(basis.astype(np.float64).T @ basis.astype(np.float64) - np.eye(BASIS_DIM)).max()
    if not skew <= MAX_SKEW:
        raise ExportError(f"the directions are orthonormal to {skew:.1e} only; {MAX_SKEW:.0e} is needed")
    return basis, float(variance[:BASIS_DIM].sum() / variance.sum())


def read_basis(model: onnx.ModelProto) -> NDArray[np.float16]:
    """The (D, K) float16 directions in a network that `append_projection` has completed.

    Raises:
        ExportError: it has none.
    """
    for tensor in model.graph.initializer:
        if tensor.name == BASIS:
            return numpy_helper.to_array(tensor)
    raise ExportError(f"{model.graph.name} holds no directions; take them from a store: export.cnn --store")


def append_projection(model: onnx.ModelProto, basis: NDArray[np.float16], embed_dim: int = EMBED_DIM) -> None:
    """Complete a network whose one output is "pooled" (N, D), in place.

    Its outputs are then "embeddings" (N, embed_dim) and "pooled"; a new input "embed_dim", int64 (1,), may be left
    out. basis: (D, K), stored as it is and cast to float32 while loading; embed_dim: that default.
    """
    graph, wide = model.graph, f"{BASIS}.float32"
    constants: dict[str, NDArray[Any]] = {
        BASIS: basis,
        EMBED_DIM_INPUT: np.array([embed_dim], np.int64),
        f"{BASIS}.first": np.array([0], np.int64),
        f"{BASIS}.axis": np.array([1], np.int64),
    }
    graph.initializer.extend(numpy_helper.from_array(values, name) for name, values in constants.items())
    part = [f"{BASIS}.all", f"{BASIS}.first", EMBED_DIM_INPUT, f"{BASIS}.axis"]
    graph.node.extend(
        [
            helper.make_node("Cast", [BASIS], [wide], to=TensorProto.FLOAT, name=wide),
            helper.make_node("MatMul", [POOLED, wide], [part[0]], name=part[0]),
            helper.make_node("Slice", part, [EMBEDDINGS], name=EMBEDDINGS),
        ]
    )
    graph.input.append(helper.make_tensor_value_info(EMBED_DIM_INPUT, TensorProto.INT64, [1]))
    batch = graph.output[0].type.tensor_type.shape.dim[0].dim_param
    shape = [batch, EMBED_DIM_INPUT]
    graph.output.insert(0, helper.make_tensor_value_info(EMBEDDINGS, TensorProto.FLOAT, shape))
