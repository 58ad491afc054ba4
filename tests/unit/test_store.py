"""The feature store: what is written is read, and nothing that can happen to its files poisons it."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from toolkit.clips import Clip, file_state
from toolkit.errors import StoreError, StoreLockedError, StoreMismatchError
from toolkit.store import FeatureStore, StoreSpec, StoreWriter
from toolkit.store.files import DATA_FILE, read_index

SPEC = StoreSpec("pose", (3, 4), 2, "body", {"backend": "test", "weights": "abc"})


def clip(folder: Path, name: str, **labels: str) -> Clip:
    path = folder / f"{name}.mp4"
    if not path.exists():
        path.write_bytes(f"video {name}".encode())
    given = {"gloss": "book", "split": "train", "signer": "1"} | labels
    return Clip(name, given["gloss"], given["split"], given["signer"], path)


def values(seed: int) -> NDArray[np.float32]:
    array = np.random.default_rng(seed).random(SPEC.record_shape, dtype=np.float32)
    array[0, 0] = np.nan
    return array


def fill(folder: Path, names: str, spec: StoreSpec = SPEC) -> Path:
    with StoreWriter(folder / "store", spec) as store:
        for name in names:
            store.append(clip(folder, name), values(ord(name)), {"detection_rate": 0.5})
    return folder / "store"


def test_records_come_back_as_they_went_in(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "store", SPEC) as writer:
        writer.append(clip(tmp_path, "b", gloss="漢字", split="val"), values(1), {"detection_rate": 0.123456})
        writer.fail(clip(tmp_path, "c"), "c.mp4 is broken")
        writer.append(clip(tmp_path, "a"), values(2), {})
    store = FeatureStore.open(tmp_path / "store")
    assert store.spec == SPEC
    assert store.ids == ("a", "b") and list(store) == ["a", "b"] and len(store) == 2 and "c" not in store
    assert store.failures == {"c": "c.mp4 is broken"}
    np.testing.assert_array_equal(store["b"], values(1))
    np.testing.assert_array_equal(store.load(["b", "a"]), np.stack([values(1), values(2)]))
    assert (store.records[1].gloss, store.records[1].split, store.records[1].source) == (
        "漢字",
        "val",
        "b.mp4",
    )
    assert store.records[1].quality == {"detection_rate": 0.1235}
    assert store.load([]).shape == (0, *SPEC.record_shape)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_rows_are_read_when_they_are_asked_for(tmp_path: Path, dtype: str) -> None:
    store = FeatureStore.open(fill(tmp_path, "abc", replace(SPEC, dtype=dtype)))
    rows, whole = store.rows(["c", "a", "b"]), store.load(["c", "a", "b"])
    assert len(rows) == 3
    for places in ([0, 1, 2], [2, 0], np.array([1, 1])):
        np.testing.assert_array_equal(rows[places], whole[places])
    np.testing.assert_array_equal(np.stack(list(rows.checked())), whole)
    few = rows.only([True, False, True])
    np.testing.assert_array_equal(few[[1, 0]], whole[[2, 0]])


def test_rows_of_a_store_that_shrinks_or_vanishes_are_an_error(tmp_path: Path) -> None:
    folder = fill(tmp_path, "ab")
    rows, data = FeatureStore.open(folder).rows(["a", "b"]), folder / DATA_FILE
    os.truncate(data, data.stat().st_size - 1)
    rows[[0]]
    with pytest.raises(StoreError, match="'b' is damaged"):
        rows[[0, 1]]
    data.unlink()
    with pytest.raises(StoreError, match="cannot be read"):
        rows[[0]]


def test_half_precision_halves_the_disk(tmp_path: Path) -> None:
    half = StoreSpec(SPEC.mode, SPEC.item_shape, SPEC.num_frames, SPEC.layout, SPEC.extractor, "float16")
    store = FeatureStore.open(fill(tmp_path, "ab", half))
    assert (tmp_path / "store" / "data.bin").stat().st_size == 2 * SPEC.record_bytes // 2
    assert store["a"].dtype == np.float32
    np.testing.assert_allclose(store["a"], values(ord("a")), atol=5e-4)


def test_a_writer_continues_and_knows_what_is_done(tmp_path: Path) -> None:
    fill(tmp_path, "ab")
    with StoreWriter(tmp_path / "store", SPEC) as store:
        assert store.holds(clip(tmp_path, "a")) and not store.holds(clip(tmp_path, "c"))
        store.append(clip(tmp_path, "c"), values(99), {})
    assert FeatureStore.open(tmp_path / "store").ids == ("a", "b", "c")


def test_a_changed_video_is_not_held_but_a_copied_one_is(tmp_path: Path) -> None:
    fill(tmp_path, "ab")
    same, other = clip(tmp_path, "a"), clip(tmp_path, "b")
    same.path.write_bytes(same.path.read_bytes())  # same content, new time
    other.path.write_bytes(b"VIDEO b")
    with StoreWriter(tmp_path / "store", SPEC) as store:
        assert store.holds(same) and not store.holds(other)
        store.append(other, values(5), {})
    np.testing.assert_array_equal(FeatureStore.open(tmp_path / "store")["b"], values(5))


def test_a_changed_label_is_noted_without_a_new_record(tmp_path: Path) -> None:
    folder = fill(tmp_path, "a")
    size = (folder / DATA_FILE).stat().st_size
    with StoreWriter(folder, SPEC) as store:
        assert store.holds(clip(tmp_path, "a", gloss="drink"))
    assert FeatureStore.open(folder).records[0].gloss == "drink"
    assert (folder / DATA_FILE).stat().st_size == size


def test_failures_are_remembered_until_they_are_forgotten(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "store", SPEC) as store:
        store.fail(clip(tmp_path, "a"), "broken")
    with StoreWriter(tmp_path / "store", SPEC) as store:
        assert store.holds(clip(tmp_path, "a")) and store.failures == {"a": "broken"}
        store.forget_failures()
        assert not store.holds(clip(tmp_path, "a"))


def test_a_last_clip_that_becomes_unusable_leaves_a_sound_store(tmp_path: Path) -> None:
    folder = fill(tmp_path, "ab")
    (tmp_path / "b.mp4").write_bytes(b"broken now")
    with StoreWriter(folder, SPEC) as store:
        store.fail(clip(tmp_path, "b"), "broken")
    with StoreWriter(
        folder, SPEC
    ) as store:  # has nothing to do, and lets go of the record that is no longer named
        assert store.ids == {"a"} and store.failures == {"b": "broken"}
    index = read_index(folder, SPEC)
    assert (folder / DATA_FILE).stat().st_size == SPEC.record_bytes
    assert not index.cut_off and not index.unnamed and not index.damaged


def test_another_command_is_refused_with_both_sides(tmp_path: Path) -> None:
    fill(tmp_path, "a")
    other = StoreSpec("pose", (3, 4), 8, "body", {"backend": "other", "weights": "abc"})
    with pytest.raises(StoreMismatchError) as refused:
        StoreWriter(tmp_path / "store", other)
    assert str(refused.value).endswith(
        "num_frames: the store has 2, this command gives 8; "
        "extractor.backend: the store has 'test', this command gives 'other'"
    )
    assert FeatureStore.open(tmp_path / "store").ids == ("a",)
    with pytest.raises(StoreMismatchError) as refused:  # another mode, of which all else follows
        StoreWriter(tmp_path / "store", StoreSpec("features", (128,), 8, "", {"weights": "x"}))
    assert str(refused.value).endswith("mode: the store has 'pose', this command gives 'features'")


def test_a_store_without_records_may_be_made_by_another_command(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "store", replace(SPEC, num_frames=1000)) as store:
        store.fail(clip(tmp_path, "a"), "took longer than 120 s")
    with StoreWriter(tmp_path / "store", SPEC) as store:
        assert not store.holds(clip(tmp_path, "a"))
        store.append(clip(tmp_path, "a"), values(1), {})
    assert FeatureStore.open(tmp_path / "store").spec == SPEC
    assert FeatureStore.open(tmp_path / "store").ids == ("a",)


def test_two_writers_cannot_meet(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "store", SPEC):
        with pytest.raises(StoreLockedError, match="process"):
            StoreWriter(tmp_path / "store", SPEC)
        assert FeatureStore.open(tmp_path / "store").ids == ()
    StoreWriter(tmp_path / "store", SPEC).close()


def test_a_wrong_shape_is_refused(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "store", SPEC) as store, pytest.raises(StoreError, match="do not fit"):
        store.append(clip(tmp_path, "a"), np.zeros((3, 3, 4), np.float32), {})


def test_no_store_and_a_damaged_description_are_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="toolkit extract"):
        FeatureStore.open(tmp_path)
    fill(tmp_path, "a")
    spec_file = tmp_path / "store" / "store.json"
    spec_file.write_text(json.dumps(json.loads(spec_file.read_text()) | {"version": 99}))
    with pytest.raises(StoreError, match="format 99"):
        FeatureStore.open(tmp_path / "store")
    spec_file.write_text("{")
    with pytest.raises(StoreError, match="damaged"):
        FeatureStore.open(tmp_path / "store")


@pytest.mark.parametrize("torn", ["data.bin", "index.jsonl", "both"])
def test_cut_anywhere_the_store_reads_and_continues(tmp_path: Path, torn: str) -> None:
    """A crash may leave any prefix of either file: what is whole is kept, and the rest can be made again."""
    whole = fill(tmp_path, "abc")
    data, index = (whole / "data.bin").read_bytes(), (whole / "index.jsonl").read_bytes()
    files = {"data.bin": data, "index.jsonl": index}
    cut_names = list(files) if torn == "both" else [torn]
    longest = max(len(files[name]) for name in cut_names)
    for cut in [*range(0, longest, 17), *range(longest - 30, longest + 1)]:
        for name, content in files.items():
            (whole / name).write_bytes(content[:cut] if name in cut_names else content)
        before = FeatureStore.open(whole)
        assert set(before.ids) <= {"a", "b", "c"}
        with StoreWriter(whole, SPEC) as store:
            for name in "abc":
                if not store.holds(clip(tmp_path, name)):
                    store.append(clip(tmp_path, name), values(ord(name)), {"detection_rate": 0.5})
        after = FeatureStore.open(whole)
        assert after.ids == ("a", "b", "c") and after.damaged() == []
        np.testing.assert_array_equal(after.load("abc"), np.stack([values(ord(name)) for name in "abc"]))


@pytest.mark.parametrize("torn", ["data.bin", "index.jsonl"])
def test_cut_at_every_byte_of_the_last_three_clips_only_those_are_made_again(
    tmp_path: Path, torn: str
) -> None:
    """As after a power cut: what was written before is kept as it is, what comes after the cut is made anew."""
    names = "abcde"
    whole = fill(tmp_path, names)
    files = {name: (whole / name).read_bytes() for name in ("data.bin", "index.jsonl", "store.json")}
    clips = {name: clip(tmp_path, name) for name in names}
    ends = [place + 1 for place, byte in enumerate(files["index.jsonl"]) if byte == ord("\n")]
    if torn == "data.bin":
        ends = [SPEC.record_bytes * (place + 1) for place in range(len(names))]
    for cut in range(ends[1], ends[4]):
        (whole / torn).write_bytes(files[torn][:cut])
        for name in files.keys() - {torn}:
            (whole / name).write_bytes(files[name])
        kept = {name for name, end in zip(names, ends, strict=True) if end <= cut}
        assert set(FeatureStore.open(whole).ids) == kept
        with StoreWriter(whole, SPEC) as store:
            made = [name for name in names if not store.holds(clips[name])]
            for name in made:
                store.append(clips[name], values(ord(name)), {"detection_rate": 0.5})
        assert set(made) == set(names) - kept
        after = FeatureStore.open(whole)
        np.testing.assert_array_equal(after.load(names), np.stack([values(ord(name)) for name in names]))


@pytest.mark.parametrize("seen", [(-1, -1), (7, 0)])  # it came back, it changed
def test_a_video_that_changed_while_it_was_read_is_made_again(tmp_path: Path, seen: tuple[int, int]) -> None:
    with StoreWriter(tmp_path / "store", SPEC) as store:
        store.append(clip(tmp_path, "a"), values(1), {}, seen)
        store.fail(clip(tmp_path, "b"), "b.mp4 does not exist", seen)
        store.append(clip(tmp_path, "c"), values(3), {}, file_state(clip(tmp_path, "c").path))
    with StoreWriter(tmp_path / "store", SPEC) as store:
        held = [store.holds(clip(tmp_path, name)) for name in "abc"]
    assert held == [False, False, True]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["data.bin", "index.jsonl"]), st.integers(0, 10_000), st.integers(1, 255))
def test_any_flipped_byte_is_noticed_and_repaired(
    tmp_path_factory: pytest.TempPathFactory, name: str, place: int, flip: int
) -> None:
    folder = tmp_path_factory.mktemp("flip")
    store_dir = fill(folder, "abc")
    content = bytearray((store_dir / name).read_bytes())
    content[place % len(content)] ^= flip
    (store_dir / name).write_bytes(content)
    try:
        read = FeatureStore.open(store_dir).load("abc")
    except (StoreError, KeyError):  # damaged, or a last line without its end: that clip is not there
        read = None
    if read is not None:
        np.testing.assert_array_equal(read, np.stack([values(ord(name)) for name in "abc"]))
    with StoreWriter(store_dir, SPEC) as store:
        for letter in "abc":
            if not store.holds(clip(folder, letter)):
                store.append(clip(folder, letter), values(ord(letter)), {"detection_rate": 0.5})
    repaired = FeatureStore.open(store_dir)
    np.testing.assert_array_equal(repaired.load("abc"), np.stack([values(ord(letter)) for letter in "abc"]))
    assert [record.gloss for record in repaired.records] == ["book"] * 3
