"""Regions: geometry that undoes itself, and crops with the pixels of exact bilinear sampling."""

from __future__ import annotations

from math import cos, pi, sin

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from toolkit.extract.regions import Cropper, Region, between, normalized_angle, placement

TURNED = Region(310.0, 200.0, 180.0, 0.7)


def picture(height: int = 400, width: int = 600) -> NDArray[np.uint8]:
    noise = np.random.default_rng(3).integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    return np.asarray(cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def sampled(image: NDArray[np.uint8], region: Region, side: int, border: float | None) -> NDArray[np.float64]:
    """(side, side, 3): bilinear in float64, positions rounded to 1/32 pixel; border None repeats the edge."""
    columns, rows = np.meshgrid(np.arange(side), np.arange(side))
    places = region.to_image(np.stack([columns.ravel(), rows.ravel()], axis=1) / side)
    places = np.rint(places * 32) / 32
    height, width = image.shape[:2]
    low = np.floor(places).astype(int)
    total = np.zeros((side * side, 3))
    for right in (0, 1):
        for down in (0, 1):
            x, y = low[:, 0] + right, low[:, 1] + down
            weight = (1 - abs(places[:, 0] - x)) * (1 - abs(places[:, 1] - y))
            values = image[y.clip(0, height - 1), x.clip(0, width - 1)].astype(float)
            if border is not None:
                values[(x < 0) | (x >= width) | (y < 0) | (y >= height)] = border
            total += weight[:, None] * values
    return total.reshape(side, side, 3)


def test_to_image_and_back() -> None:
    points = np.random.default_rng(0).random((20, 2))
    assert np.allclose(TURNED.from_image(TURNED.to_image(points)), points)
    corners = TURNED.to_image(np.array([[0.5, 0.5], [1.0, 0.5], [0.5, 1.0]]))
    half = TURNED.size / 2
    assert np.allclose(corners[0], (TURNED.x, TURNED.y))
    assert np.allclose(corners[1], (TURNED.x + half * cos(0.7), TURNED.y + half * sin(0.7)))
    assert np.allclose(corners[2], (TURNED.x - half * sin(0.7), TURNED.y + half * cos(0.7)))


@pytest.mark.parametrize("target", [pi / 2, -pi / 2])
def test_between_turns_the_edge_point_to_its_target(target: float) -> None:
    centre, edge = np.array([50.0, 60.0]), np.array([80.0, 20.0])
    region = between(centre, edge, target)
    assert region.size == pytest.approx(100.0)
    # straight above the centre for 90 degrees, straight below for -90
    assert np.allclose(region.from_image(edge[None]), [[0.5, 0.0 if target > 0 else 1.0]])


def test_shift_is_along_the_regions_own_axis() -> None:
    moved = TURNED.shifted(-0.1)
    assert np.allclose(TURNED.from_image(np.array([moved[:2]])), [[0.5, 0.4]])
    assert moved.scaled(2.0).size == 2 * TURNED.size


@pytest.mark.parametrize("angle", [-9.0, -pi, 0.0, 3.0, pi, 20.0])
def test_angles_come_back_within_a_turn(angle: float) -> None:
    found = normalized_angle(angle)
    assert -pi <= found < pi
    assert cos(found) == pytest.approx(cos(angle))
    assert sin(found) == pytest.approx(sin(angle))


@pytest.mark.parametrize(
    "region", [TURNED, Region(10.0, 390.0, 250.0, -2.0), Region(300.0, 200.0, 900.0, 0.0)]
)
@pytest.mark.parametrize("replicate", [True, False])
def test_crops_are_bilinear_samples(region: Region, replicate: bool) -> None:
    image = picture()
    border = cv2.BORDER_REPLICATE if replicate else cv2.BORDER_CONSTANT
    tensor = Cropper(64, 0.0, 1.0, border).cut(image, region)
    assert tensor.shape == (1, 3, 64, 64)
    assert tensor.dtype == np.float32
    expected = sampled(image, region, 64, None if replicate else 0.0)
    difference = np.abs(tensor[0].transpose(1, 2, 0) * 255 - expected)
    assert difference.max() <= 0.6  # rounding to whole grey levels, and OpenCV's 15-bit weights


def test_corners_and_placement_are_those_of_opencv() -> None:
    drawn = cv2.RotatedRect((TURNED.x, TURNED.y), (TURNED.size, TURNED.size), np.degrees(TURNED.rotation))
    left_low, left_high, right_high, right_low = drawn.points()
    corners = np.array(TURNED.corners())
    assert np.allclose(corners, [left_high, right_high, right_low, left_low], atol=1e-4)
    assert np.array_equal(corners, corners.astype(np.float32))
    bent = [(3.0, 4.0), (100.0, 10.0), (90.0, 120.0), (-5.0, 80.0)]
    across, down, g, h = placement(bent)
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    expected = cv2.getPerspectiveTransform(square, np.array(bent, np.float32))
    assert np.allclose([across, down, (g, h, 1.0)], expected, atol=1e-5)


def test_range_of_the_input() -> None:
    image = np.zeros((40, 40, 3), np.uint8)
    image[:, 20:] = 255
    tensor = Cropper(40, -1.0, 1.0, cv2.BORDER_CONSTANT).cut(image, Region(20.0, 20.0, 40.0, 0.0))
    low, high = np.unique(tensor)  # 255 times the single 2 / 255 is not quite 2
    assert (low, high) == (-1.0, pytest.approx(1.0, abs=1e-6))


def test_a_cropper_follows_the_region_and_the_image() -> None:
    first, second = picture(), picture()[::-1].copy()
    cropper, other = Cropper(32, 0.0, 1.0, cv2.BORDER_REPLICATE), Region(100.0, 90.0, 64.0, 0.1)
    for image, region in ((first, TURNED), (second, TURNED), (second, other), (first, TURNED)):
        fresh = Cropper(32, 0.0, 1.0, cv2.BORDER_REPLICATE).cut(image, region)
        assert np.array_equal(cropper.cut(image, region), fresh)


def source_places(cropper: Cropper) -> NDArray[np.int64]:
    """(side, side, 2): where in the image, or in the part of it that was used, in 1/32 pixel."""
    fraction = cropper._fraction.astype(np.int64)
    return cropper._whole.astype(np.int64) * 32 + np.stack([fraction & 31, fraction >> 5], axis=-1)


@pytest.mark.parametrize("border", [cv2.BORDER_REPLICATE, cv2.BORDER_CONSTANT])
@pytest.mark.parametrize(
    "region",
    [
        TURNED,
        Region(300.3, 200.1, 77.7, 2.9),
        Region(-40.0, 390.0, 250.0, -2.0),
        Region(300.0, 200.0, 2500.0, 0.1),
    ],
)
def test_the_fast_way_places_a_few_pixels_a_step_aside(region: Region, border: int) -> None:
    image = picture()
    exact, fast = (Cropper(224, 0.0, 255.0, border, exact=way) for way in (True, False))
    pixels = [cropper.cut(image, region).astype(np.int64) for cropper in (exact, fast)]
    aside = np.abs(source_places(exact) - source_places(fast))
    assert aside.max() <= 1 and (aside > 0).mean() <= 0.005
    assert np.abs(pixels[0] - pixels[1]).max() <= 16  # of 255, a 1/32 pixel on the steepest edge


@pytest.mark.parametrize("exact", [True, False])
def test_a_region_far_outside_shows_the_border(exact: bool) -> None:
    far = Region(1e6, -1e6, 5e4, 0.3)
    tensor = Cropper(16, 0.0, 255.0, cv2.BORDER_REPLICATE, exact).cut(picture(), far)
    assert np.allclose(tensor[0, :, 0, 0], picture()[0, -1])


@pytest.mark.parametrize("shape", [(400, 600), (800, 1000), (3, 2), (1, 1)])
@pytest.mark.parametrize(
    "region", [TURNED, Region(-40.0, 390.0, 250.0, -2.0), Region(300.0, 200.0, 2500.0, 0.1)]
)
def test_places_beyond_the_edge_see_what_remap_sees_there(shape: tuple[int, int], region: Region) -> None:
    """Small images are copied with a wider edge, large ones (MOST_COPIED) are not; neither changes a pixel."""
    image = picture(max(8, shape[0]), max(8, shape[1]))[: shape[0], : shape[1]]
    columns, rows = np.meshgrid(np.arange(48) / 48, np.arange(48) / 48)
    across, down, g, h = placement(region.corners())
    ratio = 32 / (g * columns + 1 + h * rows)
    x = np.rint((across[0] * columns + across[2] + across[1] * rows) * ratio).astype(np.int64)
    y = np.rint((down[0] * columns + down[2] + down[1] * rows) * ratio).astype(np.int64)
    whole = np.stack([x >> 5, y >> 5], axis=-1).astype(np.int16)
    fraction = ((x & 31) | ((y & 31) << 5)).astype(np.uint16)
    expected = cv2.remap(
        np.ascontiguousarray(image), whole, fraction, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    tensor = Cropper(48, 0.0, 255.0, cv2.BORDER_REPLICATE).cut(image, region)
    assert np.array_equal(tensor[0].transpose(1, 2, 0), expected)
