"""The projection inside the shipped networks, and that nothing before it changed since stores were made with it."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from export import cnn as export_cnn
from export.cnn_basis import FEWEST_FRAMES, principal_components, read_basis
from toolkit.clips import Clip
from toolkit.errors import ExportError
from toolkit.extract import ExtractorSpec, make_extractor
from toolkit.extract.cnn_projection import (
    BASIS_DIM,
    INT8_FILE,
    NUMBERS,
    POOLED_DIM,
    PROJECTION,
    WEIGHTS_FILE,
)
from toolkit.session import make_session
from toolkit.store import StoreSpec, StoreWriter
from toolkit.weights import weights_path

FILES = (WEIGHTS_FILE, INT8_FILE)
ADDED = {"embed_dim", "basis", "basis.first", "basis.axis", "basis.float32", "basis.all", "embeddings"}
BEFORE = {
    "format_version": "3",
    "output": f"{POOLED_DIM} pooled features, float32",
    "changes": "BatchNorm folded, classifier left out, kernels rounded to float16",
}
"""What the files said about themselves when they ended with the pooled numbers, then called "embeddings"."""


def without_projection(model: onnx.ModelProto) -> onnx.ModelProto:
    graph = model.graph
    for kept in (graph.node, graph.initializer, graph.input, graph.output):
        left = [item for item in kept if item.name not in ADDED]
        del kept[:]
        kept.extend(left)
    last = next(node for node in graph.node if list(node.output) == ["pooled"])
    last.name = last.output[0] = graph.output[0].name = "embeddings"
    if model.producer_version:  # the int8 file gives none
        model.producer_version = "3"
    about = {item.key: item.value for item in model.metadata_props}
    helper.set_model_props(model, about | {f"sign_toolkit.cnn.{key}": text for key, text in BEFORE.items()})
    return model


@pytest.mark.parametrize("name", FILES)
def test_before_the_projection_every_byte_is_that_of_the_file_that_stores_were_made_with(name: str) -> None:
    """A new file that fails here gives other numbers: give it another name in NUMBERS, so that stores made with the
    old one are not continued with it."""
    content = without_projection(onnx.load(weights_path(name))).SerializeToString(deterministic=True)
    assert hashlib.sha256(content).hexdigest().startswith(NUMBERS[name])


@pytest.mark.parametrize("name", FILES)
def test_the_directions_are_those_that_the_fingerprint_names(name: str) -> None:
    file, basis = io.BytesIO(), read_basis(onnx.load(weights_path(name)))
    np.save(file, basis, allow_pickle=False)
    assert f"pca-{hashlib.sha256(file.getvalue()).hexdigest()[:12]}" == PROJECTION
    assert (basis.shape, basis.dtype) == ((POOLED_DIM, BASIS_DIM), np.float16)
    gram = basis.astype(np.float64).T @ basis.astype(np.float64)
    np.testing.assert_allclose(gram, np.eye(BASIS_DIM), atol=2e-3)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("side", [224, 160])
def test_embeddings_are_the_pooled_numbers_times_the_directions(precision: str, side: int) -> None:
    frames = [np.ascontiguousarray(frame[:side, :side]) for frame in export_cnn.check_frames(None)]
    pooled, embedded = (
        make_extractor(ExtractorSpec("features", "onnx", embed_dim=dim, precision=precision, image_size=side))
        .extract(iter(frames))
        .values
        for dim in (POOLED_DIM, 128)
    )
    basis = read_basis(onnx.load(weights_path(WEIGHTS_FILE))).astype(np.float64)
    np.testing.assert_allclose(embedded, pooled.astype(np.float64) @ basis[:, :128], atol=3e-5)


def test_directions_found_anew_in_a_store(tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    widths = np.concatenate([np.linspace(9, 2, 8), np.full(POOLED_DIM - 8, 0.1)])
    clips = random.normal(0, 1, (FEWEST_FRAMES // 8, 8, POOLED_DIM)) * widths
    fingerprint = make_extractor(ExtractorSpec("features", "onnx", embed_dim=POOLED_DIM)).fingerprint
    with StoreWriter(tmp_path / "raw", StoreSpec("features", (POOLED_DIM,), 8, "", fingerprint)) as store:
        for number, values in enumerate(clips.astype(np.float32)):
            store.append(Clip(str(number), "a", "train", "", tmp_path / "none.mp4"), values, {})
    export_cnn.export_cnn(tmp_path / "anew.onnx", store=tmp_path / "raw")
    model = onnx.load(tmp_path / "anew.onnx")
    basis, _ = principal_components(clips.reshape(-1, POOLED_DIM))
    np.testing.assert_allclose(np.abs(read_basis(model)[:, :4].T @ basis[:, :4]), np.eye(4), atol=1e-2)
    embeddings, pooled = make_session(model.SerializeToString()).run(
        ["embeddings", "pooled"], {"frames": np.stack(list(export_cnn.check_frames(None)))}
    )
    np.testing.assert_allclose(embeddings, pooled @ read_basis(model)[:, :128].astype(np.float32), atol=3e-5)


def test_a_store_of_projected_embeddings_is_refused(tmp_path: Path) -> None:
    fingerprint = make_extractor(ExtractorSpec("features", "onnx")).fingerprint
    StoreWriter(tmp_path / "store", StoreSpec("features", (128,), 8, "", fingerprint)).close()
    with pytest.raises(ExportError, match=r"make a store with: .*--embed_dim 1280 --precision fp32"):
        export_cnn.export_cnn(tmp_path / "anew.onnx", store=tmp_path / "store")
    assert not (tmp_path / "anew.onnx").exists()
