"""Models from strangers: whatever reads other files, claims memory or asks for code is refused unopened."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="hostile models are made with the train extra")

import onnx
from onnx import TensorProto, helper, numpy_helper

from toolkit.errors import ModelFileError
from toolkit.metadata import PREFIX
from toolkit.model_guard import check_model_file
from toolkit.recognizer import Recognizer
from toolkit.weights import SHA256, weights_folder

TINY = Path(__file__).resolve().parents[1] / "data" / "tiny_pose.onnx"
Change = Callable[[onnx.ModelProto], None]


def changed(folder: Path, change: Change) -> Path:
    model = onnx.load(TINY)
    change(model)
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def weights_of(model: onnx.ModelProto) -> onnx.TensorProto:
    return next(tensor for tensor in model.graph.initializer if tensor.name == "weights")


def outside(location: str) -> Change:
    def change(model: onnx.ModelProto) -> None:
        tensor = weights_of(model)
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", location

    return change


def claim(*shape: int) -> Change:
    def change(model: onnx.ModelProto) -> None:
        tensor = weights_of(model)
        tensor.ClearField("dims")
        tensor.dims.extend(shape)

    return change


def operator(kind: str, domain: str = "") -> Change:
    def change(model: onnx.ModelProto) -> None:
        model.graph.node[0].op_type, model.graph.node[0].domain = kind, domain

    return change


def opset(model: onnx.ModelProto) -> None:
    model.opset_import.append(helper.make_opsetid("evil.ops", 1))


def hidden_outside(model: onnx.ModelProto) -> None:
    """External data of a constant within the branch of an If, where nobody looks."""
    tensor = numpy_helper.from_array(np.zeros(4, np.float32), "t")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "secret.bin"
    branch = helper.make_graph([helper.make_node("Constant", [], ["c"], value=tensor)], "b", [], [])
    model.graph.node.append(helper.make_node("If", ["x"], ["y"], then_branch=branch, else_branch=branch))


def deep(model: onnx.ModelProto) -> None:
    inner = helper.make_graph([helper.make_node("Identity", ["a"], ["b"])], "g", [], [])
    for _ in range(30):
        inner = helper.make_graph([helper.make_node("If", ["x"], ["y"], then_branch=inner)], "g", [], [])
    model.graph.node.append(helper.make_node("If", ["x"], ["y"], then_branch=inner))


def sparse(model: onnx.ModelProto) -> None:
    model.graph.sparse_initializer.add().dims.append(2**40)


def training(model: onnx.ModelProto) -> None:
    model.training_info.add()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (outside("secret.bin"), "external data"),
        (outside("../secret.bin"), "external data"),
        (outside("/etc/passwd"), "external data"),
        (hidden_outside, "external data"),
        (claim(2**20, 2**20), "claims the shape"),
        (claim(2**62, 2**62), "claims the shape"),
        (claim(-1, 3), "impossible shape"),
        (claim(132, 4), "claims the shape"),
        (sparse, "sparse"),
        (training, "training information"),
        (operator("Loop"), "Loop may run without end"),
        (operator("Scan"), "Scan may run without end"),
        (operator("Run", "evil.ops"), "'evil.ops'"),
        (opset, "'evil.ops'"),
        (deep, "nested more than"),
        (lambda model: model.ClearField("graph"), "holds 0 graphs"),
    ],
)
def test_a_harmful_model_is_refused_with_the_reason(tmp_path: Path, change: Change, told: str) -> None:
    path = changed(tmp_path, change)
    for opened in (check_model_file, Recognizer.load):
        with pytest.raises(ModelFileError, match=told) as caught:
            opened(path)
        assert "model.onnx" in str(caught.value) and len(str(caught.value)) < 400


def test_no_other_file_is_read(tmp_path: Path) -> None:
    """The sentinel holds the very weights, so that a reader which followed the path would answer as usual."""
    weights = numpy_helper.to_array(weights_of(onnx.load(TINY))).tobytes()
    sentinel = tmp_path / "secret.bin"
    sentinel.write_bytes(weights)
    path = changed(tmp_path, outside("secret.bin"))
    import onnxruntime

    assert onnxruntime.InferenceSession(str(path))  # left alone, onnxruntime does follow it
    sentinel.unlink()
    sentinel.mkdir()  # who opens it now gets another error than ours
    with pytest.raises(ModelFileError, match="external data"):
        Recognizer.load(path)


@pytest.mark.parametrize("location", ["../secret.bin", "/etc/passwd", "sub/w.bin", "..", "", "c:\\w.bin"])
def test_a_network_of_ones_own_keeps_its_weights_in_its_folder(tmp_path: Path, location: str) -> None:
    check_model_file(changed(tmp_path, outside("weights.bin")), weights_beside=True)
    with pytest.raises(ModelFileError, match="outside of its folder"):
        check_model_file(changed(tmp_path, outside(location)), weights_beside=True)


@pytest.mark.parametrize(
    "content",
    [b"", b"\0", b"ORTM" * 100, b"\x08\x09\x00\x00ORTM" + b"\0" * 100, b"\x80" * 100, b"\x3a\xff\xff\xff\xff\x7f",
     b"GIF89a", b"PK\x03\x04" + b"\0" * 60],
)  # fmt: skip
def test_what_is_no_onnx_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"as an ONNX model|own format"):
        Recognizer.load(path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"is a folder.*toolkit export"):
        Recognizer.load(tmp_path)
    with pytest.raises(ModelFileError, match="check the path"):
        Recognizer.load(tmp_path / "nothing.onnx")
    with (tmp_path / "large.onnx").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(ModelFileError, match="2 GiB"):
        Recognizer.load(tmp_path / "large.onnx")


def test_every_cut_of_a_model_is_refused(tmp_path: Path) -> None:
    content, path = TINY.read_bytes(), tmp_path / "model.onnx"
    for length in range(0, len(content), 3):
        path.write_bytes(content[:length])
        with pytest.raises(ModelFileError):
            Recognizer.load(path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mode", "features"), ("layout", "body_hands"), ("item_shape", [75, 4]), ("glosses", ["one"]),
        ("num_frames", 10**12), ("num_frames", -1), ("extractor", 3), ("format", 99),
    ],
)  # fmt: skip
def test_metadata_that_lies_about_the_graph_is_refused(tmp_path: Path, name: str, value: object) -> None:
    def lie(model: onnx.ModelProto) -> None:
        for entry in model.metadata_props:
            if entry.key == PREFIX + name:
                entry.value = json.dumps(value)

    with pytest.raises(ModelFileError, match=r"model\.onnx"):
        Recognizer.load(changed(tmp_path, lie))


@pytest.mark.parametrize("name", [name for name in SHA256 if name.endswith(".onnx")])
def test_the_networks_that_ship_pass(name: str) -> None:
    check_model_file(weights_folder() / name)


def test_a_model_of_ours_passes(tmp_path: Path) -> None:
    shutil.copy(TINY, tmp_path / "model.onnx")
    with Recognizer.load(tmp_path / "model.onnx") as recognizer:
        assert recognizer.metadata.glosses == ("up", "down", "left")
