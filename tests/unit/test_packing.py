"""Packed poses: what is lost is bounded, what is missing stays missing, and a store of them looks like any other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from toolkit.cli.main import main
from toolkit.clips import Clip
from toolkit.errors import StoreError
from toolkit.store import FeatureStore, StoreSpec, StoreWriter
from toolkit.store.check import check_store
from toolkit.store.packing import pack, unpack

ROUNDING = 2e-7  # float32 at 3.0
SPEC = StoreSpec("pose", (33, 4), 16, "body", {"backend": "test"}, "packed")


def place_bound(value: NDArray[np.float32]) -> NDArray[np.float64]:
    """Half a step of x or y, as the documentation states it."""
    return np.where(value < 0, 1 / 124, np.where(value <= 1, 1 / 1600, 1 / 160))


def depth_bound(value: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.where(abs(value) <= 0.25, 1 / 1600, np.where(value < 0, 0.0035, 0.004))


def poses(seed: int) -> NDArray[np.float32]:
    values = np.random.default_rng(seed).random(SPEC.record_shape, np.float32)
    values[3], values[5, 7] = np.nan, np.nan
    return values


def clip(folder: Path, name: str) -> Clip:
    return Clip(name, "book", "train", "1", folder / f"{name}.mp4")


def landmarks(low: float, high: float) -> st.SearchStrategy[NDArray[np.float32]]:
    numbers = st.floats(low, high, width=32)
    return arrays.arrays(np.float32, st.tuples(st.integers(1, 5), st.just(4)), elements=numbers)


@given(landmarks(-1, 2))
def test_no_value_is_off_by_more_than_half_a_step(values: NDArray[np.float32]) -> None:
    values[:, 3] = values[:, 3].clip(0, 1)
    off = abs(unpack(pack(values)).astype(np.float64) - values)
    assert (off[:, :2] <= place_bound(values[:, :2]) + ROUNDING).all()
    assert (off[:, 2] <= depth_bound(values[:, 2]) + ROUNDING).all()
    assert (off[:, 3] <= 1 / 6 + ROUNDING).all()


@given(landmarks(-1e6, 1e6))
def test_what_lies_beyond_the_ends_is_clamped(values: NDArray[np.float32]) -> None:
    found = unpack(pack(values))
    clamped = np.clip(values, (-1, -1, -3, 0), (3, 3, 2, 1)).astype(np.float32)
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found, unpack(pack(clamped)))


@given(landmarks(-1, 2), st.integers(0, 3), st.sampled_from([np.nan, np.inf, -np.inf]))
def test_a_landmark_is_found_or_missing_as_a_whole(
    values: NDArray[np.float32], place: int, missing: float
) -> None:
    values[0, place] = missing
    found = unpack(pack(values))
    assert np.isnan(found[0]).all() and np.isfinite(found[1:]).all()


@given(landmarks(-1, 2))
def test_packing_again_changes_nothing(values: NDArray[np.float32]) -> None:
    words = pack(values)
    np.testing.assert_array_equal(pack(unpack(words)), words)


@given(st.floats(0, 1, width=32))
def test_visibility_stays_on_its_side_of_a_half(score: float) -> None:
    found = unpack(pack(np.array([0.5, 0.5, 0, score], np.float32)))[3]
    assert (found > 0.5) == (score > 0.5) or score == 0.5


@pytest.mark.parametrize(("points", "frames", "size"), [(33, 16, 2112), (75, 32, 9600)])
def test_a_record_takes_a_quarter_of_float32(points: int, frames: int, size: int) -> None:
    spec = StoreSpec("pose", (points, 4), frames, "", {}, "packed")
    assert spec.record_bytes == size == StoreSpec("pose", (points, 4), frames, "", {}).record_bytes // 4


def test_a_packed_store_reads_and_continues_like_any_other(tmp_path: Path) -> None:
    for name in "ab":
        with StoreWriter(tmp_path / "store", SPEC) as writer:
            writer.append(clip(tmp_path, name), poses(ord(name)), {"detection_rate": 1.0})
    store = FeatureStore.open(tmp_path / "store")
    assert store.spec == SPEC and (tmp_path / "store" / "data.bin").stat().st_size == 2 * 2112
    batch = store.load(["b", "a"])
    assert batch.dtype == np.float32 and batch.shape == (2, 16, 33, 4)
    np.testing.assert_array_equal(batch[1], store["a"])
    np.testing.assert_array_equal(np.isnan(batch[1]), np.isnan(poses(ord("a"))))
    np.testing.assert_allclose(batch[0, ..., :2], poses(ord("b"))[..., :2], atol=1 / 1600 + ROUNDING)
    assert check_store(tmp_path / "store").sound


def test_a_changed_byte_of_a_packed_record_is_noticed(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "store", SPEC) as writer:
        writer.append(clip(tmp_path, "a"), poses(1), {})
    data = tmp_path / "store" / "data.bin"
    content = bytearray(data.read_bytes())
    content[1000] ^= 4
    data.write_bytes(content)
    with pytest.raises(StoreError, match="'a' is damaged"):
        FeatureStore.open(tmp_path / "store").load(["a"])
    assert check_store(tmp_path / "store").damaged_records == ["a"]


def test_features_are_refused_with_a_way_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(StoreError, match=r"only poses can be packed, .* features .* float16"):
        StoreWriter(tmp_path / "store", StoreSpec("features", (128,), 16, "", {}, "packed"))
    assert not (tmp_path / "store").exists()
    words = [
        "extract",
        "--mode",
        "features",
        "--dtype",
        "packed",
        "--index",
        str(tmp_path),
        "--output_dir",
        "x",
    ]
    assert main(words) == 2
    assert "--dtype packed is for --mode pose" in capsys.readouterr().err
