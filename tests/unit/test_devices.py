"""What "auto" becomes on this machine, and what is said when a device or precision is not to be had."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_cnn import write_cnn

from toolkit.errors import ConfigError, ModelFileError
from toolkit.extract import ExtractorSpec, cnn_selfcheck, make_extractor
from toolkit.extract.cnn_projection import INT8_FILE, NUMBERS, network_files
from toolkit.extract.devices import nvidia_gpus, runs_on_cuda, settle
from toolkit.extract.protocol import PixelScale
from toolkit.extract.source import ClipReader, trained_extractor
from toolkit.metadata import ModelMetadata
from toolkit.session import PROVIDERS, make_session
from toolkit.weights import weights_path

ANY = ExtractorSpec("features", "", device="auto", precision="auto")
no_gpu = pytest.mark.skipif(nvidia_gpus() > 0, reason="this machine has a GPU")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGN_TOOLKIT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def unsound(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor whose int8 products are wrong, as the check would find it."""
    monkeypatch.setattr(cnn_selfcheck, "sample_cosine", lambda model: 0.9)


@no_gpu
def test_auto_is_int8_on_the_cpu_where_it_is_sound() -> None:
    settled = settle(ANY)
    assert settled.notes == ()
    assert settled.spec == replace(ANY, backend="onnx", device="cpu", precision="int8")
    extractor = make_extractor(ANY)
    assert extractor.fingerprint["precision"] == "int8"
    assert extractor.fingerprint["weights"] == NUMBERS[INT8_FILE]
    assert settle(settled.spec) == settled


@no_gpu
def test_int8_that_this_machine_gets_wrong_becomes_fp32(unsound: None) -> None:
    for asked in ("auto", "int8"):
        settled = settle(replace(ANY, precision=asked))
        assert settled.spec.precision == "fp32"
        assert len(settled.notes) == 1
        assert "does not compute int8 correctly (cosine 0.900, 0.99 is needed): fp32" in settled.notes[0]
    assert make_extractor(ANY).fingerprint["precision"] == "fp32"  # true to what ran


@no_gpu
def test_precision_that_a_choice_rules_out(tmp_path: Path) -> None:
    assert settle(replace(ANY, backend="torch")).spec.precision == "fp32"
    own = replace(ANY, model_asset=write_cnn(tmp_path / "my.onnx"))
    assert settle(own).spec.precision == "fp32"
    with pytest.raises(ConfigError, match="needs --backend onnx, not torch; use --precision fp32"):
        settle(replace(ANY, backend="torch", precision="int8"))
    with pytest.raises(ConfigError, match="for the network that ships, not for one of your own"):
        settle(replace(own, precision="int8"))
    assert settle(replace(ANY, image_size=160)).spec.precision == "int8"
    assert settle(replace(ANY, image_size=128)).spec.precision == "fp32"
    with pytest.raises(ConfigError, match="keeps its embeddings at 224 and 160 pixels only"):
        settle(replace(ANY, image_size=128, precision="int8"))
    with pytest.raises(ConfigError, match="precision int8 is for --mode features"):
        settle(ExtractorSpec("pose", "onnx", precision="int8"))


@no_gpu
def test_a_gpu_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match=r"no NVIDIA driver with a GPU was found.*--device cpu"):
        settle(replace(ANY, device="cuda"))


@pytest.mark.skipif(runs_on_cuda("onnx"), reason="this onnxruntime is built for CUDA")
def test_a_provider_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=f"no {PROVIDERS['cuda']}; use --device cpu"):
        make_session(weights_path(INT8_FILE), device="cuda")
    # a GPU whose libraries are missing: a note for auto, an error for those who insist
    monkeypatch.setattr("toolkit.extract.devices.nvidia_gpus", lambda: 1)
    asked = replace(ANY, backend="onnx")
    settled = settle(asked)
    assert settled.spec.device == "cpu"
    assert "no library here runs on it" in settled.notes[0] and "onnxruntime-gpu" in settled.notes[0]
    with pytest.raises(ConfigError, match=r"neither library here runs on it \(onnx\).*onnxruntime-gpu"):
        settle(replace(asked, device="cuda"))


@pytest.mark.parametrize(("name", "value"), [("device", "tpu"), ("precision", "int4")])
def test_unknown_words_are_refused(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} is '{value}'; choose one of: auto"):
        settle(replace(ANY, **{name: value}))


def trained_on(extractor: dict[str, str | int | float], dim: int) -> ModelMetadata:
    return ModelMetadata(("a", "b"), "features", "", 4, (dim,), extractor, {}, {}, {})


@pytest.mark.parametrize(
    "spec",
    [
        ExtractorSpec("features", "onnx"),
        ExtractorSpec("features", "onnx", precision="int8", embed_dim=40),
        ExtractorSpec("features", "onnx", image_size=128, crop="person", embed_dim=1280),
    ],
    ids=["plain", "int8", "small, cropped, all numbers"],
)
def test_a_models_extractor_is_built_again_from_its_fingerprint(spec: ExtractorSpec) -> None:
    first = make_extractor(spec)
    again = make_extractor(trained_extractor(trained_on(first.fingerprint, first.item_shape[0])))
    assert again.fingerprint == first.fingerprint
    assert again.item_shape == first.item_shape
    assert all(weights_path(name).is_file() for name in network_files(spec))


def test_a_model_trained_on_int8_runs_with_fp32_where_int8_is_unsound(unsound: None) -> None:
    trained = make_extractor(ExtractorSpec("features", "onnx", precision="int8"))
    metadata = trained_on(trained.fingerprint, 128)
    reader = ClipReader(metadata, trained_extractor(metadata))
    frames = np.random.default_rng(0).integers(0, 256, (4, 60, 80, 3), dtype=np.uint8)
    with pytest.warns(RuntimeWarning, match="fp32 is used instead"):
        assert reader.read(frames).shape == (4, 128)


def test_a_model_trained_on_an_own_network_asks_for_it(tmp_path: Path) -> None:
    path = write_cnn(tmp_path / "my.onnx")
    pixels = PixelScale("", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    own = make_extractor(ExtractorSpec("features", "onnx", model_asset=path, pixels=pixels))
    metadata = trained_on(own.fingerprint, 8)
    frames = np.random.default_rng(0).integers(0, 256, (4, 60, 80, 3), dtype=np.uint8)
    with pytest.raises(ModelFileError, match=r"name that file.*--model_asset"):
        ClipReader(metadata, trained_extractor(metadata)).read(frames)
    assert ClipReader(metadata, trained_extractor(metadata, model_asset=path)).read(frames).shape == (4, 8)
    other = write_cnn(tmp_path / "other.onnx", tail="kept")
    with pytest.raises(ModelFileError, match=r"output of another extractor.*weights="):
        ClipReader(metadata, trained_extractor(metadata, model_asset=other)).read(frames)
