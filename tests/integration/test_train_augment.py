"""Augmentation: every piece does what its name says, and nothing when it is switched off."""

import pytest

pytest.importorskip("torch", reason="training needs the train extra")

import torch

from toolkit.landmarks import get_layout
from toolkit.train.augment import crop_and_warp, make_augmentation
from toolkit.train.mirror import mirror_landmarks
from toolkit.train.settings import AugmentationSettings

OFF = {
    **dict.fromkeys(("mirror", "rotation", "shear", "hand_rotation"), 0),
    **dict.fromkeys(("crop", "warp", "noise", "hide_hand", "feature_noise", "brightness"), 0),
}


def augmentation(mode, layout="", **on):
    return make_augmentation(mode, AugmentationSettings(**OFF | on), layout)


def poses(n=6, t=16, layout="body_hands"):
    torch.manual_seed(0)
    clips = torch.rand(n, t, len(get_layout(layout)), 4)
    clips[:, 3:5, 33:54] = torch.nan
    return clips


def clips_of(mode):
    if mode == "video":
        return torch.randint(0, 256, (6, 4, 8, 8, 3), dtype=torch.uint8)
    return poses() if mode == "pose" else torch.randn(6, 16, 12)


@pytest.mark.parametrize("mode", ["pose", "features", "video"])
def test_switched_off_pieces_change_nothing(mode):
    clips = clips_of(mode)
    torch.testing.assert_close(augmentation(mode, "body_hands")(clips), clips, equal_nan=True)
    assert make_augmentation(mode, AugmentationSettings(enabled=False), "body_hands") is None


@pytest.mark.parametrize("mode", ["pose", "features", "video"])
def test_the_default_changes_clips_but_not_their_kind_nor_the_original(mode):
    clips = clips_of(mode)
    before = clips.clone()
    changed = make_augmentation(mode, AugmentationSettings(), "body_hands")(clips)
    assert changed.shape == clips.shape and changed.dtype == clips.dtype
    assert not torch.equal(changed.nan_to_num(), clips.nan_to_num())
    torch.testing.assert_close(clips, before, equal_nan=True)


def test_mirror_swaps_sides():
    clips = poses()
    layout = get_layout("body_hands")
    torch.testing.assert_close(
        augmentation("pose", "body_hands", mirror=1)(clips), mirror_landmarks(clips, layout), equal_nan=True
    )
    assert (
        mirror_landmarks(clips, layout)[:, 3:5, 54:].isnan().all()
    )  # the missing left hand is now the right


def test_video_is_played_unevenly_by_whole_frames_in_their_order():
    frames = torch.arange(20, dtype=torch.uint8)
    clips = frames.reshape(1, 20, 1, 1, 1).repeat(50, 1, 2, 2, 3)
    played = augmentation("video", crop=0.2, warp=0.3)(clips)
    assert played.shape == clips.shape
    assert (played == played[:, :, :1, :1, :1]).all(), "frames are not blended"
    numbers = played[:, :, 0, 0, 0].long()
    assert (numbers.diff(dim=1) >= 0).all() and len(numbers.unique(dim=0)) > 40
    assert (numbers[:, 0] <= 4).all() and (numbers[:, -1] >= 15).all()


def test_half_of_the_clips_are_mirrored():
    clips = poses(n=400, t=1)
    changed = ((augmentation("pose", "body_hands", mirror=0.5)(clips) - clips).abs() > 0.01).flatten(1).any(1)
    assert 0.4 < changed.float().mean() < 0.6


def test_shear_keeps_heights_and_the_shoulders_where_they_are():
    clips = poses(layout="body")
    sheared = augmentation("pose", "body", shear=0.3)(clips)
    middle = [x[:, :, [11, 12], :2].mean((1, 2)) for x in (clips, sheared)]
    torch.testing.assert_close(*middle, atol=1e-5, rtol=0)
    torch.testing.assert_close(sheared[..., 1], clips[..., 1], atol=1e-5, rtol=0)
    assert (sheared - clips).abs().max() > 0.01


def test_rotation_keeps_distances_in_a_4_to_3_image():
    clips = poses(layout="body")
    turned = augmentation("pose", "body", rotation=0.5)(clips)
    lengths = [
        ((x[:, :, 0, :2] - x[:, :, 20, :2]) * torch.tensor([4.0, 3.0])).norm(dim=-1) for x in (clips, turned)
    ]
    torch.testing.assert_close(*lengths, atol=1e-5, rtol=0)
    assert (turned - clips).abs().max() > 0.01


def test_a_hand_turns_about_its_wrist_and_keeps_its_shape():
    clips = poses()
    pixels = torch.tensor([4.0, 3.0])
    turned = augmentation("pose", "body_hands", hand_rotation=0.5)(clips)
    torch.testing.assert_close(turned[:, :, :33], clips[:, :, :33])
    for wrist in (33, 54):
        torch.testing.assert_close(turned[:, :, wrist], clips[:, :, wrist], equal_nan=True)
        before, after = (
            ((x[..., wrist : wrist + 21, :2] - x[..., wrist, None, :2]) * pixels).norm(dim=-1)
            for x in (clips, turned)
        )
        torch.testing.assert_close(after, before, atol=1e-4, rtol=1e-4, equal_nan=True)
    assert (turned - clips).nan_to_num().abs().max() > 0.05


def test_hidden_hands_lose_one_span_and_the_body_nothing():
    clips = torch.rand(50, 16, 75, 4)
    hidden = augmentation("pose", "body_hands", hide_hand=1)(clips).isnan()
    assert not hidden[:, :, :33].any() and hidden[:, :, 33:].any()
    left = hidden[:, :, 33:54].all(3)
    assert torch.equal(left.any(2), left.all(2))  # a hand is lost whole
    lost = left.all(2)
    assert lost.sum(1).max() <= 6
    assert ((lost[:, 1:] != lost[:, :-1]).sum(1) <= 2).all()


def test_cropping_plays_a_part_of_the_clip_in_order():
    ramp = torch.arange(16.0).repeat(100, 1)[..., None]
    played = crop_and_warp(ramp, crop=0.15, warp=0.3)[..., 0]
    assert (played.diff(dim=1) >= -1e-5).all()
    assert (played[:, 0] <= 0.15 * 15 + 1e-4).all() and (played[:, -1] >= 0.85 * 15 - 1e-4).all()
    assert played[:, 0].std() > 0.1 and played[:, 8].std() > 0.1


def test_frames_beside_a_gap_keep_what_was_found():
    clips = torch.ones(20, 16, 75, 4)
    clips[:, 7, 33:54] = torch.nan
    played = augmentation("pose", "body_hands", crop=0.1, warp=0.2)(clips)
    lost = played.isnan()
    assert not lost[:, :, :33].any() and not lost[:, :, 54:].any()
    assert lost[:, :, 33:54].any() and lost[:, :, 33].all(2).sum(1).max() <= 2
    torch.testing.assert_close(played[~lost], torch.ones(int((~lost).sum())))


def test_what_is_found_between_two_frames_is_a_blend_of_them():
    ramp = torch.arange(16.0)[None, :, None, None].repeat(30, 1, 33, 4)
    played = augmentation("pose", "body", crop=0.1, warp=0.2)(ramp)
    assert (played == played[:, :, :1, :1]).all() and (played.diff(dim=1) >= 0).all()
    assert ((played - played.round()).abs() > 0.2).any()


def test_brightness_changes_a_whole_clip_by_one_factor():
    clips = torch.full((8, 3, 4, 4, 3), 100, dtype=torch.uint8)
    changed = augmentation("video", brightness=0.2)(clips)
    assert changed.dtype == torch.uint8 and changed.min() >= 80 and changed.max() <= 120
    assert all(len(clip.unique()) == 1 for clip in changed) and len(changed.unique()) > 1
