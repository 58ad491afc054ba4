"""`toolkit show`: what was found, to look at."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from numbered_video import numbered_frames
from numbered_video import write_video as write_numbered

from toolkit.demo.take import FPS, draw_clip
from toolkit.video import count_frames
from toolkit.video_writer import write_video


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "wave.mp4"
    write_video(path, draw_clip("wave", 0).frames, FPS)
    return path


def show(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "toolkit", "show", *words], capture_output=True, text=True, check=False
    )


def test_a_strip_and_a_video_are_written(clip: Path, tmp_path: Path) -> None:
    strip, video = tmp_path / "look.png", tmp_path / "look.mp4"
    done = show(str(clip), "--landmarks", "body_hands", "--num_frames", "6", "--output", str(strip), "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["frames"] == 6 and answer["quality"]["detection_rate"] == 1.0
    assert answer["quality"]["right_hand_rate"] > 0.5
    assert cv2.imread(str(strip)).shape == (240, 6 * 320, 3)
    assert show(str(clip), "--output", str(video)).returncode == 0
    assert count_frames(video) == count_frames(clip)


def test_a_video_of_a_part_has_the_part_only(clip: Path, tmp_path: Path) -> None:
    video = tmp_path / "part.mp4"
    assert show(str(clip), "--frame_start", "3", "--frame_end", "8", "--output", str(video)).returncode == 0
    assert count_frames(video) == 6


def test_a_recording_that_changes_its_size_is_shown(tmp_path: Path) -> None:
    parts = [write_numbered(tmp_path / f"{h}.ts", numbered_frames(8, h, h), "mpeg2video") for h in (48, 96)]
    (tmp_path / "changing.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    done = show(str(tmp_path / "changing.ts"), "--output", str(tmp_path / "look.mp4"))
    assert done.returncode == 0, done.stderr
    assert count_frames(tmp_path / "look.mp4") == count_frames(tmp_path / "changing.ts")


def test_what_cannot_be_shown_is_named(clip: Path, tmp_path: Path) -> None:
    for flags, message in (
        (("--output", str(tmp_path / "look.gif")), "look.gif should end in"),
        (("--output", str(tmp_path / "nowhere" / "look.mp4")), "there is no folder"),
        (("--mode", "features"), "only landmarks can be drawn"),
        (("--backend", "mediapipe", "--network", "lite"), "leave them out"),
    ):
        done = show(str(clip), *flags)
        assert done.returncode == 2 and message in done.stderr
