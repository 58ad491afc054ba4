"""The log of a run: one JSON line per event, whatever happens to the run or to the disk."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numbered_video import numbered_frames, write_video

from toolkit.cli.main import main
from toolkit.errors import ConfigError, StoreError
from toolkit.run_log import EventLog


def events(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_without_a_file_nothing_happens(tmp_path: Path) -> None:
    with EventLog(None, "extract", {}) as log:
        log("clip done", id="a")
    assert list(tmp_path.iterdir()) == []


def test_events_come_with_their_time_and_can_hold_any_value(tmp_path: Path) -> None:
    with EventLog(tmp_path / "new" / "log.jsonl", "extract", {"store": tmp_path}) as log:
        log("clip done", id="漢\ud800", seconds=np.float32(0.5), path=tmp_path)
    first, second = events(tmp_path / "new" / "log.jsonl")
    assert first["event"] == "started" and first["settings"] == {"store": str(tmp_path)}
    assert second["event"] == "clip done" and second["path"] == str(tmp_path)
    assert second["time"].endswith("Z") and second["time"] >= first["time"]


def test_a_run_that_fails_or_is_stopped_says_so_and_the_next_one_appends(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    for error in (StoreError("the disk is full"), KeyboardInterrupt()):
        with pytest.raises(type(error)), EventLog(path, "extract", {}):
            raise error
    found = events(path)
    assert [event["event"] for event in found] == ["started", "failed", "started", "stopped"]
    assert found[1]["error"] == "StoreError: the disk is full"


def test_a_log_that_cannot_be_written_is_named_before_the_run_begins(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--log_file"):
        EventLog(tmp_path, "extract", {})


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is a full disk on Linux")
def test_a_full_disk_costs_the_log_and_not_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    with EventLog(Path("/dev/full"), "extract", {}) as log:
        log("clip done", id="a")
    assert capsys.readouterr().err.count("cannot be written any more") == 1


def test_an_extraction_is_explained_by_its_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        write_video(tmp_path / "in" / "book" / f"{name}.mp4", numbered_frames(12))
    (tmp_path / "in" / "book" / "broken.mp4").write_bytes(b"no video")
    words = ["extract", "--mode", "features", "--index", str(tmp_path / "in"), "--workers", "1"]
    words += ["--output_dir", str(tmp_path / "store"), "--log_file", str(tmp_path / "log.jsonl")]
    assert [main(words), main(words)] == [1, 1]
    found = events(tmp_path / "log.jsonl")
    assert [event["event"] for event in found] == [
        "started", "store opened", "clip done", "clip done", "clip failed", "finished",
        "started", "store opened", "finished",
    ]  # fmt: skip
    opened, failed, last = found[1], found[4], found[-1]
    assert (opened["to_do"], opened["there"], opened["spec"]["mode"]) == (3, 0, "features")
    assert all(event["seconds"] > 0 for event in found[2:5])
    assert failed["id"] == "book/broken.mp4" and "broken.mp4" in failed["error"]
    assert (found[5]["done"], found[5]["skipped"], last["done"], last["skipped"]) == (2, 0, 0, 2)
    assert len(capsys.readouterr().out.splitlines()) < 2 * 24  # a summary fits a screen
