"""Reading within a bound takes the memory of the file, not of the bound."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from toolkit.untrusted import read_bounded


def test_a_small_file_takes_little_memory_however_large_the_bound(tmp_path: Path) -> None:
    path = tmp_path / "index.jsonl"
    path.write_bytes(b"x" * 1000)
    tracemalloc.start()
    try:
        assert read_bounded(path, 2**30) == b"x" * 1000
        assert tracemalloc.get_traced_memory()[1] < 2 * 2**20
    finally:
        tracemalloc.stop()


def test_a_file_of_exactly_the_bound_is_read_and_a_larger_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100)
    assert read_bounded(path, 100) == b"x" * 100
    with pytest.raises(OSError, match="larger than"):
        read_bounded(path, 99)
