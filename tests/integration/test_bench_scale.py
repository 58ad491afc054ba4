"""`bench scale` with real processes; what is left after Ctrl-C; and measuring without videos or without any data."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from numbered_video import numbered_frames, write_video

from bench.cli import main
from bench.demo_clips import clips_or_demo
from bench.results import Results
from bench.scale import Sizes
from bench.scale_run import Measuring, collect_scale, measure_points
from toolkit.recordings import read_index
from toolkit.video import sample_frames

LONGEST_S = 120.0  # for the first two processes of a run, on a busy machine


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recordings")
    for gloss in ("black", "white"):
        for take in range(2):
            frames = numbered_frames(20 + take)
            write_video(folder / gloss / f"{take}.mp4", 255 - frames if gloss == "white" else frames)
    return folder


def test_every_point_is_measured_by_the_real_extraction_and_training(recordings: Path) -> None:
    sizes = Sizes("features", clips=(6,), workers=(1,), batches=(2,), frames=(8,), worker_clips=3,
                  frame_clips=2, steps=3, repeats=1)  # fmt: skip
    clips = read_index(recordings).clips
    measured: list[Measuring] = []
    steps: list[tuple[int, int]] = []
    measure_points(sizes, clips, measured, lambda done, total: steps.append((done, total)))
    assert steps == [(number, 6) for number in range(1, 7)]
    scale = collect_scale(sizes, clips, measured, {"load_per_core_before": 0.0}, [])
    assert [point.reason for point in scale.points] == [""] * 6
    (many,) = (figure for _, figure in scale.curve("clips", "extract", "data_bytes_per_clip"))
    (few_frames,) = (figure for _, figure in scale.curve("frames", "extract", "data_bytes_per_clip"))
    assert many.median == 16 * 128 * 4 and few_frames.median == 8 * 128 * 4
    for axis, stage in (
        ("clips", "extract"),
        ("workers", "extract"),
        ("batch size", "train"),
        ("frames", "train"),
    ):
        for figure in ("wall_s_per_clip", "cpu_s_per_clip", "peak_bytes"):
            assert scale.curve(axis, stage, figure)[0][1].median > 0
    extraction = scale.curve("workers", "extract", "peak_bytes")[0][1].median
    assert extraction > 100e6, "the worker process with its network is part of it"
    assert "extraction, 1 process" in {one.what for one in scale.forecasts}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for another process")
@pytest.mark.parametrize(
    "words", [["run", "--modes", "video"], ["scale", "--mode", "features"]], ids=["run", "scale"]
)
def test_ctrl_c_keeps_what_is_finished(recordings: Path, tmp_path: Path, words: list[str]) -> None:
    output = tmp_path / "results"
    earlier = output / "results.json"
    if words[0] == "run":  # beside the results of a run that was not stopped
        output.mkdir()
        earlier.write_text("{}")
    command = [
        sys.executable,
        "-m",
        "bench",
        *words,
        "--quick",
        "--index",
        str(recordings),
        "--output_dir",
        str(output),
    ]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment
    )
    try:
        until = time.monotonic() + LONGEST_S
        while len(list(tmp_path.glob("sign-bench-*/*.json"))) < 3:  # the job of the third process
            assert process.poll() is None, process.stderr and process.stderr.read()
            assert time.monotonic() < until
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, log = process.communicate(timeout=LONGEST_S)
    finally:
        process.kill()
    assert process.returncode == 130, log
    if words[0] == "run":
        assert earlier.read_text() == "{}"
        output /= "stopped"
    results = Results.load(output / "results.json")
    notes = results.notes if results.scale is None else results.scale.notes
    finished = results.rows if results.scale is None else results.scale.points
    assert any("Ctrl-C" in note for note in notes)
    assert 2 <= len(finished) <= 3
    assert (output / "results.md").exists()
    assert not list(tmp_path.glob("sign-bench-*")), "nothing is left in the temporary folder"


def test_a_finished_store_is_measured_without_its_videos(recordings: Path, tmp_path: Path) -> None:
    store, output = tmp_path / "store", tmp_path / "results"
    words = [
        "--mode",
        "features",
        "--index",
        str(recordings),
        "--output_dir",
        str(store),
        "--num_frames",
        "8",
    ]
    assert subprocess.run([sys.executable, "-m", "toolkit", "extract", *words], check=False).returncode == 0
    lines = [json.loads(line) for line in (store / "index.jsonl").read_text().splitlines()]
    assert len(lines) == 4
    assert main(["run", "--store", str(store), "--quick", "--repeats", "1", "--output_dir", str(output)]) in (
        0,
        1,
    )
    results = Results.load(output / "results.json")
    hold = results.find("hold", "features")
    assert hold is not None and hold.median("array_bytes_per_batch") == 4 * 8 * 128 * 4
    assert results.options["modes"] == ["features"] and results.options["num_frames"] == 8
    assert "extract" not in {row.stage for row in results.rows}
    assert any("records of 4096 bytes (float32)" in note for note in results.notes)
    assert str(tmp_path) not in (output / "results.json").read_text(encoding="utf-8")


def test_without_any_data_quick_draws_clips_of_several_glosses_and_takes_them_away_again() -> None:
    args = argparse.Namespace(json_path=None, index=None, quick=True)
    with clips_or_demo(args) as (index, notes):
        assert len({clip.gloss for clip in index.clips}) == 4 and len(index.clips) == 16
        assert len(list(sample_frames(index.clips[0].path, 4))) == 4
        assert "drawn" in notes[0]
    assert not index.clips[0].path.exists()
