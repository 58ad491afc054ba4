"""The drawn data set: WLASL's format, signer-independent splits, exact frames, signs that differ as they should."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest

from toolkit.class_list import read_class_list
from toolkit.clips import read_wlasl
from toolkit.demo.dataset import DatasetPaths, write_dataset
from toolkit.demo.scene import LABEL_COLOUR
from toolkit.demo.signs import MOTION_PAIRS, SIGNS, HandPose
from toolkit.demo.skeleton import JOINT_NAMES, Camera, bend_arm
from toolkit.demo.take import FPS, HEIGHT, LEFT_HANDED_SIGNER, MAX_FRAMES, MIN_FRAMES, WIDTH, draw_clip
from toolkit.errors import ConfigError
from toolkit.video import count_frames, sample_frames
from toolkit.video_writer import ENCODERS, write_video

GLOSSES, SIGNERS = 2, 4
WLASL_KEYS = [
    "bbox", "fps", "frame_end", "frame_start", "instance_id", "signer_id", "source", "split", "url",
    "variation_id", "video_id",
]  # fmt: skip


@pytest.fixture(scope="module")
def progress() -> list[tuple[int, int]]:
    return []


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory, progress: list[tuple[int, int]]) -> DatasetPaths:
    def report(done: int, total: int) -> None:
        progress.append((done, total))

    return write_dataset(tmp_path_factory.mktemp("demo"), GLOSSES, SIGNERS, progress=report)


def test_json_has_the_keys_of_wlasl(dataset: DatasetPaths) -> None:
    index = json.loads(dataset.json_path.read_text(encoding="utf-8"))
    assert [entry["gloss"] for entry in index] == list(SIGNS)[:GLOSSES]
    for entry in index:
        assert list(entry) == ["gloss", "instances"]
        for instance in entry["instances"]:
            assert list(instance) == WLASL_KEYS
            left, top, right, bottom = instance["bbox"]
            assert 0 <= left < right <= WIDTH
            assert 0 <= top < bottom <= HEIGHT


def test_every_clip_is_found_under_its_split(dataset: DatasetPaths) -> None:
    signers_of = {}
    for split in ("train", "val", "test"):
        found = read_wlasl(dataset.json_path, dataset.video_dir, dataset.class_list, split=split)
        assert not found.missing
        signers_of[split] = {clip.signer for clip in found.clips}
        assert len(found.clips) == GLOSSES * len(signers_of[split])
    assert signers_of == {"train": {"0", "1"}, "val": {"2"}, "test": {"3"}}


def test_class_list_is_numbered(dataset: DatasetPaths) -> None:
    lines = dataset.class_list.read_text(encoding="utf-8").splitlines()
    assert lines == [f"{number}\t{gloss}" for number, gloss in enumerate(list(SIGNS)[:GLOSSES])]
    assert list(read_class_list(dataset.class_list)) == list(SIGNS)[:GLOSSES]


def test_progress_counts_every_clip(dataset: DatasetPaths, progress: list[tuple[int, int]]) -> None:
    total = GLOSSES * SIGNERS
    assert progress == [(done, total) for done in range(1, total + 1)]


def test_videos_hold_the_drawn_frames(dataset: DatasetPaths) -> None:
    with np.load(dataset.joints, allow_pickle=False) as joints:
        for video_id in joints.files:
            assert joints[video_id].shape == (
                count_frames(dataset.video_dir / f"{video_id}.mp4"),
                len(JOINT_NAMES),
                2,
            )
        drawn = draw_clip(next(iter(SIGNS)), signer=0)
        np.testing.assert_array_equal(joints["00000"], drawn.joints)
    assert MIN_FRAMES <= len(drawn.frames) <= MAX_FRAMES
    decoded = np.stack(list(sample_frames(dataset.video_dir / "00000.mp4", len(drawn.frames))))
    error = np.abs(decoded.astype(int) - drawn.frames).mean(axis=(1, 2, 3))
    # Lossy compression costs about 2 of 255 on every frame; a wrong colour order or a shifted frame far more.
    assert error.max() < 4


def test_a_clip_is_the_same_every_time_and_no_two_takes_are() -> None:
    first, again, other = (draw_clip("push", 2, seed=5, take=take) for take in (0, 0, 1))
    np.testing.assert_array_equal(first.frames, again.frames)
    assert first.joints.shape != other.joints.shape or not np.allclose(first.joints, other.joints)


def test_every_frame_is_labelled(dataset: DatasetPaths) -> None:
    frames = draw_clip("cross", 1).frames
    corner = frames[:, HEIGHT - 20 :, :90].astype(int)
    ink = np.abs(corner - LABEL_COLOUR).max(axis=-1) < 60
    wall = np.abs(frames[:, HEIGHT - 45 : HEIGHT - 25, :90].astype(int) - LABEL_COLOUR).max(axis=-1) < 60
    assert ink.sum(axis=(1, 2)).min() > 80
    assert wall.sum() == 0


@pytest.mark.parametrize(("signer", "hand"), [(0, "right"), (LEFT_HANDED_SIGNER, "left")])
def test_one_signer_is_left_handed(signer: int, hand: str) -> None:
    joints = draw_clip("wave", signer).joints
    height = {side: joints[:, JOINT_NAMES.index(f"{side}_wrist"), 1].min() for side in ("left", "right")}
    assert min(height, key=height.__getitem__) == hand


def _numbers(hand: HandPose) -> list[float]:
    # degrees of the hand's angle weigh as little as hundredths of a head
    return [hand.out, hand.down, hand.near, hand.angle / 100, *hand.curl]


@pytest.mark.parametrize(("one", "other"), MOTION_PAIRS)
def test_motion_pairs_share_every_posture(one: str, other: str) -> None:
    times = np.linspace(0, 1, 301)
    a, b = (
        np.array([np.concatenate([_numbers(h) for h in SIGNS[name](t)]) for t in times])
        for name in (one, other)
    )
    distance = np.linalg.norm(a[:, None] - b[None], axis=2)
    assert max(distance.min(axis=0).max(), distance.min(axis=1).max()) < 0.02
    assert np.linalg.norm(a - b, axis=1).max() > 0.5


@pytest.mark.parametrize("gloss", SIGNS)
def test_wrists_stay_in_the_picture(gloss: str) -> None:
    largest, lowest = 0.195 * 1.03 * HEIGHT, 0.415 * HEIGHT
    camera = Camera(np.array([0.5 * WIDTH, lowest]), largest, 0.0)
    for t in np.linspace(0, 1, 60):
        for side, hand in zip((-1, 1), SIGNS[gloss](float(t)), strict=True):
            arm = bend_arm(side, 1.08, np.array([side * hand.out, hand.down, hand.near]))
            x, y = camera.project(arm.wrist)
            assert 0 < x < WIDTH
            assert 0 < y < HEIGHT


@pytest.mark.parametrize(("name", "value"), [("glosses", 1), ("glosses", 99), ("signers", 3), ("takes", 0)])
def test_impossible_numbers_are_named(tmp_path: Path, name: str, value: int) -> None:
    with pytest.raises(ConfigError, match=f"{name} is {value}"):
        write_dataset(tmp_path, **{name: value})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("encoder", [name for name, _ in ENCODERS])
def test_every_encoder_keeps_every_frame(tmp_path: Path, encoder: str) -> None:
    try:
        av.codec.Codec(encoder, "w")
    except av.codec.codec.UnknownCodecError:
        pytest.skip(f"this PyAV has no encoder {encoder}")
    frames = draw_clip("raise", 0).frames
    write_video(tmp_path / "clip.mp4", frames, FPS, encoder)
    decoded = np.stack(list(sample_frames(tmp_path / "clip.mp4", len(frames))))
    assert count_frames(tmp_path / "clip.mp4") == len(frames)
    assert np.abs(decoded.astype(int) - frames).mean(axis=(1, 2, 3)).max() < 6


def test_an_unknown_sign_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"no sign 'whistle'.*wave"):
        draw_clip("whistle", 0)
