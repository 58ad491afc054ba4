"""Rest: it makes no difference whether a resting hand is in the picture, nor how long a clip rests."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the train extra")

import torch

from toolkit.landmarks import LAYOUTS, get_layout
from toolkit.train.landmark_features import describe
from toolkit.train.rest import RAISED, resting_hands, signing_moments, wrist_heights

BOTH = get_layout("body_hands")
LEFT, RIGHT = slice(33, 54), slice(54, 75)


def heights_of(clips, layout="body_hands"):
    return wrist_heights(clips.permute(0, 2, 3, 1), get_layout(layout))


def signer(heights, layout="body_hands"):
    """(1, T, K, 4) of a person of whom the left wrist stays at the hips and the right one is at these heights."""
    points = get_layout(layout).points
    rng = np.random.default_rng(0)
    clip = np.tile(rng.uniform(0.49, 0.51, (1, 1, len(points), 4)), (1, len(heights), 1, 1))
    for slot, name in enumerate(points):
        if slot < 33:
            clip[..., slot, 1] = 0.3 if slot < 11 else 0.8 if "hip" in name else 0.5
            clip[..., slot, 0] += 0.1 * (("left" in name) - int("right" in name))
        if "left_hand" in name or name == "left_wrist":
            clip[..., slot, 1] += 0.8 - clip[..., slot, 1].mean()
        if "right_hand" in name or name == "right_wrist":
            clip[..., slot, 1] += 0.8 - 0.5 * np.array(heights) - clip[..., slot, 1].mean()
    return torch.from_numpy(clip.astype(np.float32))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_heights_are_0_at_the_hips_and_1_at_the_face(layout):
    heights = heights_of(signer([0.0, 0.4, 1.0], layout), layout)
    np.testing.assert_allclose(heights[0, 0], 0, atol=0.03)
    np.testing.assert_allclose(heights[0, 1], [0.0, 0.4, 1.0], atol=0.03)


def test_hands_are_lost_where_they_rest_and_only_there():
    heights = heights_of(signer([0.0, RAISED - 0.1, RAISED + 0.1, 1.0]))
    body, left, right = resting_hands(heights, BOTH)[0].tolist()
    assert body == [0, 0, 0, 0] and left == [1, 1, 1, 1] and right == [1, 1, 0, 0]
    heights[:] = torch.nan
    assert (resting_hands(heights, BOTH) == 0).all()


def test_a_resting_hand_in_the_picture_makes_no_difference():
    seen = signer([0.0, 0.0, 0.5, 0.9, 0.6, 0.0])
    unseen = seen.clone()
    unseen[:, :, LEFT] = torch.nan
    unseen[:, [0, 1, 5], RIGHT] = torch.nan
    assert torch.equal(describe(seen, BOTH, 6), describe(unseen, BOTH, 6))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_time_is_spent_where_a_hand_is_raised(layout):
    path = [0.0] * 20 + [0.6, 0.9, 0.8, 0.9, 0.7] + [0.0] * 7
    moments = signing_moments(heights_of(signer(path, layout), layout), 8)
    assert moments.shape == (1, 8) and moments[0, 0] == 19 and moments[0, -1] == 25
    torch.testing.assert_close(moments.diff(), torch.full((1, 7), 6 / 7))


@pytest.mark.parametrize("path", [[0.5] * 9, [0.0] * 9, [0.9, 0.8, 0.0, 0.0, 0.9]])
def test_a_clip_without_rest_at_its_ends_is_left_whole(path):
    moments = signing_moments(heights_of(signer(path)), len(path))
    torch.testing.assert_close(moments, torch.arange(len(path), dtype=torch.float32)[None])


def test_frames_without_anybody_do_not_count_as_the_lowest():
    clip = signer([0.5, 0.5, 0.5, 0.5, 0.9])
    clip[:, 1] = torch.nan
    first, last = signing_moments(heights_of(clip), 2)[0].tolist()
    assert first == pytest.approx(4 - 4 / 31) and last == 4
    nobody = torch.full_like(clip, torch.nan)
    assert signing_moments(heights_of(nobody), 5).tolist() == [[0, 1, 2, 3, 4]]
