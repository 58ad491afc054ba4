"""Stores that were damaged or made by a stranger: every flipped byte is found, hostile values are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from toolkit.clips import Clip
from toolkit.errors import StoreError
from toolkit.store import FeatureStore, StoreSpec, StoreWriter
from toolkit.store.files import encode_line

SPEC = StoreSpec("pose", (3, 4), 2, "body", {"backend": "test", "kernel": 9})


@pytest.fixture
def store(tmp_path: Path) -> Path:
    with StoreWriter(tmp_path / "store", SPEC) as writer:
        for name in "ab":
            writer.append(
                Clip(name, "book", "train", "1", tmp_path), np.zeros(SPEC.record_shape, np.float32), {}
            )
    return tmp_path / "store"


@pytest.mark.parametrize("flip", [1, 4, 32, 128, 255])
def test_every_flipped_byte_of_the_description_is_found(store: Path, flip: int) -> None:
    path = store / "store.json"
    content = path.read_bytes()
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ flip]) + content[place + 1 :])
        with pytest.raises(StoreError, match=r"store\.json"):
            FeatureStore.open(store)
    path.write_bytes(content)
    assert FeatureStore.open(store).ids == ("a", "b")


def test_a_store_of_before_the_checksum_is_read_and_continued(store: Path, tmp_path: Path) -> None:
    path = store / "store.json"
    content = json.loads(path.read_bytes())
    del content["crc"]
    path.write_text(json.dumps(content, indent=1))
    with StoreWriter(store, SPEC) as writer:
        writer.append(Clip("c", "go", "val", "1", tmp_path), np.ones(SPEC.record_shape, np.float32), {})
    assert FeatureStore.open(store).ids == ("a", "b", "c")


@pytest.mark.parametrize(
    "changed",
    [
        {"mode": "video"}, {"mode": ["pose"]}, {"layout": None}, {"dtype": "object"}, {"dtype": ["float32"]},
        {"num_frames": 0}, {"num_frames": 2.0}, {"num_frames": True}, {"num_frames": 10**18},
        {"item_shape": []}, {"item_shape": [0]}, {"item_shape": [2**32, 2**32]}, {"item_shape": [-1, -1]},
        {"item_shape": 3}, {"item_shape": "33"}, {"item_shape": [1] * 1000}, {"extractor": []},
        {"extractor": {"backend": ["x"]}}, {"extractor": None}, {"more": 1}, {"version": 99}, {"version": []},
    ],
)  # fmt: skip
def test_a_description_that_cannot_be_right_is_refused(store: Path, changed: dict[str, Any]) -> None:
    path = store / "store.json"
    content = json.loads(path.read_bytes()) | changed
    del content["crc"]
    path.write_text(json.dumps(content))
    with pytest.raises(StoreError, match=r"store\.json") as caught:
        FeatureStore.open(store)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 10_000, "[]", "\ud800", '{"version": 1}'])
def test_a_description_of_another_kind_is_refused(store: Path, text: str) -> None:
    (store / "store.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(StoreError, match=r"store\.json"):
        FeatureStore.open(store)


@pytest.mark.parametrize("name", ["store.json", "index.jsonl"])
def test_files_too_large_are_not_read(store: Path, name: str) -> None:
    with (store / name).open("r+b") as file:
        file.truncate(2**40)
    with pytest.raises(StoreError, match="larger than"):
        FeatureStore.open(store)


@pytest.mark.parametrize(
    "changed",
    [
        {"row": "0"}, {"row": -1}, {"row": True}, {"row": 1e300}, {"row": None}, {"checksum": "1"},
        {"quality": []}, {"quality": {"a": "b"}}, {"quality": None}, {"id": 3}, {"gloss": ["book"]},
        {"split": None}, {"range": 3}, {"range": ["1", 2]}, {"size": "1"}, {"hash": 1}, {"error": ["x"]},
        {"mtime_ns": None},
    ],
)  # fmt: skip
def test_a_line_with_a_right_checksum_and_wrong_values_is_damaged(
    store: Path, changed: dict[str, Any]
) -> None:
    path = store / "index.jsonl"
    line = json.loads(path.read_bytes().splitlines()[0])
    del line["crc"]
    with path.open("ab") as file:
        file.write(encode_line(line | changed))
    with pytest.raises(StoreError, match="line 3 is damaged"):
        FeatureStore.open(store)
    with StoreWriter(store, SPEC):  # mends it
        pass
    assert FeatureStore.open(store).ids == ("a", "b")


def test_a_line_that_claims_a_row_beyond_the_data_names_no_clip(store: Path) -> None:
    path = store / "index.jsonl"
    line = json.loads(path.read_bytes().splitlines()[0])
    del line["crc"]
    with path.open("ab") as file:
        file.write(encode_line(line | {"id": "far", "row": 10**30}))
    assert FeatureStore.open(store).ids == ("a", "b")
