"""A row slowed on purpose is caught by `bench compare`; a row that memory is too small for fails as a row."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from numbered_video import numbered_frames, write_video

from bench.cli import main
from bench.collect import collect
from bench.environment import describe
from bench.plan import ROWS, Job, Options
from bench.results import Results
from bench.run import Measured, run_job
from bench.worker import SLOWED
from toolkit.clips import Clip

ROUNDS = 2
DECODING = "extract video (decode only)"


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder per gloss."""
    folder = tmp_path_factory.mktemp("recordings")
    for gloss in ("black", "white"):
        for take in range(2):
            frames = numbered_frames(20 + take)
            write_video(folder / gloss / f"{take}.mp4", 255 - frames if gloss == "white" else frames)
    return folder


def measure(recordings: Path, folder: Path) -> Path:
    """The rows `machine` and decoding, in processes of their own, round after round -> results.json."""
    folder.mkdir()
    clips = tuple(
        Clip(path.stem, path.parent.name, "train", "", path) for path in sorted(recordings.rglob("*.mp4"))
    )
    options = Options.quick_ones(modes=("video",), clips=len(clips), repeats=ROUNDS)
    measured = [Measured(row) for row in ROWS if row.name in ("machine", DECODING)]
    for number in range(ROUNDS):
        for place, one in enumerate(measured):
            answer = run_job(Job(one.row, options, clips, folder / f"{number}-{place}"))
            one.rounds.append(answer["figures"])
    path = folder / "results.json"
    collect(options, clips, measured, describe(), []).save(path)
    return path


def test_a_row_slowed_on_purpose_is_caught(
    recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = measure(recordings, tmp_path / "before")
    monkeypatch.setenv(SLOWED, f"{DECODING}=2")  # of some milliseconds per clip
    after = measure(recordings, tmp_path / "after")
    assert main(["compare", str(before), str(after), "--tolerance", "20%"]) == 1
    line = next(line for line in capsys.readouterr().out.splitlines() if "wall time per clip" in line)
    assert DECODING in line and "worse" in line
    assert main(["compare", str(before), str(before)]) == 0
    walls = [
        row.figures["wall_s_per_clip"].median for row in Results.load(after).rows if row.name == DECODING
    ]
    assert walls[0] > 2


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="RLIMIT_DATA counts on Linux only")
def test_what_does_not_fit_into_the_memory_fails_as_a_row(recordings: Path, tmp_path: Path) -> None:
    words = ["run", "--index", str(recordings), "--output_dir", str(tmp_path), "--modes", "video", "--quick"]
    words += ["--profile", "low-end", "--memory_mb", "110", "--repeats", "1", "--clips", "4"]
    assert main(words) == 1
    found = Results.load(tmp_path / "results.json")
    status = {row.name: (row.status, row.reason) for row in found.rows}
    assert status["floor"][0] == status[DECODING][0] == "ok"
    assert status["hold video"][0] == status["train video"][0] == "failed"
    # what is refused its memory first differs: numpy, the decoder, the conversion
    assert status["hold video"][1].startswith("does not fit into 110 MB: ")
    assert "110 MB" in status["train video"][1]
    note = next(note for note in found.notes if note.startswith("--profile low-end"))
    assert "one core per row" in note and "at most 110 MB per row (RLIMIT_DATA)" in note
