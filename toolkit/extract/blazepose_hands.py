"""Hands without a palm detector: the pose's wrist and fingers -> a region -> 21 landmarks of that hand.

The way and the numbers are those of MediaPipe Holistic, `modules/holistic_landmark` (hand_landmarks_from_pose_cpu,
hand_recrop_by_roi_cpu, hand_tracking, hand_landmarks_to_roi) and `modules/hand_landmark/hand_landmark_cpu`. Left
and right are the signer's: which hand it is comes from the arm it hangs on. Two things are ours, and docs/poses.md
says what they are worth: the networks do not run where no hand can be, and a hand that was not found where
Holistic looks is looked for in two other places.
"""

from __future__ import annotations

from math import atan2, degrees, pi
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from toolkit.extract.blazepose_landmarks import Pose
from toolkit.extract.regions import Cropper, Region, between, normalized_angle, rotated
from toolkit.session import FixedRun, make_session
from toolkit.weights import weights_path

WEIGHTS = {"full": "hand_landmarks_full.onnx", "lite": "hand_landmarks_lite.onnx"}
RECROP_WEIGHTS = "hand_recrop.onnx"
POINTS = 21
LANDMARKS_SIDE, RECROP_SIDE = 224, 256  # of the square inputs in pixels, and the units of x and y

ARMS = ((15, 17, 19), (16, 18, 20))
"""Body points wrist, little finger, index finger of the left and the right arm."""
MIN_WRIST_VISIBILITY = 0.1  # hand_visibility_from_hand_landmarks_from_pose.pbtxt
MAX_OUTSIDE = 0.06  # how far outside of the image, in parts of its sides, the middle of a hand can lie
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
# When the arm has moved little, the hand of the frame before says where to look without a re-crop; when it has
# hardly moved, a hand that was not found is not looked for. Both in turn, shift, scaling as above.
LITTLE, HARDLY = (20.0, 0.1, 0.2), (10.0, 0.05, 0.1)

PALM = (0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18)
"""Hand points that place the tracked region (hand_landmarks_to_roi.pbtxt): all but the outer finger joints."""
WRIST, INDEX, MIDDLE, RING = 0, 5, 9, 13  # first joints (HandLandmarksToRectCalculator)

# A second look, when a hand was not found (docs/poses.md): where it was before, and in the whole rough region.
# What is found there counts when it is the right hand of the two, on the right arm.
SECOND_LOOK_EVERY = 4  # misses, where the last second look found nothing
MAX_SKIPPED = 1  # frames in a row without any look, while an arm whose hand was not found keeps still
MIN_SIDE_AGREEMENT = 0.5  # of the network's own opinion whether it is a left or a right hand
MAX_WRIST_DISTANCE = 0.8  # between the hand's and the pose's wrist, in parts of the hand's length


class Hand(NamedTuple):
    """One hand in one image.

    values: (21, 4) float32, x and y as fractions of the image, z on the scale of x from the wrist, and the
    hand's presence in 0..1; pixels: (21, 2) float64; presence: the same number once more; rightness: how much
    it looks like a signer's right hand, 0..1.
    """

    values: NDArray[np.float32]
    pixels: NDArray[np.float64]
    presence: float
    rightness: float


class HandLandmarks:
    """The two hand networks; knows of no frame before and of no arm."""

    def __init__(self, network: str, threads: int = 1, exact: bool = True) -> None:
        """network: "full" or "lite"; exact: see `Cropper`."""
        self._recrop_cropper = Cropper(RECROP_SIDE, 0.0, 1.0, cv2.BORDER_REPLICATE, exact)
        self._recrop_points = np.empty((1, 2, 2), np.float32)
        self._recrop = FixedRun(
            make_session(weights_path(RECROP_WEIGHTS), threads, arena=True),
            {"image": self._recrop_cropper.tensor},
            {"points": self._recrop_points},
        )
        self._cropper = Cropper(LANDMARKS_SIDE, 0.0, 1.0, cv2.BORDER_REPLICATE, exact)
        self._points = np.empty((1, POINTS, 3), np.float32)
        self._presence, self._rightness = np.empty(1, np.float32), np.empty(1, np.float32)
        self._landmarks = FixedRun(
            make_session(weights_path(WEIGHTS[network]), threads, arena=True),
            {"image": self._cropper.tensor},
            {"landmarks": self._points, "presence": self._presence, "handedness": self._rightness},
        )

    def recropped(self, image: NDArray[np.uint8], rough: Region) -> Region:
        """The hand's own region, from a larger one around it."""
        self._recrop_cropper.cut(image, rough)
        self._recrop.run()
        centre, edge = rough.to_image(self._recrop_points[0] / RECROP_SIDE)
        return between(centre, edge, -pi / 2).shifted(SHIFT)

    def find(self, image: NDArray[np.uint8], region: Region) -> Hand:
        """The landmarks of the hand that fills the region, if presence says that there is one."""
        self._cropper.cut(image, region)
        self._landmarks.run()
        places = self._points[0].astype(np.float64) / LANDMARKS_SIDE
        pixels = region.to_image(places[:, :2])
        height, width = image.shape[:2]
        presence = self._presence.item()
        values = np.empty((POINTS, 4), np.float32)
        values[:, :2] = pixels / (width, height)
        values[:, 2] = places[:, 2] / Z_SCALE * (region.size / width)
        values[:, 3] = presence
        return Hand(values, pixels, presence, self._rightness.item())


class HandFinder:
    """Follows one hand through the frames of one clip; `arm` is 0 for the left, 1 for the right one."""

    def __init__(self, networks: HandLandmarks, arm: int, exact: bool) -> None:
        """exact: give what Holistic gives; otherwise save work on still hands, and look twice for lost ones."""
        self._networks, self._arm, self._exact = networks, arm, exact
        self.reset()

    def reset(self) -> None:
        """Forget the clip."""
        self._before: tuple[Hand, Region] | None = None  # the hand last frame, and its rough region
        self._missed: Region | None = None  # the rough region in which there was no hand last time
        self._misses_to_come = 0  # before the next second look
        self._skipped = 0  # frames in a row without a look

    def find(self, image: NDArray[np.uint8], pose: Pose | None) -> Hand | None:
        """image: (H, W, 3) uint8 RGB. None where there is no such hand to be seen."""
        before, self._before = self._before, None
        arm = list(ARMS[self._arm])
        if pose is None or pose.values[arm[0], 3] < MIN_WRIST_VISIBILITY:
            return None
        rough = region_from_pose(pose.pixels[arm])
        if not is_near_image(rough, image):
            return None
        if self._is_still_missed(rough):
            return None
        tracked = None if before is None else region_from_hand(before[0].pixels)
        region = self._region(image, rough, tracked, before)
        hand = self._networks.find(image, region) if is_near_image(region, image) else None
        if hand is not None and hand.presence <= MIN_PRESENCE:
            hand = None
            if self._misses_to_come:
                self._misses_to_come -= 1
            elif not self._exact:
                places = [place for place in (tracked, rough) if place is not None and place != region]
                hand = self._look_again(image, places, pose.pixels[arm[0]])
                self._misses_to_come = SECOND_LOOK_EVERY - 1 if hand is None else 0
        self._missed = rough if hand is None else None
        if hand is not None:
            self._before, self._misses_to_come = (hand, rough), 0
        return hand

    def _is_still_missed(self, rough: Region) -> bool:
        """Whether the arm is where no hand was found a moment ago, so that looking again would find none."""
        still = self._missed is not None and is_alike(rough, self._missed, *HARDLY)
        self._skipped = self._skipped + 1 if still and not self._exact and self._skipped < MAX_SKIPPED else 0
        return self._skipped > 0

    def _region(
        self,
        image: NDArray[np.uint8],
        rough: Region,
        tracked: Region | None,
        before: tuple[Hand, Region] | None,
    ) -> Region:
        """Where to look for the hand: where it was, if that is still likely; else where the re-crop network says."""
        if tracked is None or before is None:
            return self._networks.recropped(image, rough)
        hand, rough_before = before
        if not self._exact and is_alike(rough_before, rough, *LITTLE):
            return tracked
        region = self._networks.recropped(image, rough)
        kept = is_alike(tracked, region, MAX_TURN_DEGREES, MAX_SHIFT, MAX_SCALING)
        inside = np.abs(region.from_image(hand.pixels) - 0.5).max() < (1 + MARGIN) / 2
        return tracked if kept and inside else region

    def _look_again(
        self, image: NDArray[np.uint8], places: list[Region], wrist: NDArray[np.float64]
    ) -> Hand | None:
        for place in places:
            hand = self._networks.find(image, place)
            if hand.presence > MIN_PRESENCE and is_on_arm(hand, wrist, self._arm):
                closer = self._networks.find(
                    image, region_from_hand(hand.pixels)
                )  # now that it is known where
                return closer if closer.presence > MIN_PRESENCE else hand
        return None


def is_near_image(region: Region, image: NDArray[np.uint8]) -> bool:
    """Whether the middle of the region lies in the image or close to it."""
    height, width = image.shape[:2]
    return bool(
        -MAX_OUTSIDE * width <= region.x <= (1 + MAX_OUTSIDE) * width
        and -MAX_OUTSIDE * height <= region.y <= (1 + MAX_OUTSIDE) * height
    )


def is_on_arm(hand: Hand, wrist: NDArray[np.float64], arm: int) -> bool:
    """Whether the hand is of the arm's side, and its wrist is where the pose has it (`wrist`, (2,) pixels)."""
    agreement = hand.rightness if arm == 1 else 1 - hand.rightness
    length = float(np.hypot(*(hand.pixels[MIDDLE] - hand.pixels[WRIST])))
    distance = float(np.hypot(*(hand.pixels[WRIST] - wrist)))
    return agreement >= MIN_SIDE_AGREEMENT and distance <= MAX_WRIST_DISTANCE * length


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


def is_alike(region: Region, other: Region, turn_degrees: float, shift: float, scaling: float) -> bool:
    """Whether two regions differ by no more than this; shift and scaling in parts of the other's size
    (rect_requirements of RoiTrackingCalculator)."""
    turned = abs(degrees(normalized_angle(region.rotation - other.rotation)))
    shifted = float(np.abs(rotated(np.subtract([region[:2]], [other[:2]]), -other.rotation)).max())
    scaled = abs(region.size - other.size)
    return turned <= turn_degrees and shifted <= shift * other.size and scaled <= scaling * other.size
