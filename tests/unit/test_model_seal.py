"""The checksum inside a model file: any byte that changes is noticed, and every runtime still opens the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolkit import Recognizer
from toolkit.cli.main import main
from toolkit.errors import ModelFileError
from toolkit.model_seal import KEY, SIZE, check_seal, sealed
from toolkit.session import make_session

TINY = Path(__file__).parent.parent / "data" / "tiny_pose.onnx"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    path.write_bytes(sealed(TINY.read_bytes()))
    return path


def test_a_sealed_model_is_the_same_model(model: Path) -> None:
    assert model.stat().st_size == TINY.stat().st_size + SIZE
    properties = make_session(model).get_modelmeta().custom_metadata_map
    assert len(properties.pop(KEY)) == 64
    assert properties == make_session(TINY).get_modelmeta().custom_metadata_map
    with Recognizer.load(model) as recognizer, Recognizer.load(TINY) as unsealed:
        assert recognizer.metadata == unsealed.metadata


def test_every_damaged_byte_is_noticed(model: Path) -> None:
    whole = model.read_bytes()
    places = [*range(0, len(whole) - SIZE, 97), *range(len(whole) - 64, len(whole))]
    for place in places:
        changed = bytearray(whole)
        changed[place] ^= 1
        model.write_bytes(bytes(changed))
        with pytest.raises(ModelFileError, match="checksum differs"):
            check_seal(model)


def test_check_and_predict_refuse_a_damaged_model(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed = bytearray(model.read_bytes())
    changed[len(changed) // 2] ^= 1
    model.write_bytes(bytes(changed))
    assert main(["check", str(model)]) == 1
    assert "checksum differs" in capsys.readouterr().out
    assert main(["predict", str(model), str(model)]) == 2


def test_a_model_without_a_seal_passes(tmp_path: Path) -> None:
    check_seal(TINY)
    (tmp_path / "short").write_bytes(b"x")
    check_seal(tmp_path / "short")
