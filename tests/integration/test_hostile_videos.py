"""Every kind of bad file in one extraction: each gives landmarks or one named error, in bounded memory."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import hostile_video
import numpy as np
import pytest

from toolkit.errors import VideoReadError
from toolkit.store import FeatureStore
from toolkit.video import sample_frames

MEMORY = 3 << 30  # of a worker, at most: what it holds with its networks loaded, and 2 GiB
NAMED = {  # file -> what its error says
    "endless_frames.mp4": "memory|not one frame decodes|not a readable video",
    "playlist.mp4": "a playlist that names other files",
    "stream.mp4": "not a readable video",
    "empty.mp4": r"is empty \(0 bytes\)",
    "picture_16k.mp4": "more than 67108864 pixels",
    "huge.mov": "more than 67108864 pixels",
    "folder.mp4": "is a folder, not a video",
    "pipe.mp4": "is not a plain file",
    "device.mp4": "is not a plain file",
    "loop.mp4": "cannot be reached .*links",
    "pool.mp4": "cannot be reached .*links",
    "through_a_loop.mp4": "cannot be reached .*links",
}


def run_extract(recordings: Path, store: Path, *more: str) -> tuple[int, dict[str, object], int]:
    """Exit status, the JSON answer, and the most memory that one of its processes held, in bytes."""
    flags = ["--network", "lite", "--num_frames", "4", "--index", str(recordings), "--output_dir", str(store)]
    command = [sys.executable, "-m", "toolkit", "extract", *flags, "--workers", "2", "--json", *more]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    output = process.stdout.read()
    if hasattr(os, "wait4"):
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        most = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    else:
        process.wait()
        most = 0
    return process.returncode, json.loads(output.splitlines()[-1]), most


def check_all_accounted_for(folder: Path, store: Path, answer: dict[str, object]) -> dict[str, str]:
    """Each file has a record or one error of one line with its name; returns the errors by file name."""
    failures = answer["failures"]
    assert isinstance(failures, dict)
    read = FeatureStore.open(store)
    assert set(read.ids) | set(failures) == {
        path.relative_to(folder).as_posix() for path in folder.glob("*/*")
    }
    assert not set(read.ids) & set(failures) and answer["missing"] == 0
    assert read.failures == failures and read.damaged() == []
    for clip_id, text in failures.items():
        assert Path(clip_id).name in text and "\n" not in text and "Traceback" not in text
    return {Path(clip_id).name: text for clip_id, text in failures.items()}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pipes and devices among files")
def test_each_gives_landmarks_or_one_named_error(tmp_path: Path) -> None:
    folder = tmp_path / "recordings" / "book"
    folder.mkdir(parents=True)
    for make in (hostile_video.lying, hostile_video.unusual, hostile_video.huge, hostile_video.no_files):
        make(folder)
    status, answer, most = run_extract(tmp_path / "recordings", tmp_path / "store", "--clip_timeout", "60")
    errors = check_all_accounted_for(tmp_path / "recordings", tmp_path / "store", answer)
    assert status == 1 and set(errors) == set(NAMED)
    for name, text in errors.items():
        assert re.search(NAMED[name], text), text
    assert most < MEMORY
    again = run_extract(tmp_path / "recordings", tmp_path / "store")[1]
    assert (again["done"], again["failures"]) == (0, answer["failures"])  # nothing is tried twice


def test_the_broken_files_and_the_codecs_of_the_development_data(data_dir: Path, tmp_path: Path) -> None:
    for name in ("bad_videos", "codecs"):
        shutil.copytree(data_dir / name, tmp_path / "recordings" / name)
    (tmp_path / "recordings" / "bad_videos" / "no_extension").unlink()  # an index of folders goes by endings
    status, answer, most = run_extract(tmp_path / "recordings", tmp_path / "store")
    errors = check_all_accounted_for(tmp_path / "recordings", tmp_path / "store", answer)
    assert status == 1 and len(errors) == 12 and not any("codecs" in text for text in errors.values())
    assert most < MEMORY


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"x")
    path.chmod(0)  # what root may read all the same
    if os.access(path, os.R_OK):
        pytest.skip("this user (root) may read everything")
    with pytest.raises(VideoReadError, match=r"a\.mp4.*[Pp]ermission"):
        sample_frames(path, 4)


def test_frames_of_several_sizes_are_all_read(tmp_path: Path) -> None:
    hostile_video.unusual(tmp_path)
    shapes = {frame.shape for frame in sample_frames(tmp_path / "changing.ts", 12)}
    assert shapes == {(48, 64, 3), (96, 128, 3), (240, 320, 3)}


def test_too_large_frames_among_small_ones_are_left_out(tmp_path: Path) -> None:
    hostile_video.huge(tmp_path)
    frames = list(sample_frames(tmp_path / "grows.mov", 3))
    assert [frame.shape for frame in frames] == [(48, 64, 3)] * 3
    assert not np.any(frames)  # black, as made
