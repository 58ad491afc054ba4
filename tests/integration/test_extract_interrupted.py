"""Extraction survives being killed: the store of an interrupted run equals that of an undisturbed one."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from numbered_video import numbered_frames, write_video

from toolkit.store import FeatureStore

CLIPS = 24
KILLS = 10


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder per gloss with small real videos, and one file that is none."""
    root = tmp_path_factory.mktemp("recordings")
    for number in range(CLIPS):
        frames = np.roll(numbered_frames(20 + number), number, axis=2)
        write_video(root / f"gloss{number % 4}" / f"{number:02d}.mp4", frames)
    (root / "gloss0" / "broken.mp4").write_bytes(b"no video")
    return root


def command(recordings: Path, store: Path, *more: str) -> list[str]:
    flags = ["--mode", "features", "--index", str(recordings), "--output_dir", str(store), "--workers", "2"]
    return [sys.executable, "-m", "toolkit", "extract", *flags, *more]


@pytest.fixture(scope="module")
def undisturbed(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("undisturbed") / "store"
    done = subprocess.run(command(recordings, store, "--json"), capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr  # one file is broken
    answer = json.loads(done.stdout.splitlines()[-1])
    assert (answer["asked"], answer["found"], answer["done"], answer["failed"]) == (25, 25, CLIPS, 1)
    assert "broken.mp4" in next(iter(answer["failures"].values()))
    return store


def assert_equal_stores(one: Path, other: Path) -> None:
    left, right = FeatureStore.open(one), FeatureStore.open(other)
    assert left.spec == right.spec and left.ids == right.ids and left.failures == right.failures
    np.testing.assert_array_equal(left.load(left.ids), right.load(right.ids))
    labels = [
        [(r.id, r.gloss, r.split, r.signer, r.source, r.quality) for r in s.records] for s in (left, right)
    ]
    assert labels[0] == labels[1]


def lines(store: Path) -> int:
    index = store / "index.jsonl"
    return index.read_bytes().count(b"\n") if index.exists() else 0


def test_killed_again_and_again_it_ends_with_the_same_store(
    recordings: Path, undisturbed: Path, tmp_path: Path
) -> None:
    chance, store = random.Random(5), tmp_path / "store"
    for _ in range(KILLS):
        before = lines(store)
        process = subprocess.Popen(
            command(recordings, store), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while process.poll() is None and lines(store) < min(before + 1, CLIPS):
            time.sleep(0.002)
        time.sleep(chance.random() * 0.05)
        children = psutil.Process(process.pid).children() if process.poll() is None else []
        process.kill()
        process.wait()
        FeatureStore.open(store)  # readable at any time
        assert not psutil.wait_procs(children, timeout=20)[1], "a worker outlived its killed parent"
    done = subprocess.run(command(recordings, store), capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert_equal_stores(store, undisturbed)


def test_run_again_it_does_nothing_twice(recordings: Path, undisturbed: Path) -> None:
    size = (undisturbed / "data.bin").stat().st_size
    done = subprocess.run(
        command(recordings, undisturbed, "--json"), capture_output=True, text=True, check=False
    )
    answer = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, answer["done"], answer["skipped"], answer["failed"]) == (1, 0, CLIPS, 1)
    assert (undisturbed / "data.bin").stat().st_size == size


def test_another_command_on_the_store_is_refused(recordings: Path, undisturbed: Path) -> None:
    other = command(recordings, undisturbed, "--num_frames", "8")
    done = subprocess.run(other, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "num_frames: the store has 16, this command gives 8" in done.stderr
    assert len(FeatureStore.open(undisturbed)) == CLIPS


def test_a_clip_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_video(tmp_path / "recordings" / "book" / f"{name}.mp4", numbered_frames(250, 480, 640))
    flags = ("--clip_timeout", "0.02", "--json")
    done = subprocess.run(
        command(tmp_path / "recordings", tmp_path / "store", *flags),
        capture_output=True,
        text=True,
        check=False,
    )
    answer = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, answer["done"], answer["failed"]) == (1, 0, 2)
    assert all("longer than 0.02 s (--clip_timeout)" in text for text in answer["failures"].values())
