"""Indexes: WLASL json, csv, folder per gloss; splits and coverage."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from toolkit.class_list import read_class_list
from toolkit.clips import read_wlasl
from toolkit.errors import IndexFileError
from toolkit.recordings import read_index


def instance(video_id: str, split: str = "train", **more: Any) -> dict[str, Any]:
    return {"video_id": video_id, "split": split, "signer_id": 7, "frame_start": 1, "frame_end": -1, **more}


@pytest.fixture
def wlasl(tmp_path: Path) -> Path:
    cut = {"frame_start": 20, "frame_end": 60}
    entries = [
        {"gloss": "book", "instances": [instance("1"), instance("2", "val"), instance("3", **cut)]},
        {"gloss": "lose", "instances": [instance("4", "test"), instance("5")]},
        {"gloss": "drink", "instances": [instance("6")]},
    ]
    (tmp_path / "index.json").write_text(json.dumps(entries))
    (tmp_path / "videos").mkdir()
    for name in ("1.mp4", "2.MP4", "3.mkv", "5.mp4", "notes.txt"):
        (tmp_path / "videos" / name).write_bytes(b"x")
    (tmp_path / "videos" / "5.MKV").mkdir()  # a folder is no video, and does not stand in the way of one
    return tmp_path


def test_wlasl_clips_carry_their_labels(wlasl: Path) -> None:
    index = read_wlasl(wlasl / "index.json", wlasl / "videos")
    by_id = {clip.id: clip for clip in index.clips}
    assert list(by_id) == ["1", "2", "3", "5"]
    assert (by_id["3"].gloss, by_id["3"].frame_start, by_id["3"].frame_end) == ("book", 20, 60)
    assert (by_id["1"].signer, by_id["2"].split) == ("7", "val")
    assert [clip.id for clip in index.missing] == ["4", "6"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files, or asks for rights to make them")
def test_what_is_there_but_no_file_is_left_for_extraction_to_name(wlasl: Path) -> None:
    folder = wlasl / "videos"
    (folder / "6.mp4").mkdir()
    os.mkfifo(folder / "4.mp4")
    (folder / "1.mp4").unlink()
    (folder / "1.mp4").symlink_to(folder / "1.mp4")
    index = read_wlasl(wlasl / "index.json", folder)
    assert sorted(clip.id for clip in index.clips) == ["1", "2", "3", "4", "5", "6"]
    (folder / "4.mp4").unlink()
    (folder / "4.mp4").symlink_to(folder / "gone.mp4")
    assert [clip.id for clip in read_wlasl(wlasl / "index.json", folder).missing] == ["4"]


def test_coverage_counts_per_split_and_names_glosses_without_clips(wlasl: Path) -> None:
    index = read_wlasl(wlasl / "index.json", wlasl / "videos")
    coverage = index.coverage()
    assert coverage.per_split == {"train": (4, 3, 1), "val": (1, 1, 0), "test": (1, 0, 1)}
    assert coverage.glosses_without_clips == ("drink",)
    assert index.limited(2).coverage() == coverage
    assert [clip.id for clip in index.limited(2).clips] == ["1", "2"]


def test_split_class_list_and_subset_filter(wlasl: Path) -> None:
    (wlasl / "classes.txt").write_text("0\tbook\n1\tlosear\n2\tdrink\n")
    (wlasl / "nslt.json").write_text(json.dumps({"1": {}, "5": {}, "99": {}}))
    index = read_wlasl(
        wlasl / "index.json", wlasl / "videos", wlasl / "classes.txt", "train", wlasl / "nslt.json"
    )
    assert [clip.id for clip in index.clips] == ["1", "5"]
    assert any("'losear' is 'lose'" in note for note in index.notes)
    assert any("99" in note for note in index.notes)


def test_a_short_class_list_keeps_only_its_glosses(wlasl: Path) -> None:
    (wlasl / "classes.txt").write_text("lose\nnothing\n")
    index = read_wlasl(wlasl / "index.json", wlasl / "videos", wlasl / "classes.txt")
    assert {clip.gloss for clip in index.clips + index.missing} == {"lose"}
    assert any("'nothing' is not in the json" in note for note in index.notes)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"1": {}}, "--subset"),
        ([{"gloss": "a"}], "instances"),
        ([{"instances": []}], "gloss"),
        ([{"gloss": "a", "instances": [instance("1", "dev")]}], "split 'dev'"),
        ([{"gloss": "a", "instances": [instance("1", frame_start="2")]}], "frame range"),
        ([{"gloss": "a", "instances": [instance("1"), instance("1")]}], "twice"),
        ([{"gloss": "a", "instances": [instance("a\0b")]}], "video_id"),
        ([{"gloss": "a", "instances": [instance("zzz")]}], "none of the 1 videos"),
    ],
)
def test_a_wrong_json_is_refused_with_the_reason(tmp_path: Path, entries: Any, message: str) -> None:
    (tmp_path / "index.json").write_text(json.dumps(entries))
    (tmp_path / "1.mp4").write_bytes(b"x")
    with pytest.raises(IndexFileError, match=message):
        read_wlasl(tmp_path / "index.json", tmp_path)


@pytest.mark.parametrize("video_id", ["../secret", "/etc/secret", "sub/1"])
def test_an_id_cannot_leave_the_video_folder(tmp_path: Path, video_id: str) -> None:
    (tmp_path / "videos" / "sub").mkdir(parents=True)
    for place in ("secret.mp4", "videos/ok.mp4", "videos/sub/1.mp4"):
        (tmp_path / place).write_bytes(b"x")
    entries = [{"gloss": "a", "instances": [instance("ok"), instance(video_id)]}]
    (tmp_path / "index.json").write_text(json.dumps(entries))
    index = read_wlasl(tmp_path / "index.json", tmp_path / "videos")
    assert [clip.id for clip in index.clips] == ["ok"]
    assert [clip.id for clip in index.missing] == [video_id]


def test_csv_paths_are_relative_to_the_csv(tmp_path: Path) -> None:
    (tmp_path / "v").mkdir()
    (tmp_path / "v" / "a.mp4").write_bytes(b"x")
    (tmp_path / "mine.csv").write_text(
        "path,gloss,split,signer\nv/a.mp4,hello,train,anna\nv/b.mp4,hello,test,ben\n"
    )
    index = read_index(tmp_path / "mine.csv")
    (clip,) = index.clips
    assert (clip.id, clip.gloss, clip.split, clip.signer) == ("v/a.mp4", "hello", "train", "anna")
    assert [clip.split for clip in index.missing] == ["test"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,gloss\na.mp4,x\n", "columns path and gloss"),
        ("path,gloss\na.mp4,\n", "line 2"),
        ("path,gloss,split\na.mp4,x,dev\n", "'dev'"),
        ("path,gloss\na.mp4,x\na.mp4,y\n", "twice"),
        ("path,gloss,frame_start\na.mp4,x,one\n", "whole numbers"),
    ],
)
def test_a_wrong_csv_is_refused_with_the_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mine.csv").write_text(text)
    with pytest.raises(IndexFileError, match=message):
        read_index(tmp_path / "mine.csv")


def test_a_folder_per_gloss_is_divided(tmp_path: Path) -> None:
    for gloss in ("hello", "thanks"):
        (tmp_path / gloss).mkdir()
        for take in range(6):
            (tmp_path / gloss / f"{take}.mp4").write_bytes(b"x")
    index = read_index(tmp_path)
    assert len(index.clips) == 12
    assert [clip.id for clip in index.clips if clip.split == "val"] == ["hello/4.mp4", "thanks/4.mp4"]
    assert len(read_index(tmp_path, split="train").clips) == 10
    assert any("val" in note for note in index.notes)


def test_a_folder_may_hold_its_splits(tmp_path: Path) -> None:
    for place in ("train/hello", "test/hello"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "a.webm").write_bytes(b"x")
    assert {(clip.id, clip.split) for clip in read_index(tmp_path).clips} == {
        ("train/hello/a.webm", "train"),
        ("test/hello/a.webm", "test"),
    }


def touched(*places: Path) -> None:
    for place in places:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"x")


def test_folders_beside_the_splits_are_left_out_or_said(tmp_path: Path) -> None:
    touched(tmp_path / "train/hello/1.mp4", tmp_path / "val/hello/1.mp4")
    (tmp_path / "notes").mkdir()
    index = read_index(tmp_path)
    assert {(clip.gloss, clip.split) for clip in index.clips} == {("hello", "train"), ("hello", "val")}
    assert any("left out: notes" in note for note in index.notes)
    touched(tmp_path / "bye/1.mp4")  # and now train and val are words, as they are in WLASL
    index = read_index(tmp_path)
    assert {clip.gloss for clip in index.clips} == {"train", "val", "bye"}
    assert any("taken for glosses" in note and "bye" in note for note in index.notes)


@pytest.mark.parametrize("header", ["path,gloss, split, signer", "Path,Gloss,Split,Signer"])
def test_columns_may_have_spaces_and_capitals(tmp_path: Path, header: str) -> None:
    touched(tmp_path / "1.mp4")
    (tmp_path / "mine.csv").write_text(f"{header}\n1.mp4,hello,test,anna\n")
    (clip,) = read_index(tmp_path / "mine.csv").clips
    assert (clip.split, clip.signer) == ("test", "anna")


def test_a_mistyped_column_is_told(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("path,gloss,spilt,my notes\n1.mp4,hello,test,x\n")
    with pytest.raises(IndexFileError, match=r"spilt.*; did you mean split"):
        read_index(tmp_path / "mine.csv")


def test_hidden_files_are_no_takes(tmp_path: Path) -> None:
    touched(tmp_path / "hello/1.mp4", tmp_path / "hello/._1.mp4", tmp_path / "hello/anna/._2.mp4")
    assert [clip.id for clip in read_index(tmp_path).clips] == ["hello/1.mp4"]


@pytest.mark.parametrize("split", ["", "test"])
def test_folders_may_say_who_signs(tmp_path: Path, split: str) -> None:
    root = tmp_path / split
    touched(root / "hello/anna/1.mp4", root / "hello/ben/1.mp4", root / "hello/3.mp4")
    assert {(clip.gloss, clip.signer, clip.path.name) for clip in read_index(tmp_path).clips} == {
        ("hello", "anna", "1.mp4"),
        ("hello", "ben", "1.mp4"),
        ("hello", "", "3.mp4"),
    }


def test_clips_keep_the_split_that_they_were_given_before(tmp_path: Path) -> None:
    touched(*(tmp_path / f"hello/{take}.mp4" for take in (3, 4, 5, 6, 7)))
    first = {clip.id: clip.split for clip in read_index(tmp_path).clips}
    assert [name for name, split in first.items() if split == "val"] == ["hello/7.mp4"]
    touched(*(tmp_path / f"hello/{take}.mp4" for take in (0, 1, 2, 8)))
    then = {clip.id: clip.split for clip in read_index(tmp_path, kept=first).clips}
    assert then == first | {f"hello/{take}.mp4": "train" for take in (0, 1, 2, 8)}
    touched(tmp_path / "hello/9.mp4")
    last = {clip.id: clip.split for clip in read_index(tmp_path, kept=then).clips}
    assert last == then | {"hello/9.mp4": "val"}


def test_what_a_folder_of_recordings_leaves_out_is_said(tmp_path: Path) -> None:
    touched(tmp_path / "hello/1.mp4", tmp_path / "loose.mp4", tmp_path / "readme.txt")
    (tmp_path / "thanks").mkdir()
    notes = read_index(tmp_path).notes
    assert any("loose.mp4" in note and "readme" not in note for note in notes)
    assert any("no videos in the folders of: thanks" in note for note in notes)
    assert any("--split_by signer" in note and "GLOSS/SIGNER" in note for note in notes)


def test_known_signers_need_no_advice_how_to_name_them(tmp_path: Path) -> None:
    touched(tmp_path / "hello/anna/1.mp4", tmp_path / "hello/ben/1.mp4")
    (note,) = read_index(tmp_path).notes
    assert "--split_by signer validates on people" in note and "GLOSS/SIGNER" not in note
    assert "these have none in val: hello" in note


def test_an_empty_folder_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(IndexFileError, match="one folder per gloss"):
        read_index(tmp_path)
    with pytest.raises(IndexFileError, match="neither"):
        read_index(tmp_path / "nowhere")


def test_a_class_list_and_a_subset_in_each_others_place(wlasl: Path) -> None:
    (wlasl / "nslt_100.json").write_text("{}")
    (wlasl / "classes.txt").write_text("0\tbook\n")
    with pytest.raises(IndexFileError, match="goes to --subset"):
        read_wlasl(wlasl / "index.json", wlasl / "videos", wlasl / "nslt_100.json")
    with pytest.raises(IndexFileError, match="goes to --class_list"):
        read_wlasl(wlasl / "index.json", wlasl / "videos", subset=wlasl / "classes.txt")


def test_class_list_errors(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(IndexFileError, match="empty"):
        read_class_list(tmp_path / "empty.txt")
    with pytest.raises(IndexFileError, match="cannot be read"):
        read_class_list(tmp_path / "none.txt")


def test_the_real_wlasl_index(data_dir: Path) -> None:
    wlasl = data_dir / "wlasl"
    index = read_wlasl(wlasl / "WLASL_v0.3.json", wlasl / "videos", wlasl / "wlasl_class_list.txt")
    assert index.coverage().per_split == {
        "train": (14289, 671, 13618),
        "val": (3916, 147, 3769),
        "test": (2878, 0, 2878),
    }
    small = read_wlasl(wlasl / "WLASL_v0.3.json", wlasl / "videos", subset=wlasl / "nslt_100.json")
    assert (len(small.clips), len(small.missing)) == (818, 1220)
