"""Exact sampling of frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numbered_video import frame_numbers, numbered_frames, write_video
from numpy.typing import NDArray

from toolkit.errors import ToolkitError, VideoReadError
from toolkit.video import HELD_BYTES, count_frames, sample_frames, with_frames
from toolkit.video_order import wanted_indices


def test_indices_span_the_whole_clip_and_repeat_when_it_is_short() -> None:
    assert wanted_indices(31, 16) == list(range(0, 31, 2))
    assert wanted_indices(1, 4) == [0, 0, 0, 0]
    assert wanted_indices(2, 4) == [0, 0, 1, 1]
    assert wanted_indices(100, 1) == [0]


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (11, 20, (10, 19)),  # inside the file: honoured
        (11, -1, (10, 39)),  # to the end
        (11, 41, (0, 39)),  # one frame beyond the end: the file is already trimmed
        (900, 950, (0, 39)),  # numbers of the original upload
        (1, 40, (0, 39)),
    ],
)
def test_a_range_counts_only_if_it_lies_inside_the_file(
    video: Callable[..., Path], start: int, end: int, expected: tuple[int, int]
) -> None:
    frames = list(sample_frames(video("a.mp4", count=40), 5, start, end))
    numbers = frame_numbers(frames)
    assert (numbers[0], numbers[-1]) == expected


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "mpeg4"), ("a.avi", "mjpeg"), ("a.mkv", "ffv1")])
@pytest.mark.parametrize("count", [1, 2, 7, 16, 50, 110])
def test_the_very_frames_come_out_of_every_container(
    tmp_path: Path, name: str, codec: str, count: int
) -> None:
    path = write_video(tmp_path / name, numbered_frames(count), codec)
    frames = list(sample_frames(path, 16))
    assert frame_numbers(frames) == wanted_indices(count, 16)
    assert all(frame.shape == (48, 64, 3) and frame.dtype == np.uint8 for frame in frames)


def test_channels_are_rgb(tmp_path: Path) -> None:
    red = np.zeros((5, 48, 64, 3), np.uint8)
    red[..., 0] = 230
    frame = next(sample_frames(write_video(tmp_path / "red.mp4", red), 3))
    assert frame[..., 0].mean() > 180 > 60 > frame[..., 2].mean()


def test_frames_are_resized_when_asked(video: Callable[..., Path]) -> None:
    assert next(sample_frames(video("a.mp4"), 2, size=(224, 112))).shape == (112, 224, 3)


def test_what_follows_a_cut_is_lost_and_the_rest_still_counts(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", numbered_frames(60), "mjpeg")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    left = count_frames(path)
    assert 0 < left < 60
    assert frame_numbers(list(sample_frames(path, 8))) == wanted_indices(left, 8)


@pytest.mark.parametrize("content", [b"", b"not a video at all", bytes(range(256)) * 40])
def test_a_file_that_is_no_video_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.mp4"
    path.write_bytes(content)
    with pytest.raises(VideoReadError, match=r"broken\.mp4.*again"):
        sample_frames(path, 16)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    (tmp_path / "dir.mp4").mkdir()
    for name in ("none.mp4", "dir.mp4"):
        with pytest.raises(VideoReadError, match=name):
            sample_frames(tmp_path / name, 16)
    assert issubclass(VideoReadError, ToolkitError) and issubclass(VideoReadError, OSError)


@pytest.mark.parametrize("side", [48, 800])
@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "libx264"), ("a.avi", "mpeg4"), ("a.webm", "libvpx")])
def test_frames_that_are_not_held_are_the_same(tmp_path: Path, side: int, name: str, codec: str) -> None:
    path = write_video(tmp_path / name, numbered_frames(13, side, side), codec)
    assert (18 * side * side * 3 // 2 > HELD_BYTES) == (side == 800)
    for part in ((1, -1), (4, 9)):
        taken = with_frames(list, path, 18, *part)
        assert len(taken) == 18
        np.testing.assert_array_equal(taken, list(sample_frames(path, 18, *part)))


@pytest.mark.parametrize("side", [48, 800])
def test_a_hole_in_a_file_is_noticed_halfway_and_the_rest_counts(tmp_path: Path, side: int) -> None:
    path = write_video(tmp_path / "a.avi", numbered_frames(13, side, side), "mjpeg")
    content = bytearray(path.read_bytes())
    starts = [place for place in range(len(content)) if content[place : place + 3] == b"\xff\xd8\xff"]
    assert len(starts) == 13
    content[starts[6] : starts[7] - 8] = bytes(starts[7] - 8 - starts[6])
    path.write_bytes(content)
    taken: list[int] = []

    def use(frames: Iterator[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
        taken.append(0)
        kept = []
        for frame in frames:
            taken[-1] += 1
            kept.append(frame)
        return kept

    kept = with_frames(use, path, 18)
    assert count_frames(path) == 12 and set(frame_numbers(kept)) == set(range(13)) - {6}
    np.testing.assert_array_equal(kept, list(sample_frames(path, 18)))
    assert taken == ([18] if side == 48 else [0, wanted_indices(13, 18).index(6), 18])
