"""Frame sampling on real files: WLASL clips, 31 containers and codecs, and files that are broken."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from toolkit.errors import VideoReadError
from toolkit.video import count_frames, sample_frames
from toolkit.video_order import wanted_indices

FRAMES = 16
EVERY = 20  # of the WLASL clips; all of them take two minutes
# What decodes nothing at all; every other file of that folder gives what is left of it.
HOPELESS = {
    "audio_only.mp4", "broken_lfs_pointer.mp4", "broken_random_bytes.mp4", "broken_text.mp4",
    "broken_truncated_no_moov.mp4", "broken_zero_bytes.mp4", "mangled_00376.mp4", "mangled_00381.mp4",
    "mangled_00382.mp4", "mangled_00414.mp4", "mangled_00421.mp4", "mangled_00433.mp4",
}  # fmt: skip


def assert_exact(path: Path) -> int:
    """The sampled frames are those of the full decoding at the wanted places; returns how many it has."""
    total = count_frames(path)
    wanted = wanted_indices(total, FRAMES)
    # all frames, by asking for as many as there are
    everything = [frame for place, frame in enumerate(sample_frames(path, total)) if place in set(wanted)]
    expected = dict(zip(sorted(set(wanted)), everything, strict=True))
    sampled = list(sample_frames(path, FRAMES))
    assert len(sampled) == FRAMES
    for place, frame in zip(wanted, sampled, strict=True):
        assert frame.ndim == 3 and frame.shape[2] == 3 and frame.dtype == np.uint8
        np.testing.assert_array_equal(frame, expected[place])
    return total


def test_wlasl_clips_give_the_exact_frames(data_dir: Path) -> None:
    with (data_dir / "wlasl" / "videos_manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))[::EVERY]
    assert len(rows) > 30
    for row in rows:
        path = data_dir / "wlasl" / "videos" / f"{row['video_id']}.mp4"
        assert assert_exact(path) == int(row["decoded_frames"]), path.name


def test_every_codec_is_read(data_dir: Path) -> None:
    files = sorted((data_dir / "codecs").iterdir())
    assert len(files) == 31
    for path in files:
        assert_exact(path)


def test_rotation_and_pixel_aspect_are_honoured(data_dir: Path) -> None:
    shapes = {
        name: next(sample_frames(data_dir / "codecs" / name, 1)).shape
        for name in ("rotate_90.mp4", "rotate_180.mp4", "rotate_270.mp4", "sar_4_3.mp4")
    }
    assert shapes["rotate_90.mp4"] == shapes["rotate_270.mp4"] == (640, 480, 3)
    assert shapes["rotate_180.mp4"] == shapes["sar_4_3.mp4"] == (480, 640, 3)


def test_broken_files_give_frames_or_their_name(data_dir: Path) -> None:
    hopeless = set()
    for path in sorted((data_dir / "bad_videos").iterdir()):
        try:
            frames = list(sample_frames(path, FRAMES))
        except VideoReadError as error:
            assert path.name in str(error)
            hopeless.add(path.name)
        else:
            assert len(frames) == FRAMES
    assert hopeless == HOPELESS
