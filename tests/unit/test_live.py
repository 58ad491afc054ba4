"""`toolkit live` from a file: nothing lags, every frame where it is asked for, a window's picture, and cures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numbered_video import numbered_frames, write_video

from toolkit.cli.main import main
from toolkit.errors import ToolkitError, VideoReadError
from toolkit.landmarks import LAYOUTS
from toolkit.live.frames import LiveSource, Newest
from toolkit.live.panel import HEIGHT, SIDE, SURE, UNSURE, Panel, Status
from toolkit.live.text import fitted, readable, width_of
from toolkit.live.window import Window
from toolkit.stream import SignEvent
from toolkit.video import count_frames, sample_frames, timed_frames

VIDEO = Path(__file__).parent.parent / "data" / "tiny_video.onnx"
WORKING = Status(signing=True, fps=24.6, latency_ms=31.0, dropped=7)


def test_a_slow_reader_gets_the_newest_and_the_rest_is_counted() -> None:
    newest = Newest(iter(range(1000)))
    while newest.dropped < 999:
        time.sleep(0.001)
    assert list(newest) == [999]
    newest.close()


def test_what_goes_wrong_in_the_thread_is_told_to_the_reader() -> None:
    def broken() -> Any:
        yield 1
        raise VideoReadError("unplugged")

    newest, taken = Newest(broken()), []
    with pytest.raises(VideoReadError, match="unplugged"):
        taken += list(newest)


def test_every_frame_of_a_file_comes_with_its_moment(video: Callable[..., Path]) -> None:
    path = video("a.mp4", count=40)
    with LiveSource(str(path), every_frame=True) as source:
        frames = list(source)
    assert source.dropped == 0 and not source.is_camera
    steps = np.diff([frame.moment_s for frame in frames])
    assert frames[0].moment_s == 0 and steps == pytest.approx([steps[0]] * 39)
    for frame, expected in zip(frames, sample_frames(path, 40), strict=True):
        np.testing.assert_array_equal(frame.image, expected)


def test_a_file_runs_at_its_own_pace_and_late_frames_are_dropped(video: Callable[..., Path]) -> None:
    path = video("a.mp4", count=20)
    length = [moment for moment, _ in timed_frames(path)][-1]
    began = time.perf_counter()
    with LiveSource(str(path)) as source:
        seen = []
        for frame in source:
            seen.append(frame.moment_s)
            time.sleep(length / 4)
    assert time.perf_counter() - began >= length
    assert len(seen) + source.dropped == 20 and source.dropped > 0
    assert seen == sorted(seen)


def test_cameras_and_files_that_are_not_there_are_named_with_a_cure(tmp_path: Path) -> None:
    if not Path("/dev/video63").exists():
        with pytest.raises(VideoReadError, match=r"camera 63 cannot be opened.*--source"):
            LiveSource("63")
    with pytest.raises(VideoReadError, match=r"nothing\.mp4 does not exist"):
        LiveSource(str(tmp_path / "nothing.mp4"))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems always have a display")
@pytest.mark.parametrize("display", ["", ":4711"])
def test_without_a_display_headless_is_named(display: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(ToolkitError, match="--headless"):
        Window("no window")


def test_a_file_in_the_place_of_a_camera_is_told_where_it_goes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["live", str(VIDEO), "clip.mp4"])
    assert "Did you mean --source clip.mp4?" in capsys.readouterr().err


def test_headless_prints_a_line_per_sign_and_a_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    random = np.random.default_rng(0)
    still = np.full((20, 48, 64, 3), (200, 0, 0), np.uint8)
    moving = still[:1] + np.kron(
        random.integers(0, 50, (20, 6, 8, 3), np.uint8), np.ones((1, 8, 8, 1), np.uint8)
    )
    clip = write_video(tmp_path / "red.mp4", np.concatenate([still, moving, still]))
    words = ["live", str(VIDEO), "--source", str(clip), "--headless", "--every_frame", "--json"]
    assert main(words) == 0
    printed = capsys.readouterr()
    *lines, last = printed.out.splitlines()
    report = json.loads(last)
    assert (report["frames"], report["dropped"]) == (60, 0)
    assert [sign["gloss"] for sign in report["signs"]] == ["red"] == [line.split()[2] for line in lines]
    assert report["signs"][0]["top"][0] == ["red", report["signs"][0]["score"]]
    assert "60 pictures, 0 dropped" in printed.err
    assert main([*words, "--threshold", "1"]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    assert [sign["gloss"] for sign in json.loads(last)["signs"]] == [None] and "(unknown)" in lines[0]
    assert main([*words, "--max_seconds", "0"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["frames"] == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--threshold", "7"], "threshold is 7; give a score"),
        (["--threads", "0"], "threads is 0; give 1 to 256"),
        (["--threads", "100000"], "threads is 100000; give 1 to 256"),
        (["--every_frame"], "for files"),
    ],
)
def test_what_the_user_can_fix_is_status_2(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["live", str(VIDEO), "--headless", *words]) == 2
    assert told in capsys.readouterr().err


def test_live_loads_nothing_of_training(tmp_path: Path) -> None:
    clip = write_video(tmp_path / "a.mp4", numbered_frames(5))
    code = (
        "import sys; from toolkit.cli.main import main\n"
        f"main(['live', {str(VIDEO)!r}, '--source', {str(clip)!r}, '--headless', '--every_frame'])\n"
        "print(sorted({'torch', 'mediapipe', 'pydantic', 'matplotlib', 'onnx', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env={**os.environ}
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def event(score: float, final: bool = True) -> SignEvent:
    top = (("thank you", score), ("book", 0.2), ("drink", 0.05))
    return SignEvent("thank you" if score >= 0.5 else None, score, top, 0.0, 1.0, final)


@pytest.mark.parametrize("size", [(480, 640), (640, 360), (1080, 1920), (20, 300)])
def test_the_window_has_one_height_for_all_pictures(size: tuple[int, int]) -> None:
    panel = Panel(LAYOUTS["body"], 0.5)
    values = np.full((33, 4), 0.5, np.float32)
    shown = panel.draw(np.full((*size, 3), 90, np.uint8), values, WORKING)
    assert shown.shape[0] == HEIGHT and SIDE + HEIGHT // 2 <= shown.shape[1] <= SIDE + HEIGHT * 16 // 9 + 1


def test_bars_are_as_long_as_scores_and_green_when_they_count() -> None:
    def of_colour(score: float, colour: tuple[int, int, int]) -> int:
        panel = Panel(None, 0.5)
        panel.tell(event(score))
        side = panel.draw(np.zeros((60, 80, 3), np.uint8), None, Status(False, 1, 1, 0))[:, -SIDE:]
        return int((side == colour).all(axis=2).sum())

    assert of_colour(0.8, UNSURE) == of_colour(0.3, SURE) == 0
    assert 1.7 < of_colour(1.0, SURE) / of_colour(0.55, SURE) < 2.0
    assert of_colour(0.4, UNSURE) > 500


def test_the_skeleton_is_drawn_and_a_mirror_turns_it_round() -> None:
    layout, values = LAYOUTS["body"], np.full((33, 4), np.nan, np.float32)
    for slot, x in zip(layout.slots("left_shoulder", "left_elbow"), (0.1, 0.2), strict=True):
        values[slot] = (x, 0.5, 0, 1)
    black = np.zeros((300, 300, 3), np.uint8)
    plain, turned = (
        Panel(layout, 0.5, mirror).draw(black, values, WORKING)[:, :HEIGHT] for mirror in (False, True)
    )
    assert plain[:, :300].any() and not plain[:, 300:].any()
    assert turned[:, 300:].any() and not turned[:, :300].any()


def test_words_that_do_not_fit_are_cut_and_foreign_ones_stay_readable() -> None:
    long = "a very long gloss that nobody would give to a sign"
    cut = fitted(long, 22, 200)
    assert cut.endswith("...") and width_of(cut, 22) <= 200
    assert fitted("book", 22, 200) == "book"
    assert readable("Straße", None) == "Strae" and readable("ärger", None) == "arger"
    assert readable("كتاب", None) == "???"
    assert readable("كتاب", font=object()) == "باتك"


def test_the_moments_of_a_file_rise(data_dir: Path) -> None:
    path = next(iter(sorted((data_dir / "wlasl" / "videos").glob("*.mp4"))))
    moments = [moment for moment, _ in timed_frames(path)]
    assert len(moments) == count_frames(path) and (np.diff(moments) > 0).all()
