"""The pieces that describe a frame, against the same figures worked out one by one."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the train extra")

import torch

from toolkit.landmarks import get_layout
from toolkit.train.landmark_features import PIECES, describe
from toolkit.train.placement import HIP_TO_FACE, place_signer

LAYOUT = get_layout("body_hands")
FRAMES = 6
LEFT, RIGHT = 33, 54  # wrists of the two hands
TIPS = (4, 8, 12, 16, 20)


@pytest.fixture(scope="module")
def clip():
    """Three clips of a person whose every point is somewhere of its own, but near to where it belongs."""
    rng = np.random.default_rng(0)
    clips = rng.uniform(0.45, 0.55, (3, FRAMES, 75, 4))
    clips[:, :, LAYOUT.slots("left_shoulder"), 0] += 0.1
    clips[:, :, LAYOUT.slots("right_shoulder"), 0] -= 0.1
    clips[:, :, LAYOUT.slots("left_hip", "right_hip"), 1] += 0.4
    return clips.astype(np.float32)


def placed(clip):
    """(F, 75, 3) of one clip, as placement promises it."""
    xyz = clip[..., :3].astype(np.float64)
    left, right = LAYOUT.slots("left_shoulder", "right_shoulder")
    face = xyz[
        :,
        LAYOUT.slots("nose", "left_eye", "right_eye", "left_ear", "right_ear", "mouth_left", "mouth_right"),
        1,
    ]
    hips = xyz[:, LAYOUT.slots("left_hip", "right_hip"), 1]

    width = np.median(abs(xyz[:, left, 0] - xyz[:, right, 0]))
    height = np.median(abs(hips.mean(1) - face.mean(1))) / HIP_TO_FACE
    return (xyz - np.median((xyz[:, left] + xyz[:, right]) / 2, 0)) / [width, height, width]


def figures(clip, piece):
    """(3, F, d) of one piece, without velocities and presence."""
    return describe(torch.from_numpy(clip), LAYOUT, FRAMES, (piece,)).permute(1, 2, 0).numpy()


def distance(a, b):
    return np.linalg.norm(a - b, axis=-1)


def palm(points, wrist):
    return np.mean([distance(points[:, wrist + knuckle], points[:, wrist]) for knuckle in (5, 9, 13, 17)])


def test_points_are_placed_by_the_shoulders(clip):
    signer = place_signer(torch.from_numpy(clip), LAYOUT, FRAMES)
    for number in range(3):
        expected = placed(clip[number]).transpose(1, 2, 0)
        np.testing.assert_allclose(signer.points[:, :, number], expected, atol=1e-4)
    assert (signer.found == 1).all()


def test_hand_points_are_seen_from_the_wrist_in_palm_sizes(clip):
    for number in range(3):
        points = placed(clip[number])
        expected = [
            (points[:, wrist + 1 : wrist + 21, :2] - points[:, wrist, None, :2]).reshape(FRAMES, -1)
            / palm(points, wrist)
            for wrist in (LEFT, RIGHT)
        ]
        got = figures(clip, "hand_points")[number]
        np.testing.assert_allclose(got, np.concatenate(expected, 1).clip(-6, 6), atol=1e-3)


def test_finger_distances_and_bones(clip):
    points = placed(clip[1])
    spans, bones = figures(clip, "finger_distances")[1], figures(clip, "finger_bones")[1]
    assert spans.shape == (FRAMES, 2 * 15) and bones.shape == (FRAMES, 2 * (60 + 19))
    for hand, wrist in enumerate((LEFT, RIGHT)):
        size = palm(points, wrist)
        np.testing.assert_allclose(
            spans[:, 15 * hand + 4],
            distance(points[:, wrist], points[:, wrist + 20]).clip(0, 6 * size) / size,
            atol=1e-3,
        )
        np.testing.assert_allclose(
            spans[:, 15 * hand + 5],
            (distance(points[:, wrist + 4], points[:, wrist + 8]) / size).clip(0, 6),
            atol=1e-3,
        )
        bone = points[:, wrist + 2] - points[:, wrist + 1]
        expected = bone / np.linalg.norm(bone, axis=-1, keepdims=True)
        np.testing.assert_allclose(bones[:, 79 * hand + 3 : 79 * hand + 6], expected, atol=1e-3)
        norms = np.linalg.norm(bones[:, 79 * hand : 79 * hand + 60].reshape(FRAMES, 20, 3), axis=-1)
        np.testing.assert_allclose(norms, 1, atol=1e-3)


def test_distances_to_the_body_and_between_hands(clip):
    points = placed(clip[2])[..., :2]
    body, apart = figures(clip, "body_distances")[2], figures(clip, "hands_apart")[2]
    assert body.shape == (FRAMES, 90) and apart.shape == (FRAMES, 5)
    nose, right_elbow = LAYOUT.slots("nose", "right_elbow")
    np.testing.assert_allclose(body[:, 0], distance(points[:, LEFT], points[:, nose]), atol=1e-3)
    np.testing.assert_allclose(body[:, 9], distance(points[:, LEFT + 4], points[:, nose]), atol=1e-3)
    np.testing.assert_allclose(
        body[:, 89], distance(points[:, RIGHT + 20], points[:, right_elbow]), atol=1e-3
    )
    np.testing.assert_allclose(apart[:, 1], distance(points[:, LEFT + 4], points[:, RIGHT + 4]), atol=1e-3)


def test_velocities_are_central_differences_of_every_still_figure(clip):
    everything = (
        describe(torch.from_numpy(clip), LAYOUT, FRAMES, (*PIECES, "velocities")).permute(1, 2, 0).numpy()
    )
    still, moving = np.split(everything, 2, axis=-1)
    np.testing.assert_allclose(moving[:, 1:-1], (still[:, 2:] - still[:, :-2]) / 2, atol=1e-5)
    np.testing.assert_allclose(moving[:, 0], (still[:, 1] - still[:, 0]) / 2, atol=1e-5)


def test_an_unseen_hand_has_no_shape_and_lies_at_the_wrist(clip):
    lacking = clip.copy()
    lacking[:, :, LEFT : LEFT + 21] = np.nan
    signer = place_signer(torch.from_numpy(lacking), LAYOUT, FRAMES)
    (wrist,) = LAYOUT.slots("left_wrist")
    assert torch.equal(signer.points[LEFT : LEFT + 21], signer.points[wrist].expand(21, -1, -1, -1))
    for piece in ("hand_points", "finger_distances", "finger_bones"):
        left, right = np.split(figures(lacking, piece), 2, axis=-1)
        assert (left == 0).all() and (right != 0).any()
        np.testing.assert_allclose(right, np.split(figures(clip, piece), 2, axis=-1)[1], atol=1e-5)
