"""Hands without a palm detector: the pose's wrist and fingers -> a region -> 21 landmarks of that hand.

The way and the numbers are those of MediaPipe Holistic, `modules/holistic_landmark` (hand_landmarks_from_pose_cpu,
hand_recrop_by_roi_cpu, hand_tracking, hand_landmarks_to_roi) and `modules/hand_landmark/hand_landmark_cpu`. Left
and right are the signer's: which hand it is comes from the arm it hangs on.
"""

from __future__ import annotations

from math import atan2, degrees, pi
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from toolkit.extract.blazepose_landmarks import Pose
from toolkit.extract.regions import Cropper, Region, between, normalized_angle, rotated
from toolkit.session import make_session
from toolkit.weights import weights_path

WEIGHTS = {"full": "hand_landmarks_full.onnx", "lite": "hand_landmarks_lite.onnx"}
RECROP_WEIGHTS = "hand_recrop.onnx"
POINTS = 21
LANDMARKS_SIDE, RECROP_SIDE = 224, 256  # of the square inputs in pixels, and the units of x and y

ARMS = ((15, 17, 19), (16, 18, 20))
"""Body points wrist, little finger, index finger of the left and the right arm."""
MIN_WRIST_VISIBILITY = 0.1  # hand_visibility_from_hand_landmarks_from_pose.pbtxt
MIN_PRESENCE = 0.5  # hand_landmark_cpu.pbtxt
POSE_SCALE, SHIFT = (
    2.7,
    -0.1,
)  # RectTransformationCalculator: around the pose's fingers; towards the fingertips
TRACK_SCALE = 2.0  # around the palm of the frame before
Z_SCALE = 0.4  # normalize_z of TensorsToLandmarksCalculator

# When the hand of the frame before says where to look now (hand_tracking.pbtxt): the two regions are this much
# alike, and the landmarks lie well inside of the new one.
MAX_TURN_DEGREES, MAX_SHIFT, MAX_SCALING, MARGIN = 40.0, 0.2, 0.4, -0.1

PALM = (0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18)
"""Hand points that place the tracked region (hand_landmarks_to_roi.pbtxt): all but the outer finger joints."""
WRIST, INDEX, MIDDLE, RING = 0, 5, 9, 13  # first joints (HandLandmarksToRectCalculator)


class Hand(NamedTuple):
    """One hand in one image.

    values: (21, 4) float32, x and y as fractions of the image, z on the scale of x from the wrist, and the
    hand's presence in 0..1; pixels: (21, 2) float64; presence: the same number once more.
    """

    values: NDArray[np.float32]
    pixels: NDArray[np.float64]
    presence: float


class HandLandmarks:
    """The two hand networks; knows of no frame before and of no arm."""

    def __init__(self, network: str, threads: int = 1) -> None:
        """network: "full" or "lite"."""
        self._recrop = make_session(weights_path(RECROP_WEIGHTS), threads)
        self._landmarks = make_session(weights_path(WEIGHTS[network]), threads)
        self._recrop_cropper = Cropper(RECROP_SIDE, 0.0, 1.0, cv2.BORDER_REPLICATE)
        self._landmarks_cropper = Cropper(LANDMARKS_SIDE, 0.0, 1.0, cv2.BORDER_REPLICATE)

    def recropped(self, image: NDArray[np.uint8], rough: Region) -> Region:
        """The hand's own region, from a larger one around it."""
        (points,) = self._recrop.run(["points"], {"image": self._recrop_cropper.cut(image, rough)})
        centre, edge = rough.to_image(points[0] / RECROP_SIDE)
        return between(centre, edge, -pi / 2).shifted(SHIFT)

    def find(self, image: NDArray[np.uint8], region: Region) -> Hand:
        """The landmarks of the hand that fills the region, if presence says that there is one."""
        crop = self._landmarks_cropper.cut(image, region)
        points, presence = self._landmarks.run(["landmarks", "presence"], {"image": crop})
        places = points[0].astype(np.float64) / LANDMARKS_SIDE
        pixels = region.to_image(places[:, :2])
        height, width = image.shape[:2]
        values = np.empty((POINTS, 4), np.float32)
        values[:, :2] = pixels / (width, height)
        values[:, 2] = places[:, 2] / Z_SCALE * (region.size / width)
        values[:, 3] = presence.item()
        return Hand(values, pixels, presence.item())


class HandFinder:
    """Follows one hand through the frames of one clip; `arm` is its row in ARMS."""

    def __init__(self, networks: HandLandmarks, arm: tuple[int, int, int]) -> None:
        self._networks, self._arm = networks, arm
        self._before: Hand | None = None

    def reset(self) -> None:
        """Forget the clip."""
        self._before = None

    def find(self, image: NDArray[np.uint8], pose: Pose | None) -> Hand | None:
        """image: (H, W, 3) uint8 RGB. None where there is no such hand to be seen."""
        before, self._before = self._before, None
        if pose is None or pose.values[self._arm[0], 3] < MIN_WRIST_VISIBILITY:
            return None
        region = self._networks.recropped(image, region_from_pose(pose.pixels[list(self._arm)]))
        if before is not None:
            tracked = region_from_hand(before.pixels)
            if is_alike(tracked, region, before.pixels):
                region = tracked
        hand = self._networks.find(image, region)
        if hand.presence <= MIN_PRESENCE:
            return None
        self._before = hand
        return hand


def region_from_pose(points: NDArray[np.float64]) -> Region:
    """points: (3, 2), wrist, little finger, index finger in pixels (HandDetectionsFromPoseToRectsCalculator)."""
    wrist, little, index = points
    middle = (2 * index + little) / 3
    right, down = middle - wrist
    rotation = normalized_angle(pi / 2 - atan2(-down, right))
    size = 2 * float(np.hypot(right, down))
    return Region(float(middle[0]), float(middle[1]), size, rotation).shifted(SHIFT).scaled(POSE_SCALE)


def region_from_hand(points: NDArray[np.float64]) -> Region:
    """points: (21, 2) in pixels -> a region with room for the hand to move until the next frame."""
    aim = (points[INDEX] + points[RING]) / 4 + points[MIDDLE] / 2
    right, down = aim - points[WRIST]
    rotation = normalized_angle(pi / 2 - atan2(-down, right))
    palm = points[list(PALM)]
    middle = (palm.max(axis=0) + palm.min(axis=0)) / 2
    upright = rotated(palm - middle, -rotation)
    high, low = upright.max(axis=0), upright.min(axis=0)
    x, y = rotated((high + low)[np.newaxis] / 2, rotation)[0] + middle
    width, height = high - low
    moved = Region(float(x), float(y), float(height), rotation).shifted(SHIFT)
    return moved._replace(size=TRACK_SCALE * float(max(width, height)))


def is_alike(tracked: Region, found: Region, points: NDArray[np.float64]) -> bool:
    """Whether the region tracked from `points` (21, 2) may stand for the one just found (RoiTrackingCalculator)."""
    turn = abs(degrees(normalized_angle(tracked.rotation - found.rotation)))
    shift = np.abs(rotated(np.subtract([tracked[:2]], [found[:2]]), -found.rotation)).max()
    scaling = abs(tracked.size - found.size)
    if turn > MAX_TURN_DEGREES or shift > MAX_SHIFT * found.size or scaling > MAX_SCALING * found.size:
        return False
    return bool(np.abs(found.from_image(points) - 0.5).max() < (1 + MARGIN) / 2)
