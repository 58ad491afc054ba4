"""The pose network file: what is refused and how it is said, and the metadata added to a network."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

from toolkit.errors import ConfigError, MissingDependencyError, WeightsError
from toolkit.extract import ExtractorSpec, make_extractor
from toolkit.extract.cache_folder import cache_folder
from toolkit.extract.mediapipe_pose import CV2_VERSIONS, check_opencv, checked_asset
from toolkit.extract.pose_bundle import (
    TASK_MEMBERS,
    TASK_NAME,
    WHEEL_NAME,
    WHEEL_SHA256,
    pose_landmarker_task,
)
from toolkit.extract.tflite_metadata import add_normalization


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder of our own, and no wheel anywhere."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("SIGN_TOOLKIT_CACHE", str(folder))
    monkeypatch.delenv("SIGN_TOOLKIT_WHEELS", raising=False)
    return folder


def left_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {f"{TASK_NAME}.lock"}


def test_the_cache_folder_is_the_users_unless_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SIGN_TOOLKIT_CACHE", raising=False)
    assert "sign-toolkit" in cache_folder().parts
    monkeypatch.setenv("SIGN_TOOLKIT_CACHE", "~/nets")
    assert cache_folder() == Path.home() / "nets"


def test_without_an_index_the_error_names_what_was_tried_and_three_cures(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")  # the real pip, with nowhere to look
    with pytest.raises(WeightsError) as caught:
        pose_landmarker_task()
    message = str(caught.value)
    assert "-m pip download" in message
    assert "No matching distribution found for mediapipe==0.10.21" in message
    for cure in ("package index", "SIGN_TOOLKIT_WHEELS", "--model_asset"):
        assert cure in message
    assert left_in(cache) == set()


def test_a_wheel_folder_without_the_wheel_is_not_passed_over(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGN_TOOLKIT_WHEELS", str(tmp_path))
    with pytest.raises(WeightsError, match="no file") as caught:
        pose_landmarker_task()
    assert str(tmp_path / WHEEL_NAME) in str(caught.value)
    assert left_in(cache) == set()


def test_another_wheel_under_the_right_name_is_refused_and_left_alone(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = tmp_path / WHEEL_NAME
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("mediapipe/modules/pose_detection/pose_detection.tflite", b"something else")
    monkeypatch.setenv("SIGN_TOOLKIT_WHEELS", str(tmp_path))
    with pytest.raises(WeightsError, match=WHEEL_SHA256):
        pose_landmarker_task()
    assert left_in(cache) == set()
    assert wheel.is_file()


def test_a_cache_folder_that_cannot_exist_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("SIGN_TOOLKIT_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(WeightsError, match="Set SIGN_TOOLKIT_CACHE"):
        pose_landmarker_task()


def test_model_asset_must_be_a_pose_landmarker_archive(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="there is no file"):
        checked_asset(tmp_path / "absent.task")
    text = tmp_path / "text.task"
    text.write_text("hello")
    with pytest.raises(WeightsError, match=r"not a PoseLandmarker \.task file"):
        checked_asset(text)
    half = tmp_path / "half.task"
    with zipfile.ZipFile(half, "w") as archive:
        archive.writestr(TASK_MEMBERS[0], b"x")
    with pytest.raises(WeightsError, match=f"holds no {TASK_MEMBERS[1]}"):
        checked_asset(half)
    with zipfile.ZipFile(half, "a") as archive:
        archive.writestr(TASK_MEMBERS[1], b"x")
    assert checked_asset(half) == half


def test_hands_are_not_to_be_had_from_this_backend() -> None:
    with pytest.raises(ConfigError, match="no hands"):
        make_extractor(ExtractorSpec("pose", "mediapipe", landmarks="body_hands"))


def test_opencv_packages_must_be_one_release() -> None:
    check_opencv({})
    check_opencv({"opencv-python": "5.0.0.93"})
    check_opencv({"opencv-python": "5.0.0.93", "opencv-contrib-python": "5.0.0.93"})
    with pytest.raises(MissingDependencyError) as caught:
        check_opencv({"opencv-python": "4.9.0.80", "opencv-contrib-python": "4.11.0.86"})
    assert f'"opencv-python{CV2_VERSIONS}" "opencv-contrib-python{CV2_VERSIONS}"' in str(caught.value)


def test_opencv_packages_have_the_same_bounds_wherever_they_are_asked_for() -> None:
    """With other bounds pip takes releases that do not go together."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))[
        "project"
    ]
    asked = [*project["dependencies"], *project["optional-dependencies"]["mediapipe"]]
    opencv = {line for line in asked if line.startswith("opencv")}
    assert opencv == {f"opencv-python{CV2_VERSIONS}", f"opencv-contrib-python{CV2_VERSIONS}"}


def test_native_chatter_is_held_back_and_errors_pass() -> None:
    said = "INFO: created\nW0000 00:00:1.5 7 a.cc:1] hm\nE0000 00:00:1.6 7 b.cc:2] broken\nplain\n"
    code = (
        "import os\nfrom toolkit.extract.mediapipe_pose import _without_chatter\n"
        f"with _without_chatter():\n    os.write(2, {said!r}.encode())\nos.write(2, b'after')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "E0000 00:00:1.6 7 b.cc:2] broken\nplain\nafter"


@pytest.fixture(scope="module")
def schema() -> Any:
    """The FlatBuffers classes of both schemas, generated from them by MediaPipe's authors."""
    pytest.importorskip("mediapipe", reason="the schemas' classes come with mediapipe")
    from mediapipe.tasks.metadata import metadata_schema_py_generated, schema_py_generated

    return schema_py_generated, metadata_schema_py_generated


@pytest.fixture(scope="module")
def tiny_network(schema: Any) -> bytes:
    """A network of one tensor that already carries one metadata entry, written by the official library."""
    import flatbuffers

    tflite, _ = schema
    tensor = tflite.TensorT(shape=[1, 4], buffer=1, name="weights")
    graph = tflite.SubGraphT(tensors=[tensor], inputs=[0], outputs=[0], operators=[], name="main")
    weights = tflite.BufferT(data=list(struct.pack("<4f", 1.0, 2.0, 3.0, 4.0)))
    model = tflite.ModelT(
        version=3,
        operatorCodes=[tflite.OperatorCodeT(builtinCode=9)],
        subgraphs=[graph],
        description="tiny",
        buffers=[tflite.BufferT(), weights, tflite.BufferT(data=list(b"1.5.0"))],
        metadataBuffer=[2],
        metadata=[tflite.MetadataT(name="min_runtime_version", buffer=2)],
    )
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def test_the_added_metadata_reads_back_and_the_network_is_untouched(schema: Any, tiny_network: bytes) -> None:
    tflite, meta = schema
    result = add_normalization(tiny_network, mean=127.5, std=64.0)
    assert result.endswith(tiny_network)
    assert (len(result) - len(tiny_network)) % 64 == 0

    model = tflite.Model.GetRootAs(result)
    assert tflite.Model.ModelBufferHasIdentifier(result, 0)
    assert (model.Version(), model.Description(), model.MetadataBuffer(0)) == (3, b"tiny", 2)
    assert model.Subgraphs(0).Tensors(0).Name() == b"weights"
    assert model.OperatorCodes(0).BuiltinCode() == 9
    assert model.Buffers(1).DataAsNumpy().tobytes() == struct.pack("<4f", 1.0, 2.0, 3.0, 4.0)
    entries = {model.Metadata(i).Name(): model.Metadata(i).Buffer() for i in range(model.MetadataLength())}
    assert entries == {b"min_runtime_version": 2, b"TFLITE_METADATA": 3}

    content = model.Buffers(3).DataAsNumpy().tobytes()
    assert meta.ModelMetadata.ModelMetadataBufferHasIdentifier(content, 0)
    unit = meta.ModelMetadata.GetRootAs(content).SubgraphMetadata(0).InputTensorMetadata(0).ProcessUnits(0)
    assert unit.OptionsType() == meta.ProcessUnitOptions.NormalizationOptions
    options = meta.NormalizationOptions()
    options.Init(unit.Options().Bytes, unit.Options().Pos)
    assert (options.MeanAsNumpy().tolist(), options.StdAsNumpy().tolist()) == ([127.5], [64.0])
    assert result.index(content) % 16 == 0  # schema.fbs: Buffer.data (force_align: 16)


def test_metadata_is_added_only_once_and_only_to_networks(tiny_network: bytes) -> None:
    with pytest.raises(WeightsError, match="already has metadata"):
        add_normalization(add_normalization(tiny_network, 0.0, 255.0), 0.0, 255.0)
    with pytest.raises(WeightsError, match="not a TensorFlow Lite network"):
        add_normalization(b"PK\x03\x04 an archive", 0.0, 255.0)
