"""Networks come from the package, or from a folder that is named: checked by their hash either way."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import toolkit.weights
from toolkit.errors import WeightsError
from toolkit.weights import FOLDER_VARIABLE, weights_folder, weights_from, weights_path

NAME = "hand_recrop.onnx"
INSTALLED = Path(toolkit.weights.__file__).parent


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    shutil.copy(INSTALLED / NAME, tmp_path)
    return tmp_path


def test_the_package_is_the_usual_place() -> None:
    assert weights_path(NAME) == INSTALLED / NAME


def test_a_named_folder_comes_before_the_variable_and_the_package(
    copied: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path_factory.mktemp("other")
    monkeypatch.setenv(FOLDER_VARIABLE, str(copied))
    assert weights_path(NAME) == copied / NAME
    with weights_from(other):
        assert weights_folder() == other
        with weights_from(None):
            assert weights_folder() == other
    assert weights_folder() == copied


def test_what_is_missing_or_damaged_there_is_named_with_the_cure(copied: Path) -> None:
    with weights_from(copied):
        with pytest.raises(WeightsError, match=r"pose_detector\.onnx cannot be read.*copy it again"):
            weights_path("pose_detector.onnx")
        (copied / NAME).write_bytes(b"not a network")
        with pytest.raises(WeightsError, match=r"is damaged.*copy it again"):
            weights_path(NAME)
