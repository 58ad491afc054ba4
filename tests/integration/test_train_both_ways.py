"""The features of a mirror image are those of the clip, elsewhere and some with a minus, gaps and rest included."""

import pytest

pytest.importorskip("torch", reason="training needs the train extra")

import torch

from toolkit.landmarks import LAYOUTS, get_layout
from toolkit.train.both_ways import mirrored_features
from toolkit.train.landmark_features import EXTRAS, FEATURES, PIECES, describe
from toolkit.train.mirror import mirror_landmarks

UNLED = tuple(name for name in FEATURES if name != "leading_hand")
CHOICES = [UNLED, *((name,) for name in PIECES), ("positions", *(name for name in EXTRAS if name in UNLED))]


def clips_of(layout, frames):
    """(3, T, K, 4) of people whose hands move up and down, come and go."""
    torch.manual_seed(frames)
    clips = torch.rand(3, frames, *layout.item_shape) * 0.2 + 0.3
    clips[..., layout.slots("left_shoulder"), 0] += 0.3
    clips[..., layout.slots("left_hip", "right_hip"), 1] += 0.4
    clips[..., layout.slots("left_wrist", "right_wrist"), 1] += torch.rand(3, frames, 2) * 0.5
    for slots in list(layout.parts.values())[1:]:
        gone = (torch.rand(3, frames) < 0.3)[..., None, None]
        clips[:, :, slots.start : slots.stop] = clips[:, :, slots.start : slots.stop].masked_fill(
            gone, torch.nan
        )
    return clips


@pytest.mark.parametrize("frames", [1, 9, 16])
@pytest.mark.parametrize("name", LAYOUTS)
def test_mirrored_features_are_the_features_of_the_mirror_image(name, frames):
    layout = get_layout(name)
    clips = clips_of(layout, frames)
    for features in CHOICES:
        columns, signs = mirrored_features(layout, features)
        mirrored = describe(clips, layout, 8, features)[columns] * signs[:, None, None]
        expected = describe(mirror_landmarks(clips, layout), layout, 8, features)
        torch.testing.assert_close(mirrored, expected, atol=2e-4, rtol=1e-3)
