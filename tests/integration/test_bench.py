"""`bench run` with real videos, networks and training, every row in its own process."""

from __future__ import annotations

import json
import platform
from pathlib import Path

import numpy as np
import pytest
from numbered_video import numbered_frames, write_video

from bench.cli import main
from bench.collect import collect
from bench.environment import describe
from bench.guide import clip_bytes
from bench.plan import Job, Options, Row
from bench.report import write_files
from bench.results import Results
from bench.run import run_job, usable_clips
from toolkit.clips import Clip
from toolkit.recordings import read_index

GLOSSES, TAKES = ("black", "white"), 2
SMALL = ["--quick", "--repeats", "1", "--clips", str(len(GLOSSES) * TAKES)]


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder per gloss."""
    folder = tmp_path_factory.mktemp("recordings")
    for gloss in GLOSSES:
        for take in range(TAKES):
            frames = numbered_frames(20 + take)
            write_video(folder / gloss / f"{take}.mp4", 255 - frames if gloss == "white" else frames)
    return folder


@pytest.fixture(scope="module")
def results(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[int, Results, Path]:
    """Exit status and result of one run in all modes."""
    folder = tmp_path_factory.mktemp("results")
    status = main(["run", "--index", str(recordings), "--output_dir", str(folder), *SMALL])
    return status, Results.load(folder / "results.json"), folder


def test_a_row_that_fails_gives_its_reason_and_the_others_go_on(results: tuple[int, Results, Path]) -> None:
    status, found, _ = results
    failed = {row.name: row.reason for row in found.rows if row.status != "ok"}
    assert status == 1 and set(failed) == {"train pose"}
    assert "no usable clip" in failed["train pose"], "nobody is to be seen in these videos"


def test_a_row_that_cannot_run_gives_its_reason(recordings: Path, tmp_path: Path) -> None:
    row = Row("extract", "pose", "mediapipe", default=False)
    clips = read_index(recordings).clips
    answer = run_job(Job(row, Options(model_asset=str(tmp_path / "missing.task")), clips, tmp_path / "row"))
    assert "missing.task" in answer["error"] or "mediapipe" in answer["error"]


@pytest.mark.parametrize("mode", ["pose", "features", "video"])
def test_memory_per_batch_is_what_the_arithmetic_says(results: tuple[int, Results, Path], mode: str) -> None:
    row = results[1].find("hold", mode)
    assert row is not None
    expected = 4 * clip_bytes(mode)
    assert row.median("array_bytes_per_batch") == expected
    assert row.median("held_bytes_per_batch") == pytest.approx(expected, rel=0.1)
    assert row.sources["held_bytes_per_batch"] in ("RssAnon", "USS")


def test_disk_per_clip_is_what_lies_on_the_disk(results: tuple[int, Results, Path], recordings: Path) -> None:
    _, found, _ = results
    videos = [path.stat().st_size for path in recordings.rglob("*.mp4")]
    video, features = found.find("extract", "video"), found.find("extract", "features")
    assert video is not None and features is not None
    assert video.median("stored_bytes_per_clip") == pytest.approx(np.mean(videos))
    stored = features.median("stored_bytes_per_clip")
    assert stored is not None and clip_bytes("features") < stored < 1.3 * clip_bytes("features")


def test_training_rows_time_the_real_training(results: tuple[int, Results, Path]) -> None:
    _, found, _ = results
    for mode in ("features", "video"):
        row = found.find("train", mode)
        assert row is not None
        figures = {name: summary.median for name, summary in row.figures.items()}
        assert figures["clips_per_s"] == pytest.approx(4 * figures["steps_per_s"])
        assert figures["cpu_s_per_step"] == pytest.approx(4 * figures["cpu_s_per_clip"])
        assert figures["cpu_s_per_step"] > 0
        assert figures["parameters"] > 100_000  # the guide's transformer, not a stand-in
        floor = found.rows[0].median("peak_bytes")
        assert floor is not None and figures["peak_bytes"] > 2 * floor


def test_features_are_compared_with_the_video_that_they_spare(
    results: tuple[int, Results, Path],
) -> None:
    features = results[1].find("train", "features")
    assert features is not None and features.compared_with == "train video"
    assert 0 < features.ratios["cpu_per_clip"].median < 1
    assert 0 < features.ratios["memory"].median < 1
    assert features.ratios["cpu_to_machine"].median > 0


def test_the_machine_and_what_the_rows_reach_of_it_are_measured(results: tuple[int, Results, Path]) -> None:
    own = next(row for row in results[1].rows if row.name == "machine")
    gflops, bandwidth = own.median("gemm_gflops"), own.median("copy_gb_per_s")
    assert gflops is not None and gflops > 0.1 and bandwidth is not None and bandwidth > 0.1
    row = results[1].find("extract", "features")
    per_frame = 383_907_552 + 1280 * 256  # the network and its projection
    assert row is not None and row.median("multiply_adds_per_clip") == 16 * per_frame
    share = row.median("reached")
    assert share is not None and 0 < share < 10
    assert (row.median("grown_bytes") or 0) > 0 and (row.median("cold_cpu_s") or 0) > 0


def test_page_and_picture_come_with_the_result_and_again_from_it(
    results: tuple[int, Results, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, _, folder = results
    assert main(["report", str(folder / "results.json"), "--output_dir", str(tmp_path / "again")]) == 0
    shown = capsys.readouterr().out
    for name in ("results.html", "results.md", "results.png"):
        assert (tmp_path / "again" / name).read_bytes()[:4] == (folder / name).read_bytes()[:4]
    page = (tmp_path / "again" / "results.md").read_text(encoding="utf-8")
    assert page == (folder / "results.md").read_text(encoding="utf-8")
    assert "wrong: 4.0x too high" in page and "wrong: 4.0x too high" in shown
    assert (folder / "results.png").read_bytes().startswith(b"\x89PNG")


def test_nothing_about_the_machines_folders_is_in_the_environment(results: tuple[int, Results, Path]) -> None:
    text = json.dumps(results[1].environment)
    assert platform.node() not in text or not platform.node()
    assert str(Path.home()) not in text


def test_json_is_the_last_line_of_stdout(
    recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["run", "--index", str(recordings), "--output_dir", str(tmp_path), "--modes", "video", "--json"]
    assert main([*words, *SMALL]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    path = Path(json.loads(last)["results"])
    assert {row.mode for row in Results.load(path).rows} == {"", "video"}


def test_a_run_goes_through_export_and_inference(recordings: Path, tmp_path: Path) -> None:
    """The rows that --quick leaves out, one after the other, each on what the one before made."""
    clips = tuple(
        Clip(f"{gloss}/{take}", gloss, "train", "", recordings / gloss / f"{take}.mp4")
        for gloss in GLOSSES
        for take in range(TAKES)
    )
    options = Options(modes=("features",), steps={"features": 3}, repeats=1)
    made: dict[str, dict[str, Path]] = {"stores": {}, "runs": {}, "models": {}}
    for stage, backend, product in (
        ("extract", "onnx", "stores"),
        ("train", "", "runs"),
        ("export", "", "models"),
        ("infer", "onnx", ""),
        ("infer", "onnx int8", ""),
        ("infer", "torch", ""),
    ):
        row = Row(stage, "features", backend)
        answer = run_job(Job(row, options, clips, tmp_path / f"{stage}{backend}", **made))
        assert "error" not in answer, answer
        if product:
            made[product]["features"] = Path(answer["made"])
        else:
            assert answer["figures"]["clips_per_s"] > 0
        if stage == "export":  # 16 frames through a transformer of 128 wide, and nothing like a CNN
            assert 1e6 < answer["figures"]["multiply_adds_per_clip"] < 1e8


def test_a_process_that_dies_is_a_reason_and_no_crash(recordings: Path, tmp_path: Path) -> None:
    clip = Clip("black/0", "black", "train", "", recordings / "black" / "0.mp4")
    job = Job(Row("no such stage"), Options(), (clip, clip), tmp_path / "work")
    assert "exit code 1" in run_job(job)["error"]
    assert "no such stage" in run_job(Job(job.row, job.options, job.clips, tmp_path / "other"))["error"]


def test_unreadable_clips_are_left_out_and_counted(recordings: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    good = recordings / "black"
    clips = [Clip(str(path), "black", "train", "", path) for path in (good / "0.mp4", broken, good / "1.mp4")]
    usable, notes = usable_clips(clips, 3)
    assert [clip.path for clip in usable] == [good / "0.mp4", good / "1.mp4"]
    assert notes == ["clips that cannot be read and were left out: 1, e.g. broken.mp4"]


def test_a_result_without_any_row_still_gives_a_page(tmp_path: Path) -> None:
    write_files(collect(Options(), [], [], describe(), []), tmp_path)
    assert (tmp_path / "results.png").stat().st_size > 0
