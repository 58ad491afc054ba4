"""The part of a clip that shows the person: found once, kept, and left out where it would show nothing."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from toolkit.demo.take import draw_clip
from toolkit.errors import InputError
from toolkit.extract import ExtractorSpec, make_extractor
from toolkit.extract.person_crop import PersonCrop, cut
from toolkit.extract.regions import Region


@pytest.fixture(scope="module")
def crop() -> PersonCrop:
    return PersonCrop(96, 80)


def test_the_part_is_cut_upright_and_ends_where_the_picture_does() -> None:
    row, column = np.mgrid[:100, :200]
    image = np.stack([row, column, row], axis=-1).astype(np.uint8)
    part = cut(image, Region(50.0, 60.0, 60.0, 0.4))
    assert part.shape == (60, 60, 3)
    assert (part[0, 0, 0], part[0, 0, 1]) == (30, 20)
    edge = cut(image, Region(190.0, 90.0, 60.0, 0.0))
    assert edge.shape == (40, 40, 3)
    assert (edge[-1, -1, 0], edge[-1, -1, 1]) == (99, 199)
    assert cut(image, Region(250.0, 50.0, 60.0, 0.0)) is image  # nothing of the picture is inside


@pytest.fixture(scope="module")
def scene() -> NDArray[np.uint8]:
    """Three frames of a drawn signer who is small, at the left in a wide grey picture."""
    frames = draw_clip("wave", 0).frames[[10, 20, 30]]
    wide = np.full((3, 480, 1200, 3), 128, np.uint8)
    wide[:, 60:420, 80:560] = [
        cv2.resize(frame, (480, 360), interpolation=cv2.INTER_AREA) for frame in frames
    ]
    return wide


def test_the_person_is_cut_out_the_same_way_in_all_frames(crop: PersonCrop, scene: NDArray[np.uint8]) -> None:
    region = crop._detector.find(scene[0])
    assert region is not None
    assert 80 < region.x < 560  # where the signer was put
    for given, frame in zip(crop(iter(scene)), scene, strict=True):
        expected = cv2.resize(cut(frame, region), (96, 80), interpolation=cv2.INTER_AREA)
        np.testing.assert_array_equal(given, expected)


def test_features_of_the_cut(scene: NDArray[np.uint8]) -> None:
    cropped = make_extractor(ExtractorSpec("features", "onnx", crop="person"))
    plain = make_extractor(ExtractorSpec("features", "onnx"))
    assert (cropped.frame_size, cropped.fingerprint["crop"]) == (None, "person-1")
    images = list(PersonCrop(224, 224)(scene))
    np.testing.assert_array_equal(cropped.extract(iter(scene)).values, plain.extract(images).values)


def test_without_a_person_frames_stay_whole(crop: PersonCrop) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (2, 120, 160, 3), dtype=np.uint8)
    for given, image in zip(crop(noise), noise, strict=True):
        np.testing.assert_array_equal(given, cv2.resize(image, (96, 80), interpolation=cv2.INTER_AREA))


@pytest.mark.parametrize("frame", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)])
def test_what_is_no_image_is_refused(crop: PersonCrop, frame: NDArray[np.uint8]) -> None:
    with pytest.raises(InputError, match=r"give images \(H, W, 3\) uint8 RGB"):
        list(crop([frame]))
