"""The check of int8 on this machine: its answer, its memory, and a machine that computes something else."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from toolkit.errors import ModelFileError
from toolkit.extract import cnn_selfcheck
from toolkit.extract.cnn_selfcheck import (
    CACHE_FILE,
    MIN_COSINE,
    cosines,
    decode_embeddings,
    encode_embeddings,
    int8_is_sound,
    processor_name,
    sample_images,
)
from toolkit.weights import weights_path

INT8 = "efficientnet_lite0_int8.onnx"


def test_the_shipped_file_is_sound_here_and_asked_once(tmp_path: Path) -> None:
    cache = tmp_path / "not" / "there" / "yet"
    sound, cosine = int8_is_sound(weights_path(INT8), cache)
    assert sound
    assert MIN_COSINE < cosine < 1
    known = json.loads((cache / CACHE_FILE).read_text())
    assert list(known.values()) == [cosine]
    (cache / CACHE_FILE).write_text(json.dumps(dict.fromkeys(known, 0.5)))
    assert int8_is_sound(weights_path(INT8), cache) == (False, 0.5)  # read, not computed again
    assert [path.name for path in cache.iterdir()] == [CACHE_FILE]


@pytest.mark.parametrize("content", ["{", "[1]", '{"other processor": 0.1}', '{"a": "b"}'])
def test_another_or_damaged_memory_is_replaced(tmp_path: Path, content: str) -> None:
    (tmp_path / CACHE_FILE).write_text(content)
    assert int8_is_sound(weights_path(INT8), tmp_path)[0]
    kept = json.loads((tmp_path / CACHE_FILE).read_text())
    assert any(processor_name() in key for key in kept)
    assert ("other processor" in kept) == ("other" in content)


def test_a_memory_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert int8_is_sound(weights_path(INT8), tmp_path / "file")[0]


def test_a_machine_that_computes_something_else_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # other pictures than those whose embeddings are in the file stand for other arithmetic
    monkeypatch.setattr(cnn_selfcheck, "sample_images", lambda: 255 - sample_images())
    sound, cosine = int8_is_sound(weights_path(INT8), tmp_path)
    assert not sound
    assert cosine < MIN_COSINE


def test_a_file_without_samples_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ModelFileError, match=r"efficientnet_lite0\.onnx holds no .*python -m export\.quantize"
    ):
        int8_is_sound(weights_path("efficientnet_lite0.onnx"), tmp_path)


def test_sample_images_are_the_same_everywhere() -> None:
    images = sample_images()
    assert images.shape == (2, 224, 224, 3)
    assert images.dtype == np.uint8
    # the int8 file holds the embeddings of these very pixels: after a change, write it again
    assert images.sum(axis=(1, 2, 3)).tolist() == [18348708, 19409835]
    assert set(np.unique(images[1]).tolist()) == {0, 255}


def test_embeddings_survive_being_text() -> None:
    values = np.random.default_rng(1).uniform(0, 6, (2, 1280)).astype(np.float32)
    np.testing.assert_allclose(decode_embeddings(encode_embeddings(values)), values, rtol=1e-3)


def test_cosines() -> None:
    one, other = (
        np.array([[1, 0], [1, 1], [0, 0]], np.float32),
        np.array([[0, 2], [3, 3], [1, 0]], np.float32),
    )
    np.testing.assert_allclose(cosines(one, other), [0, 1, np.nan], atol=1e-12)
