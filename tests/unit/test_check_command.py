"""`toolkit check`: every flipped byte of records and index lines is found, and nothing is changed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from toolkit.cli.main import main
from toolkit.clips import Clip
from toolkit.errors import StoreError
from toolkit.store import FeatureStore, StoreSpec, StoreWriter
from toolkit.store.check import check_store

SPEC = StoreSpec("pose", (3, 4), 2, "body", {"backend": "test"})
MODEL = Path(__file__).resolve().parents[1] / "data" / "tiny_pose.onnx"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    with StoreWriter(tmp_path / "store", SPEC) as writer:
        for name in "abc":
            video = tmp_path / f"{name}.mp4"
            video.write_bytes(name.encode())
            clip = Clip(name, "book", "train", "1", video)
            writer.append(clip, np.full(SPEC.record_shape, ord(name), np.float32), {})
    return tmp_path / "store"


def test_a_sound_store_and_model_are_called_sound(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(store), str(MODEL), "--json"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found[str(store)] == {"kind": "store", "sound": True, "problems": []}
    assert found[str(MODEL)]["kind"] == "model" and found[str(MODEL)]["sound"]


def test_every_flipped_byte_of_the_records_is_found(store: Path) -> None:
    data = store / "data.bin"
    content = data.read_bytes()
    for place in range(len(content)):
        data.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        assert check_store(store).damaged_records == ["abc"[place // SPEC.record_bytes]]
    data.write_bytes(content)
    assert check_store(store).sound


def test_every_flipped_byte_of_the_index_is_found(store: Path) -> None:
    index = store / "index.jsonl"
    content = index.read_bytes()
    for place in range(len(content) - 1):  # a last line without its end is a torn one, not a damaged one
        index.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        assert not check_store(store).sound, place


def test_damage_is_listed_and_the_status_is_1(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = store / "data.bin"
    content = data.read_bytes()
    data.write_bytes(content[:-1] + b"\x00\x00"[:1])
    (store / "index.jsonl").open("ab").write(b"{}\n")
    before = {path.name: path.read_bytes() for path in store.iterdir()}
    assert main(["check", str(store)]) == 1
    shown = capsys.readouterr().out
    assert "clip c: the record's checksum differs" in shown and "index line 4" in shown
    assert "run the toolkit extract command" in shown
    assert before == {path.name: path.read_bytes() for path in store.iterdir()}


def keep_a_line(path: Path) -> None:
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (
            lambda store: os.truncate(store / "data.bin", SPEC.record_bytes),
            "2 records are missing: data.bin is cut off",
        ),
        (lambda store: (store / "data.bin").unlink(), "3 records are missing: data.bin"),
        (lambda store: keep_a_line(store / "index.jsonl"), "2 records have no line: index.jsonl is cut off"),
        (lambda store: (store / "index.jsonl").unlink(), "3 records have no line: index.jsonl"),
    ],
)
def test_a_gutted_store_is_not_called_sound_and_extracting_again_mends_it(
    store: Path, capsys: pytest.CaptureFixture[str], damage: Callable[[Path], None], says: str
) -> None:
    damage(store)
    assert main(["check", str(store)]) == 1
    shown = capsys.readouterr().out
    assert says in shown and "run the toolkit extract command" in shown
    with StoreWriter(store, SPEC):  # even if no video is there any more
        pass
    assert main(["check", str(store)]) == 0


def test_a_store_that_lost_its_description_is_told_from_no_store(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    description = (store / "store.json").read_bytes()
    (store / "store.json").unlink()
    assert main(["check", str(store)]) == 1
    assert "has lost its store.json" in capsys.readouterr().out
    for use in (FeatureStore.open, lambda folder: StoreWriter(folder, SPEC)):
        with pytest.raises(StoreError, match=r"copy the store.json .* in a new folder"):
            use(store)
    with StoreWriter(store.parent / "new", SPEC):  # the cure
        pass
    assert (store.parent / "new" / "store.json").read_bytes() == description
    (store / "store.json").write_bytes(description)
    assert main(["check", str(store)]) == 0


def test_a_record_without_its_line_may_be_in_the_making(store: Path) -> None:
    with (store / "data.bin").open("ab") as data:
        data.write(bytes(SPEC.record_bytes))
    assert check_store(store).sound


def test_other_paths_and_broken_models_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(tmp_path)]) == 2
    assert "no feature store" in capsys.readouterr().err
    assert main(["check", str(tmp_path / "nothing.onnx")]) == 2
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(MODEL.read_bytes()[:500])
    assert main(["check", str(broken)]) == 1
    assert "damaged" in capsys.readouterr().out
