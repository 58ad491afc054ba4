"""Extraction when its world fails: workers crash or hang, the parent dies, the disk is full, videos vanish."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import hostile_video
import numpy as np
import psutil
import pytest
from numbered_video import numbered_frames, write_video

from toolkit.clips import Clip
from toolkit.extract.protocol import ExtractorSpec
from toolkit.extract.workers import AWAY_S, LOOK_EVERY_S, Described, WorkerPool, _Worker
from toolkit.store import FeatureStore

CLIPS = 12
pytestmark = pytest.mark.skipif(os.name == "nt", reason="sends signals that Windows has not")


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("recordings")
    for number in range(CLIPS):
        frames = np.roll(numbered_frames(20 + number), number, axis=2)
        write_video(root / f"gloss{number % 4}" / f"{number:02d}.mp4", frames)
    return root


@pytest.fixture(scope="module")
def undisturbed(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("undisturbed") / "store"
    assert subprocess.run(command(recordings, store), capture_output=True, check=False).returncode == 0
    return store


@pytest.fixture
def slow_recordings(tmp_path: Path) -> Path:
    """Two clips that take a minute each: hundreds of large pictures that all have to be decoded to be counted."""
    picture = hostile_video.png(6000, 6000)
    for name in ("a", "b"):
        hostile_video.pictures(tmp_path / "slow" / "book" / f"{name}.mov", [picture] * 600, 6000, 6000)
    return tmp_path / "slow"


def command(recordings: Path, store: Path, *more: str) -> list[str]:
    flags = ["--mode", "features", "--image_size", "128", "--num_frames", "4", "--workers", "2"]
    flags += ["--index", str(recordings), "--output_dir", str(store)]
    return [sys.executable, "-m", "toolkit", "extract", *flags, *more]


def start(words: list[str], **more: object) -> subprocess.Popen[str]:
    return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, **more
    )


def lines(store: Path) -> int:
    index = store / "index.jsonl"
    return index.read_bytes().count(b"\n") if index.exists() else 0


def wait_for_lines(process: subprocess.Popen[str], store: Path, count: int) -> None:
    while process.poll() is None and lines(store) < count:
        time.sleep(0.002)


def workers_of(process: subprocess.Popen[str], count: int = 2) -> list[psutil.Process]:
    """Its workers, once there are `count`."""
    while process.poll() is None:
        children = psutil.Process(process.pid).children()
        workers = [child for child in children if "spawn_main" in " ".join(child.cmdline())]
        if len(workers) >= count:
            return workers
        time.sleep(0.01)
    raise AssertionError("it ended before it had workers")


def assert_equal_stores(one: Path, other: Path) -> None:
    left, right = FeatureStore.open(one), FeatureStore.open(other)
    assert left.ids == right.ids and left.failures == right.failures == {} and left.damaged() == []
    np.testing.assert_array_equal(left.load(left.ids), right.load(right.ids))
    ids = [json.loads(line)["id"] for line in (one / "index.jsonl").read_text().splitlines()]
    assert sorted(set(ids)) == list(left.ids)


def finish(recordings: Path, store: Path, undisturbed: Path, *more: str) -> None:
    done = subprocess.run(command(recordings, store, *more), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert_equal_stores(store, undisturbed)


def test_a_worker_that_crashes_or_hangs_costs_one_clip(
    recordings: Path, undisturbed: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    process = start(command(recordings, store, "--clip_timeout", "4", "--json"))
    wait_for_lines(process, store, 2)
    first, second = workers_of(process)
    first.send_signal(signal.SIGSEGV)  # what a bug in a decoder does
    second.suspend()  # hangs
    output, errors = process.communicate(timeout=120)
    answer = json.loads(output.splitlines()[-1])
    told = sorted(text.split(": ", 1)[1] for text in answer["failures"].values())
    assert told == [
        f"crashed its worker process (exit code {-signal.SIGSEGV})",
        "took longer than 4 s (--clip_timeout)",
    ], errors
    assert (process.returncode, answer["done"]) == (1, CLIPS - 2)
    assert not any(worker.is_running() for worker in (first, second))
    finish(recordings, store, undisturbed, "--retry_failed")


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_asked_to_stop_it_says_how_to_go_on_and_leaves_nothing_behind(
    recordings: Path, undisturbed: Path, tmp_path: Path, sent: signal.Signals, status: int
) -> None:
    store, scratch, shared = tmp_path / "store", tmp_path / "tmp", Path("/dev/shm")
    scratch.mkdir()
    before = set(shared.glob("*sem.*")) | set(shared.glob("psm_*")) if shared.is_dir() else set()
    process = start(
        command(recordings, store),
        env={**os.environ, "TMPDIR": str(scratch)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    wait_for_lines(process, store, 1)
    family = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, sent)  # all of them, as a terminal does
    _, messages = process.communicate(timeout=60)
    assert process.returncode == status and "the same command continues" in messages
    assert "Traceback" not in messages
    assert not psutil.wait_procs(family, timeout=20)[1], "a process is left"
    # onnxruntime leaves a session number in the folder for temporary files when it is imported
    assert {path.name for path in scratch.iterdir()} <= {".ses"}
    after = set(shared.glob("*sem.*")) | set(shared.glob("psm_*")) if shared.is_dir() else set()
    assert after <= before
    assert sorted(path.name for path in store.iterdir()) == [
        "data.bin",
        "index.jsonl",
        "store.json",
        "writer.lock",
    ]
    finish(recordings, store, undisturbed)


def test_a_pause_costs_no_clip(recordings: Path, undisturbed: Path, tmp_path: Path) -> None:
    """Ctrl-Z and fg, or a PC that slept: the clips in flight are late, but not for a fault of theirs."""
    store = tmp_path / "store"
    process = start(command(recordings, store, "--clip_timeout", "3"))
    wait_for_lines(process, store, 2)
    os.killpg(process.pid, signal.SIGSTOP)
    time.sleep(7)
    os.killpg(process.pid, signal.SIGCONT)
    _, err = process.communicate()
    assert process.returncode == 0, err
    assert_equal_stores(store, undisturbed)


def test_slow_new_workers_do_not_hand_out_a_crashing_clip_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(self: WorkerPool, worker: _Worker) -> Described:
        time.sleep(LOOK_EVERY_S + AWAY_S + 0.5)
        return greet(self, worker)

    def crash(self: WorkerPool, worker: _Worker, waiting: deque[Clip]) -> None:
        hand_out(self, worker, waiting)
        worker.process.kill()

    greet, hand_out = WorkerPool._greet, WorkerPool._hand_out
    clips = [Clip(name, "book", "train", "", tmp_path / f"{name}.mp4") for name in "ab"]
    spec = ExtractorSpec("features", "onnx", precision="fp32")
    with WorkerPool(spec, 4, 1, 60.0) as pool:
        monkeypatch.setattr(WorkerPool, "_greet", slow)
        monkeypatch.setattr(WorkerPool, "_hand_out", crash)
        found = [outcome.clip.id for outcome in islice(pool.run(clips), 5)]
    assert found == ["a", "b"]


def test_stopped_while_it_starts_it_is_silent(recordings: Path, tmp_path: Path) -> None:
    process = start(
        command(recordings, tmp_path / "store"),
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    workers_of(process, 1)  # which is still loading its libraries
    os.killpg(process.pid, signal.SIGINT)
    _, messages = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in messages


def test_workers_in_the_middle_of_a_clip_end_with_their_parent(slow_recordings: Path, tmp_path: Path) -> None:
    process = start(command(slow_recordings, tmp_path / "store"))
    workers = workers_of(process)
    for worker in workers:
        while worker.num_threads() < 2 or not any("book" in file.path for file in worker.open_files()):
            time.sleep(0.01)  # until the clip is open
    process.kill()
    process.communicate()
    assert not psutil.wait_procs(workers, timeout=20)[1], "a worker works on without its parent"


def test_a_full_disk_keeps_what_is_done(recordings: Path, undisturbed: Path, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    record = FeatureStore.open(undisturbed).spec.record_bytes
    for limit in (0, 3 * record + 17):  # before the store is begun, and in its fourth record
        store = tmp_path / f"store{limit}"
        done = subprocess.run(
            command(recordings, store),
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=lambda most=limit: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)),
        )
        assert done.returncode == 2 and "free some space" in done.stderr, done.stderr
        assert "Traceback" not in done.stderr
        if limit:
            assert len(FeatureStore.open(store)) > 0
        finish(recordings, store, undisturbed)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 20 KiB, where this user may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    words = [mount or "mount", "-t", "tmpfs", "-o", "size=20k", "tmpfs", str(disk)]
    if mount is None or subprocess.run(words, capture_output=True, check=False).returncode != 0:
        pytest.skip("this user may not mount a file system")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_file_system_keeps_what_is_done(
    recordings: Path, undisturbed: Path, small_disk: Path, tmp_path: Path
) -> None:
    done = subprocess.run(
        command(recordings, small_disk / "store"), capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and "free some space" in done.stderr and "Traceback" not in done.stderr
    again = subprocess.run(
        command(recordings, small_disk / "store"), capture_output=True, text=True, check=False
    )
    assert again.returncode == 2 and "free some space" in again.stderr and "Traceback" not in again.stderr
    assert 0 < len(FeatureStore.open(small_disk / "store")) < CLIPS
    shutil.copytree(small_disk / "store", tmp_path / "store")
    finish(recordings, tmp_path / "store", undisturbed)


def test_videos_that_vanish_are_made_when_they_are_back(
    recordings: Path, undisturbed: Path, tmp_path: Path
) -> None:
    videos, store = tmp_path / "videos", tmp_path / "store"
    shutil.copytree(recordings, videos)
    process = start(command(videos, store, "--json"))
    wait_for_lines(process, store, 2)
    videos.rename(tmp_path / "unplugged")
    output, _ = process.communicate(timeout=60)
    answer = json.loads(output.splitlines()[-1])
    assert process.returncode == 1 and answer["failed"] > 0
    assert all("does not exist" in text for text in answer["failures"].values())
    gone = subprocess.run(command(videos, store), capture_output=True, text=True, check=False)
    assert gone.returncode == 2 and "check the path" in gone.stderr
    (tmp_path / "unplugged").rename(videos)
    finish(videos, store, undisturbed)


def test_two_at_once_on_one_store_do_not_meet(recordings: Path, undisturbed: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    processes = [start(command(recordings, store)) for _ in range(2)]
    results = [(process.communicate(timeout=120), process.returncode) for process in processes]
    refused = [errors for (_, errors), status in results if status == 2]
    assert sorted(status for _, status in results) in (
        [0, 2],
        [0, 0],
    )  # 0, 0: one was over before the other began
    assert all(f"{store} is being written by process" in errors for errors in refused)
    finish(recordings, store, undisturbed)
