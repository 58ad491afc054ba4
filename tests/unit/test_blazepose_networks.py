"""What the pose and hand networks' outputs are turned into, and the extractor's settings; no real person needed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from toolkit.errors import ConfigError, InputError
from toolkit.extract import EXTRACTORS, ExtractorSpec, make_extractor
from toolkit.extract.blazepose import OnnxPose, fingerprint
from toolkit.extract.blazepose_detector import anchor_centres, best_keypoints
from toolkit.extract.blazepose_hands import (
    Hand,
    is_alike,
    is_near_image,
    is_on_arm,
    region_from_hand,
    region_from_pose,
)
from toolkit.extract.blazepose_landmarks import refined
from toolkit.extract.regions import Region
from toolkit.extract.source import trained_extractor
from toolkit.metadata import ModelMetadata

SPEC = ExtractorSpec("pose", "onnx")


def refined_one_by_one(places: np.ndarray, heatmaps: np.ndarray, kernel: int) -> np.ndarray:
    """RefineLandmarksFromHeatmapCalculator of MediaPipe, in its own loops."""
    result, (rows, columns), reach = places.copy(), heatmaps.shape[1:], (kernel - 1) // 2
    for k, (x, y) in enumerate(places):
        column, row = int(x * columns), int(y * rows)
        if not (0 <= column < columns and 0 <= row < rows):
            continue
        total = across = down = most = 0.0
        for r in range(max(0, row - reach), min(rows, row + reach + 1)):
            for c in range(max(0, column - reach), min(columns, column + reach + 1)):
                sure = 1 / (1 + np.exp(-float(heatmaps[k, r, c])))
                total, across, down, most = total + sure, across + c * sure, down + r * sure, max(most, sure)
        if most >= 0.5 and total > 0:
            result[k] = across / columns / total, down / rows / total
    return result


@pytest.mark.parametrize("kernel", [3, 7, 9])
def test_refinement_is_mediapipes(kernel: int) -> None:
    random = np.random.default_rng(kernel)
    heatmaps = random.normal(-3, 2, (60, 20, 24)).astype(np.float32)
    heatmaps[:5] = -9.0  # nowhere sure: these stay
    places = random.uniform(-0.1, 1.1, (60, 2))
    found = refined(places, heatmaps, kernel)
    assert np.allclose(found, refined_one_by_one(places, heatmaps, kernel))
    assert np.array_equal(found[:5], places[:5])
    assert (found != places).any()


def test_anchors_are_the_centres_of_all_grids() -> None:
    anchors = anchor_centres()
    assert anchors.shape == (2254, 2)
    assert np.allclose(anchors[[0, 1, 2]], [[4 / 224, 4 / 224]] * 2 + [[12 / 224, 4 / 224]])
    assert np.allclose(anchors[-1], [208 / 224, 208 / 224])
    assert len(np.unique(anchors, axis=0)) == 28**2 + 14**2 + 7**2


def test_overlapping_detections_are_averaged_by_score() -> None:
    anchors = np.zeros((4, 2), np.float32)
    boxes = np.zeros((4, 12), np.float32)
    boxes[:, :4] = [[100, 100, 60, 60], [104, 100, 60, 60], [200, 200, 20, 20], [100, 100, 60, 60]]
    boxes[:, 4:8] = [[100, 110, 100, 50], [110, 110, 110, 50], [200, 200, 200, 190], [0, 0, 0, 0]]
    logits = np.array([2.0, 1.0, 1.5, -1.0], np.float32)  # the last one is below a score of 0.5
    points = best_keypoints(boxes, logits, anchors)
    assert points is not None
    weights = 1 / (1 + np.exp(-logits[:2].astype(float)))
    x = float((weights * [100, 110]).sum() / weights.sum()) / 224
    assert np.allclose(points, [[x, 110 / 224], [x, 50 / 224]])
    assert best_keypoints(boxes, np.full(4, -0.1, np.float32), anchors) is None


def test_a_hand_region_looks_along_the_hand() -> None:
    wrist, little, index = np.array([[100.0, 200.0], [90.0, 150.0], [120.0, 150.0]])
    region = region_from_pose(np.stack([wrist, little, index]))
    middle = (2 * index + little) / 3
    assert region.size == pytest.approx(2.7 * 2 * np.hypot(*(middle - wrist)))
    upright = region.from_image(np.stack([wrist, middle]))
    assert upright[0, 0] == pytest.approx(0.5)  # the wrist is straight below the fingers
    assert upright[0, 1] > upright[1, 1] > 0.5  # and the region reaches further towards the fingertips


@pytest.mark.parametrize("angle", [0.0, 1.0, -2.5])
def test_a_tracked_region_turns_with_the_hand(angle: float) -> None:
    hand = np.random.default_rng(1).random((21, 2)) * 80
    upright = region_from_hand(hand)
    c, s = np.cos(angle), np.sin(angle)
    turned = region_from_hand(hand @ np.array([[c, s], [-s, c]]) + 300)
    assert turned.size == pytest.approx(upright.size)
    assert np.cos(turned.rotation - upright.rotation) == pytest.approx(np.cos(angle))
    assert np.allclose(turned[:2], np.array(upright[:2]) @ np.array([[c, s], [-s, c]]) + 300)


def test_regions_are_alike_within_limits() -> None:
    region = Region(100.0, 100.0, 50.0, 3.1)
    limits = (40.0, 0.2, 0.4)
    assert is_alike(region, region._replace(rotation=-3.1), *limits)  # across the half turn
    assert not is_alike(region, region._replace(rotation=2.3), *limits)
    assert not is_alike(region, region._replace(x=111.0), *limits)
    assert not is_alike(region, region._replace(size=120.0), *limits)


def test_where_no_hand_can_be() -> None:
    image = np.zeros((100, 200, 3), np.uint8)
    assert is_near_image(Region(100.0, 105.0, 40.0, 0.0), image)
    assert not is_near_image(Region(100.0, 107.0, 40.0, 0.0), image)
    assert not is_near_image(Region(-13.0, 50.0, 40.0, 0.0), image)


def test_a_second_look_wants_the_right_hand_on_the_right_arm() -> None:
    pixels = np.zeros((21, 2))
    pixels[9] = 0.0, -50.0
    hand = Hand(np.zeros((21, 4), np.float32), pixels, 0.9, 0.95)
    assert is_on_arm(hand, np.array([0.0, 30.0]), arm=1)
    assert not is_on_arm(hand, np.array([0.0, 60.0]), arm=1)
    assert not is_on_arm(hand, np.array([0.0, 30.0]), arm=0)


@pytest.mark.parametrize("landmarks", ["body", "body_hands"])
def test_nobody_is_missing_in_all_frames(landmarks: str) -> None:
    extractor = make_extractor(replace(SPEC, landmarks=landmarks, network="lite"))
    values, quality = extractor.extract(np.full((2, 90, 120, 3), 60, np.uint8))
    assert values.shape == (2, *extractor.item_shape)
    assert np.isnan(values).all()
    hands = {"left_hand_rate": 0.0, "right_hand_rate": 0.0} if landmarks == "body_hands" else {}
    assert quality == {"detection_rate": 0.0, "mean_visibility": 0.0} | hands
    assert extractor.extract([]).values.shape == (0, *extractor.item_shape)
    with pytest.raises(InputError, match=r"\(90, 120\).*RGB"):
        extractor.extract(np.zeros((1, 90, 120), np.uint8))
    extractor.close()
    extractor.close()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"network": "heavy"}, "'heavy'.*full, lite"),
        ({"device": "cuda"}, "cuda.*cpu"),
        ({"model_asset": Path("x.task")}, "x.task.*--backend mediapipe"),
        ({"refine_kernel": 8}, "8.*odd"),
        ({"landmarks": "face"}, "face"),
    ],
)
def test_settings_that_it_does_not_have(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_extractor(replace(SPEC, **change))


def test_onnx_is_the_default_for_poses() -> None:
    assert next(backend for mode, backend in EXTRACTORS if mode == "pose") == "onnx"


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"landmarks": "body_hands"},
        {"network": "lite"},
        {"per_frame": True},
        {"refine_kernel": 9},
        {"landmarks": "body_hands", "network": "lite", "per_frame": True, "refine_kernel": 9},
    ],
)
def test_a_model_names_the_extractor_it_was_trained_on(change: dict[str, Any]) -> None:
    spec = replace(SPEC, **change)
    extractor = OnnxPose(spec)
    metadata = ModelMetadata(
        glosses=("yes", "no"), mode="pose", layout=extractor.layout, num_frames=16,
        item_shape=extractor.item_shape, extractor=extractor.fingerprint, training={}, metrics={}, versions={},
    )  # fmt: skip
    extractor.close()
    again = ModelMetadata.from_properties(metadata.to_properties())
    assert trained_extractor(again) == spec
    assert fingerprint(trained_extractor(again)) == again.extractor
    assert trained_extractor(again, backend="mediapipe").backend == "mediapipe"
    assert len({str(fingerprint(other)) for other in (SPEC, spec)}) == (2 if change else 1)
