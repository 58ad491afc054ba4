"""BlazePose's person detector: a whole image -> the region of the most prominent person, or None.

The numbers are those of MediaPipe's graphs: `modules/pose_detection/pose_detection_cpu.pbtxt` (anchors, decoding,
non-maximum suppression) and `modules/pose_landmark/pose_detection_to_roi.pbtxt` (detection -> region). So are
the single precision and the order of operations: the last bits of the region decide which pixels its crop has.
"""

from __future__ import annotations

from math import atan2, log, pi

import cv2
import numpy as np
from numpy.typing import NDArray

from toolkit.extract.regions import Cropper, Region, normalized_angle
from toolkit.session import make_session
from toolkit.weights import weights_path

WEIGHTS = "pose_detector.onnx"
SIDE = 224  # of the square input in pixels, and the unit of the box coordinates
GRIDS = ((8, 2), (16, 2), (32, 6))
"""(stride in pixels, anchors per cell): SsdAnchorsCalculator, strides 8, 16, 32, 32, 32, two anchors each."""
MIN_SCORE = 0.5  # min_score_thresh; MediaPipe's min_detection_confidence
MIN_OVERLAP = 0.3  # min_suppression_threshold of the weighted non-maximum suppression
REGION_SCALE = 1.25  # RectTransformationCalculator, scale_x and scale_y


def anchor_centres() -> NDArray[np.float32]:
    """(2254, 2) float32: x and y of the anchors as fractions of the input, row by row, coarser grids last."""
    grids = []
    for stride, per_cell in GRIDS:
        places = (np.arange(SIDE // stride, dtype=np.float64) + 0.5) / (SIDE // stride)
        rows, columns = np.meshgrid(places, places, indexing="ij")
        grids.append(np.stack([columns, rows], axis=-1).reshape(-1, 2).repeat(per_cell, axis=0))
    return np.concatenate(grids).astype(np.float32)


class PoseDetector:
    """Finds a person in an image, without knowing of any frame before it."""

    def __init__(self, threads: int = 1) -> None:
        self._session = make_session(weights_path(WEIGHTS), threads, arena=True)
        self._cropper = Cropper(SIDE, -1.0, 1.0, cv2.BORDER_CONSTANT)
        self._anchors = anchor_centres()

    def find(self, image: NDArray[np.uint8]) -> Region | None:
        """image: (H, W, 3) uint8 RGB, of any size. The region is turned so that the person stands upright."""
        height, width = image.shape[:2]
        whole = Region(width / 2, height / 2, float(max(height, width)), 0.0)  # with bars beside a long side
        boxes, logits = self._session.run(["boxes", "scores"], {"image": self._cropper.cut(image, whole)})
        keypoints = best_keypoints(boxes[0], logits[0], self._anchors)
        return None if keypoints is None else region_around(keypoints, width, height)


def best_keypoints(
    boxes: NDArray[np.float32], logits: NDArray[np.float32], anchors: NDArray[np.float32]
) -> NDArray[np.float32] | None:
    """The two points that place the region: the middle of the hips, and a point on the circle around the body.

    boxes: (A, 12), box and four key points in input pixels relative to the anchors; logits: (A,);
    anchors: (A, 2). The detections that overlap the best one are averaged with their scores as weights
    (overlap_type and algorithm of NonMaxSuppressionCalculator: intersection over union, WEIGHTED).
    Gives (2, 2) as fractions of the input, or None when no score reaches MIN_SCORE.
    """
    (taken,) = np.nonzero(logits >= log(MIN_SCORE / (1 - MIN_SCORE)))
    if not len(taken):
        return None
    taken = taken[np.argsort(-logits[taken], kind="stable")]  # sums are in this order
    # C's expf rounds correctly nearly always; numpy's float32 exp less often
    scores = 1 / (1 + np.exp(-np.clip(logits[taken].astype(np.float64), -100, 100)).astype(np.float32))
    found, origin = boxes[taken] / np.float32(SIDE), anchors[taken]
    centre, half = found[:, :2] + origin, found[:, 2:4] / 2
    low = centre - half
    size = centre + half - low
    high = low + size
    common = np.clip(np.minimum(high, high[0]) - np.maximum(low, low[0]), 0, None).prod(axis=1)
    areas = size.prod(axis=1)
    same = common / (areas + areas[0] - common) > MIN_OVERLAP
    same[0] = True  # a box without area overlaps nothing, not even itself
    points = found[same, 4:8].reshape(-1, 2, 2) + origin[same, np.newaxis]
    weights = scores[same, np.newaxis, np.newaxis]
    mean: NDArray[np.float32] = np.cumsum(points * weights, axis=0)[-1] / np.cumsum(weights, axis=0)[-1]
    return mean


def region_around(keypoints: NDArray[np.float32], width: int, height: int) -> Region:
    """keypoints: what `best_keypoints` gives; width, height: of the image in pixels.

    DetectionLetterboxRemovalCalculator, AlignmentPointsRectsCalculator, RectTransformationCalculator and
    GetRoi of ImageToTensorCalculator, which all keep fractions of the image in single precision.
    """
    sides = np.array([width, height], np.float32)
    aspect = sides[1] / sides[0]
    bars = (1 - np.array([1 / max(aspect, np.float32(1)), min(aspect, np.float32(1))], np.float32)) / 2
    centre, edge = (keypoints - bars) / (1 - 2 * bars) * sides
    right, down = edge - centre
    reach = 2 * np.sqrt(right * right + down * down)
    extent = (reach / sides * sides).max() / sides * np.float32(REGION_SCALE) * sides
    turn = float(np.float32(pi / 2) - np.float32(atan2(-down, right)))
    x, y = (float(place) for place in centre / sides * sides)
    return Region(x, y, float(extent.max()), float(np.float32(normalized_angle(turn))))
