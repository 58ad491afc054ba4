"""The classifier: any length, any gap, and features that do not depend on place, size or image shape."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the train extra")

import torch

from toolkit.errors import ConfigError
from toolkit.landmarks import LAYOUTS, get_layout
from toolkit.train.landmark_features import FEATURES, PIECES, describe
from toolkit.train.mirror import mirror_landmarks
from toolkit.train.model import ModelSpec, SignClassifier
from toolkit.train.placement import fill_and_resample
from toolkit.train.settings import FeatureSettings
from toolkit.train.stems import OF_EITHER_HAND
from toolkit.train.timeline import moments

SHAPES = {
    ("pose", "body"): (33, 4),
    ("pose", "body_hands"): (75, 4),
    ("features", ""): (128,),
    ("video", ""): (64, 48, 3),
}

UNLED = tuple(name for name in FEATURES if name != "leading_hand")


def spec(mode="pose", layout="body", **changes):
    return ModelSpec(mode, SHAPES[mode, layout], layout, 16, 7, **changes)


def person(layout, frames=20, seed=0):
    """A clip of a rough standing person, hands moving, as image fractions of a square image."""
    rng = np.random.default_rng(seed)
    points = get_layout(layout).points
    clip = np.full((frames, len(points), 4), 0.9, np.float32)
    heights = {"shoulder": 0.45, "elbow": 0.6, "hip": 0.8, "wrist": 0.6, "knee": 0.95}
    for slot, name in enumerate(points):
        side = 0.12 if "left" in name else -0.12 if "right" in name else 0.0
        height = next((value for word, value in heights.items() if word in name), 0.3 if slot < 11 else 0.6)
        clip[:, slot, 0] = 0.5 + side * (0.3 if slot < 11 else 1) + rng.normal(scale=0.01)
        clip[:, slot, 1] = height + rng.normal(scale=0.01)
        clip[:, slot, 2] = rng.normal(scale=0.1)
        if slot > 14:
            clip[:, slot, :2] += 0.1 * np.sin(np.linspace(0, 6, frames) + slot)[:, None]
    return torch.from_numpy(clip)[None]


def clips_of(mode, layout, n, t):
    if mode == "video":
        return torch.randint(0, 256, (n, t, *SHAPES[mode, layout]), dtype=torch.uint8)
    return torch.rand(n, t, *SHAPES[mode, layout])


@pytest.mark.parametrize(("mode", "layout"), SHAPES)
@pytest.mark.parametrize("normalization", ["auto", "none"])
def test_any_batch_and_any_length_give_finite_logits(mode, layout, normalization):
    model = SignClassifier(spec(mode, layout, normalization=normalization)).eval()
    with torch.no_grad():
        for n, t in ((1, 1), (3, 7), (2, 16), (1, 40)):
            logits = model(clips_of(mode, layout, n, t))
            assert logits.shape == (n, 7) and torch.isfinite(logits).all()
    assert model.num_parameters <= 500_000


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("normalization", ["shoulders", "none"])
def test_clips_without_anybody_give_finite_logits(layout, normalization):
    model = SignClassifier(spec("pose", layout, normalization=normalization)).eval()
    with torch.no_grad():
        assert torch.isfinite(model(torch.full((2, 16, *SHAPES["pose", layout]), torch.nan))).all()


def test_a_clip_does_not_influence_the_others_of_its_batch():
    model = SignClassifier(spec()).eval()
    one, other = person("body"), person("body", seed=1)
    other[:, 3:9] = torch.nan
    with torch.no_grad():
        together = model(torch.cat([one, other]))
        torch.testing.assert_close(together, torch.cat([model(one), model(other)]), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_features_do_not_depend_on_place_size_or_the_shape_of_the_image(layout):
    clip = person(layout)
    moved = clip.clone()
    moved[..., 0] = clip[..., 0] * 0.5625 * 0.7 + 0.2  # a wide image, the signer further away and to the side
    moved[..., 1] = clip[..., 1] * 0.7 + 0.1
    moved[..., 2] = clip[..., 2] * 0.5625 * 0.7 - 0.3  # z has the scale of x
    before, after = (describe(x, get_layout(layout), 16) for x in (clip, moved))
    torch.testing.assert_close(before, after, atol=2e-3, rtol=2e-3)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_piece_can_be_left_out_and_the_settings_name_them_all(layout):
    assert FeatureSettings().on == FEATURES
    clip = person(layout)
    whole = len(describe(clip, get_layout(layout), 16))
    still = {name: len(describe(clip, get_layout(layout), 16, (name,))) for name in PIECES}
    for name in FEATURES:
        rest = tuple(other for other in FEATURES if other != name)
        model = SignClassifier(spec("pose", layout, features=rest)).eval()
        width = model.stem.standardize.mean.shape[0]
        missing = {"velocities": sum(still.values()), "raised_hands": 0, "signing_span": 0, "leading_hand": 0}
        missing |= {piece: 2 * size for piece, size in still.items()}
        assert whole - width == missing[name] if name != "presence" else 0 < whole - width < 10
        assert torch.isfinite(model(clip)).all()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_features_see_the_hands_move(layout):
    clip = person(layout)
    still = clip.clone()
    still[:] = clip[:, :1]
    before, after = (describe(x, get_layout(layout), 16) for x in (clip, still))
    assert (before - after).abs().max() > 0.1


@pytest.mark.parametrize("layout", LAYOUTS)
def test_mirroring_twice_is_nothing_and_once_is_something(layout):
    clip = person(layout)
    once = mirror_landmarks(clip, get_layout(layout))
    torch.testing.assert_close(mirror_landmarks(once, get_layout(layout)), clip)
    left, right = get_layout(layout).slots("left_wrist", "right_wrist")
    torch.testing.assert_close(once[..., left, 0], 1 - clip[..., right, 0])
    torch.testing.assert_close(once[..., left, 1:], clip[..., right, 1:])


def test_only_the_missing_part_is_filled_and_reported_missing():
    clip = person("body_hands", frames=16)
    gappy = clip.clone()
    gappy[:, 4:8, 33:54] = torch.nan
    usable = torch.ones(1, 3, 16, dtype=torch.bool)
    usable[:, 1, 4:8] = False
    points, found = fill_and_resample(
        gappy.permute(0, 2, 3, 1), usable, get_layout("body_hands"), moments(16, 16)
    )
    torch.testing.assert_close(points[:, :33], clip.permute(0, 2, 3, 1)[:, :33], atol=1e-5, rtol=0)
    expected = torch.ones(16)
    expected[4:8] = 0
    torch.testing.assert_close(found[0, 1], expected)
    assert (found[0, [0, 2]] == 1).all() and torch.isfinite(points).all()


def test_normalization_figures_come_from_the_clips_and_travel_with_the_weights():
    clips = torch.randn(50, 16, 128) * 3 + 5
    model = SignClassifier(spec("features", ""))
    model.fit_normalization(clips.split(20))
    other = SignClassifier(spec("features", ""))
    other.load_state_dict(model.state_dict())
    values = other.stem.standardize(other.stem.features(clips))
    assert values.mean().abs() < 0.01 and abs(values.std() - 1) < 0.02


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"mode": "features", "layout": "", "normalization": "shoulders"}, ("normalization", "input_type")),
        ({"features": ("velocities",)}, ("velocities", "positions")),
        ({"features": ("positions", "depths")}, ("depths", "train again")),
        ({"embed_dim": 100, "num_heads": 3}, ("embed_dim 100", "num_heads 3")),
    ],
)
def test_specs_that_cannot_be_built_are_refused(changes, words):
    with pytest.raises(ConfigError) as caught:
        spec(**changes)
    assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_both_ways_makes_a_clip_and_its_mirror_image_the_same(layout):
    clips = torch.cat([person(layout, seed=seed) for seed in range(3)])
    mirrored = mirror_landmarks(clips, get_layout(layout))
    with torch.no_grad():
        for both_ways in (False, True):
            torch.manual_seed(0)
            model = SignClassifier(spec("pose", layout, both_ways=both_ways, features=UNLED)).eval()
            alike = torch.allclose(model(clips), model(mirrored), atol=1e-4)
            assert alike == both_ways
        one_way = SignClassifier(spec("pose", layout, features=UNLED)).eval()
        one_way.load_state_dict(model.state_dict())
        torch.testing.assert_close(
            model(clips), (one_way(clips) + one_way(mirrored)) / 2, atol=1e-4, rtol=1e-4
        )


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_leading_hand_makes_a_clip_and_its_mirror_image_the_same(layout):
    clips = torch.cat([person(layout, seed=seed) for seed in range(3)])
    mirrored = mirror_landmarks(clips, get_layout(layout))
    for features in (FEATURES, UNLED):
        before, after = (describe(x, get_layout(layout), 16, features) for x in (clips, mirrored))
        assert torch.allclose(before, after, atol=1e-3) == (features == FEATURES)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_dropped_pieces_are_the_training_sets_mean_with_their_velocities(layout):
    torch.manual_seed(0)
    stem = SignClassifier(spec("pose", layout)).stem
    stem.standardize.fit([stem.features(person(layout, seed=seed)) for seed in range(3)])
    features = stem.features(person(layout, seed=5).repeat(2000, 1, 1, 1)[:, :4])
    stem.standardize.mean += 100.0  # so that every dropped value is seen to change
    dropped = stem.drop_pieces(features, 0.25)
    changed = dropped != features  # (N, F, D)
    assert (stem.standardize(dropped)[changed] == 0).all()
    pieces = int(stem.source.max()) + 1
    gone = torch.stack([changed[:, :, stem.source == piece].any((1, 2)) for piece in range(pieces)], 1)
    assert gone.float().mean(0).sub(0.25).abs().max() < 0.05
    for piece in range(pieces):
        assert changed[gone[:, piece]][:, :, stem.source == piece].all()
    still = sum(len(describe(person(layout), stem.layout, 16, (name,))) for name in PIECES)
    assert torch.equal(stem.source[:still], stem.source[still : 2 * still])
    assert torch.equal(stem.drop_pieces(features, 0.0), features)


@pytest.mark.parametrize("name", OF_EITHER_HAND)
def test_the_first_half_of_these_pieces_is_the_left_hands(name):
    layout = get_layout("body_hands")
    clip, left = person("body_hands"), layout.parts["left_hand"]
    moved = clip.clone()
    moved[:, :, left.start : left.stop, :2] += 0.01 * torch.rand(1, 1, len(left), 2)
    changed = (describe(clip, layout, 16, (name,)) != describe(moved, layout, 16, (name,))).any(1).any(1)
    half = len(changed) // 2
    assert changed[:half].any() and not changed[half:].any()
