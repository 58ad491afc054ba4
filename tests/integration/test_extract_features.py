"""`toolkit extract --mode features` as users give it: precision, size, crop, and a network of their own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tiny_cnn import CHANNELS, write_cnn

from toolkit.cli.main import main
from toolkit.extract import ExtractorSpec, make_extractor
from toolkit.extract.protocol import PixelScale
from toolkit.store import FeatureStore
from toolkit.video import sample_frames


@pytest.fixture
def recordings(video: Callable[..., Path], tmp_path: Path) -> Path:
    """A folder per gloss, one short clip in each."""
    for gloss in ("yes", "no"):
        folder = tmp_path / "clips" / gloss
        folder.mkdir(parents=True)
        video(f"{gloss}.mp4", count=8).rename(folder / f"{gloss}.mp4")
    return tmp_path / "clips"


def extract(recordings: Path, store: Path, *flags: str) -> int:
    given = ["extract", "--mode", "features", "--index", str(recordings), "--output_dir", str(store)]
    return main([*given, "--num_frames", "4", "--workers", "1", "--json", *flags])


def test_a_network_of_ones_own(recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = write_cnn(tmp_path / "my.onnx")
    scale = ["--model_mean", "0.5", "--model_std", "0.25,0.25,0.5"]
    assert extract(recordings, tmp_path / "store", "--model", str(model), *scale) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["done"] == 2
    store = FeatureStore.open(tmp_path / "store")
    assert store.spec.item_shape == (CHANNELS,)
    assert store.spec.extractor["network"] == "own"
    pixels = PixelScale("", (0.5,), (0.25, 0.25, 0.5))
    same = make_extractor(ExtractorSpec("features", "onnx", model_asset=model, pixels=pixels))
    for record in store.records:
        path = next(recordings.rglob(record.source))
        expected = same.extract(sample_frames(path, 4, size=same.frame_size)).values
        np.testing.assert_allclose(store[record.id], expected, rtol=1e-5, atol=1e-5)


def test_a_wrong_network_is_refused_before_the_first_clip(
    recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = write_cnn(tmp_path / "map.onnx", tail="map")
    assert (
        extract(
            recordings, tmp_path / "store", "--model", str(model), "--model_mean", "0", "--model_std", "1"
        )
        == 2
    )
    assert "(1, D) or (1, D, 1, 1) is needed" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "store" / "store.json").exists()


def test_every_setting_stands_in_the_store(
    recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "store"
    flags = ["--precision", "fp32", "--image_size", "128", "--crop", "person", "--embed_dim", "40"]
    assert extract(recordings, store, "--device", "cpu", *flags) == 0
    made_by = FeatureStore.open(store).spec.extractor
    assert {key: made_by[key] for key in ("precision", "input_size", "crop", "embed_dim")} == {
        "precision": "fp32", "input_size": 128, "crop": "person-1", "embed_dim": 40,
    }  # fmt: skip
    assert extract(recordings, store, "--device", "cpu", *flags[2:]) == 0  # at 128 pixels auto is fp32 too
    assert extract(recordings, store, "--device", "cpu", *flags[:4]) == 2
    assert "person-1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--mode", "pose", "--crop", "person"], "--crop is for --mode features, not for pose"),
        (["--mode", "pose", "--embed_dim", "64"], "--embed_dim is for --mode features"),
        (["--model_asset", "x.task"], "--model_asset is for --mode pose"),
        (["--model_mean", "half"], "'half' is not a number"),
        (["--model", "none.onnx", "--model_mean", "0", "--model_std", "1"], "there is no file none.onnx"),
    ],
)
def test_flags_that_mean_nothing_are_refused(
    recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], message: str
) -> None:
    try:
        status = extract(recordings, tmp_path / "store", *flags)
    except SystemExit as stop:
        status = int(str(stop.code))
    assert status == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_clips_that_were_moved_are_said_to_stay(
    recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "store"
    assert extract(recordings, store) == 0
    assert "not in" not in capsys.readouterr().err
    before = FeatureStore.open(store).ids
    gloss = next(path for path in recordings.iterdir() if path.is_dir())
    (gloss / "anna").mkdir()
    moved = next(path for path in gloss.iterdir() if path.is_file())
    moved.rename(gloss / "anna" / moved.name)
    assert extract(recordings, store) == 0
    said = capsys.readouterr().err
    assert f"not in {recordings} (any more): 1, such as {gloss.name}/{moved.name}" in said
    assert set(FeatureStore.open(store).ids) == {*before, f"{gloss.name}/anna/{moved.name}"}
    assert extract(recordings, store, "--split", "train") == 0
    assert "not in" not in capsys.readouterr().err
