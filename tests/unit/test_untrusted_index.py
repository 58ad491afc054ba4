"""Indexes written by strangers: whatever stands in them is read, or refused with the file named; nothing else."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from toolkit.class_list import read_class_list
from toolkit.clips import read_wlasl
from toolkit.errors import IndexFileError
from toolkit.recordings import read_index

GOOD = {"video_id": "ok", "split": "train", "signer_id": 1}
HUGE = "9" * 4000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "ok.mp4").write_bytes(b"x")
    return tmp_path


def read(folder: Path, text: str | bytes) -> None:
    path = folder / "index.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    read_wlasl(path, folder / "videos")


def with_instance(**changed: Any) -> str:
    return json.dumps([{"gloss": "a", "instances": [GOOD, GOOD | {"video_id": "x"} | changed]}])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ("9" * 10_000, "cannot be read as json"),
        (b"\xff\xfe[]", "cannot be read as json"),
        (with_instance(video_id="y" * 5000), "short text 'video_id'"),
        (with_instance(video_id="a\0b"), "control characters"),
        (with_instance(video_id="\x1b[2J"), "control characters"),
        (with_instance(video_id="\ud800"), "control characters"),
        (with_instance(video_id=["a"]), "short text 'video_id'"),
        (with_instance(video_id="ok"), "twice"),
        (with_instance(signer_id={"a": 1}), "signer_id"),
        (with_instance(signer_id="s" * 5000), "signer_id"),
        (with_instance(signer_id=True), "signer_id"),
        (with_instance(frame_start=int(HUGE)), "frame range"),
        (with_instance(frame_start=True), "frame range"),
        (with_instance(frame_start=1.0), "frame range"),
        (with_instance(frame_start=9, frame_end=3), "frame range"),
        (with_instance(split=["train"]), "short text 'split'"),
        ('[{"gloss": "a", "instances": {}}]', "list 'instances'"),
        ('[{"gloss": "a", "instances": [3]}]', "short text 'video_id'"),
        ('[{"gloss": 3, "instances": []}]', "short text 'gloss'"),
        ("[3]", "short text 'gloss'"),
        ("3", "not a WLASL index"),
    ],
)
def test_a_hostile_json_is_refused_in_one_short_message(folder: Path, text: str | bytes, told: str) -> None:
    with pytest.raises(IndexFileError, match=told) as caught:
        read(folder, text)
    assert "index.json" in str(caught.value) and len(str(caught.value)) < 500


def test_a_refused_value_that_is_nested_deeply_can_be_shown(folder: Path) -> None:
    deep = "[" * 900 + "]" * 900
    with pytest.raises(IndexFileError, match="video_id"):
        read(folder, '[{"gloss": "a", "instances": [{"video_id": ' + deep + "}]}]")


def test_a_file_too_large_is_refused_before_it_is_read(folder: Path) -> None:
    path = folder / "index.json"
    with path.open("wb") as file:
        file.truncate(2**40)  # a terabyte with nothing in it
    for reader in (lambda: read_wlasl(path, folder), lambda: read_index(path), lambda: read_class_list(path)):
        with pytest.raises(IndexFileError, match=r"larger than \d+ MiB"):
            reader()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_refused_and_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    for reader in (lambda: read_wlasl(folder / "pipe", folder), lambda: read_class_list(folder / "pipe")):
        with pytest.raises(IndexFileError, match="no regular file"):
            reader()


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (b"ok.mp4,a\0b,,", "control characters"),
        (b"ok.mp4," + b"g" * 5000 + b",,", "too long"),
        (b"ok.mp4," + b"g" * 200_000 + b",,", "cannot be read as csv"),
        (b"\x1b]0;x\x07.mp4,a,,", "control characters"),
        (b"ok.mp4,a,-3,", "frame range"),
        (b"ok.mp4,a,9,3", "frame range"),
        (b"ok.mp4,a," + HUGE.encode() + b",", "frame range"),
        (b"ok.mp4,a," + HUGE.encode() * 2 + b",", "whole numbers"),
        (b"\xff\xfe,a,,", "CSV UTF-8"),
    ],
)
def test_a_hostile_csv_is_refused_in_one_short_message(folder: Path, row: bytes, told: str) -> None:
    path = folder / "videos" / "mine.csv"
    path.write_bytes(b"path,gloss,frame_start,frame_end\n" + row + b"\n")
    with pytest.raises(IndexFileError, match=told) as caught:
        read_index(path)
    assert "mine.csv" in str(caught.value) and len(str(caught.value)) < 500


@pytest.mark.skipif(sys.platform == "win32", reason="Windows itself refuses such names")
def test_videos_whose_names_are_no_text_are_left_out_and_counted(folder: Path) -> None:
    (folder / "videos" / "a\x1b[2J.mp4").write_bytes(b"x")
    index = read_index(folder)
    assert [clip.id for clip in index.clips] == ["videos/ok.mp4"]
    assert any("1 videos are left out" in note for note in index.notes)


@pytest.mark.skipif(sys.platform == "win32", reason="links need an administrator on Windows")
def test_a_folder_that_links_to_itself_ends(folder: Path) -> None:
    """A looping folder is none; a looping video is there, and extraction will say what is wrong with it."""
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "videos" / "loop.mp4").symlink_to("loop.mp4")
    for index in (
        read_index(folder),
        read_wlasl(write(folder, with_instance(video_id="loop")), folder / "videos"),
    ):
        assert {clip.path.name for clip in index.clips} == {"ok.mp4", "loop.mp4"}


def write(folder: Path, text: str) -> Path:
    (folder / "index.json").write_text(text)
    return folder / "index.json"


def test_many_wrong_lines_of_a_class_list_give_few_notes(folder: Path) -> None:
    write(folder, with_instance())
    (folder / "classes.txt").write_text("a\n" + "\n".join(f"no{number}" for number in range(1000)))
    index = read_wlasl(folder / "index.json", folder / "videos", folder / "classes.txt")
    assert len(index.notes) == 11 and "990 more lines" in index.notes[-1]
