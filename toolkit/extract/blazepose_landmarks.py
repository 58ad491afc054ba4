"""BlazePose's landmark network: a person's region in an image -> 33 landmarks, and whether anybody is there.

The numbers are those of MediaPipe's graphs in `modules/pose_landmark`: `pose_landmark_by_roi_cpu.pbtxt` (input),
`tensors_to_pose_landmarks_and_segmentation.pbtxt` (decoding, refinement) and `pose_landmarks_to_roi.pbtxt`.
"""

from __future__ import annotations

from math import pi
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from toolkit.extract.regions import Cropper, Region, between
from toolkit.session import FixedRun, make_session
from toolkit.weights import weights_path

WEIGHTS = {"full": "pose_landmarks_full.onnx", "lite": "pose_landmarks_lite.onnx"}
SIDE = 256  # of the square input in pixels, and the unit of x, y, z
NETWORK_POINTS, HEATMAP_SIDE = 39, 64
POINTS = 33  # body points; the network gives six more: two place the next region, the rest are unused
HIPS, EDGE = 33, 34
MIN_PRESENCE = 0.5  # MediaPipe's min_tracking_confidence / min_pose_presence_confidence
MIN_REFINED = 0.5  # min_confidence_to_refine of RefineLandmarksFromHeatmapCalculator
REGION_SCALE = 1.25  # RectTransformationCalculator of pose_landmarks_to_roi.pbtxt


class Pose(NamedTuple):
    """One person in one image.

    values: (33, 4) float32, x and y as fractions of the image, z on the scale of x, visibility in 0..1;
    pixels: (33, 2) float64; region: where the landmarks themselves would look for this person next.
    """

    values: NDArray[np.float32]
    pixels: NDArray[np.float64]
    region: Region


class PoseLandmarks:
    """Finds the landmarks in a region, without knowing of any frame before it."""

    def __init__(self, network: str, refine_kernel: int, threads: int = 1) -> None:
        """network: "full" or "lite"; refine_kernel: odd side of the heatmap window in cells."""
        self._cropper = Cropper(SIDE, 0.0, 1.0, cv2.BORDER_REPLICATE)
        self._points = np.empty((1, NETWORK_POINTS, 5), np.float32)
        self._presence = np.empty(1, np.float32)
        self._heatmaps = np.empty((1, NETWORK_POINTS, HEATMAP_SIDE, HEATMAP_SIDE), np.float32)
        outputs = {"landmarks": self._points, "presence": self._presence, "heatmap": self._heatmaps}
        session = make_session(weights_path(WEIGHTS[network]), threads, arena=True)
        self._network = FixedRun(session, {"image": self._cropper.tensor}, outputs)
        self._kernel = refine_kernel

    def find(self, image: NDArray[np.uint8], region: Region) -> Pose | None:
        """image: (H, W, 3) uint8 RGB. None when the network sees nobody in the region."""
        self._cropper.cut(image, region)
        self._network.run()
        if self._presence.item() < MIN_PRESENCE:
            return None
        points = self._points[0].astype(np.float64)
        places = points[:, :2] / SIDE
        places[:POINTS] = refined(places[:POINTS], self._heatmaps[0, :POINTS], self._kernel)
        pixels = region.to_image(places[: EDGE + 1])
        height, width = image.shape[:2]
        values = np.empty((POINTS, 4), np.float32)
        values[:, :2] = pixels[:POINTS] / (width, height)
        values[:, 2] = points[:POINTS, 2] / SIDE * (region.size / width)
        values[:, 3] = 1 / (1 + np.exp(-points[:POINTS, 3]))
        onward = between(pixels[HIPS], pixels[EDGE], pi / 2).scaled(REGION_SCALE)
        return Pose(values, pixels[:POINTS], onward)


def refined(places: NDArray[np.float64], heatmaps: NDArray[np.float32], kernel: int) -> NDArray[np.float64]:
    """Move landmarks to the centre of mass of their heatmap around them (RefineLandmarksFromHeatmapCalculator).

    places: (K, 2) as fractions of the region; heatmaps: (K, rows, columns) logits; kernel: odd window side in
    cells. A landmark stays where the heatmap is nowhere sure, or where it lies outside of the region.
    """
    rows, columns = heatmaps.shape[1:]
    reach = np.arange(kernel) - kernel // 2
    centres = (places * (columns, rows)).astype(np.int64)  # towards 0, as a C++ cast does
    across, down = centres[:, :1] + reach, centres[:, 1:] + reach
    held_across, held_down = (across >= 0) & (across < columns), (down >= 0) & (down < rows)
    x, y = np.where(held_across, across, 0), np.where(held_down, down, 0)
    starts = np.arange(0, heatmaps.size, rows * columns)[:, np.newaxis, np.newaxis]
    window = heatmaps.ravel()[starts + (y * columns)[:, :, np.newaxis] + x[:, np.newaxis]]
    weights = 1 / (1 + np.exp(-window.astype(np.float64)))
    weights *= held_down[:, :, np.newaxis] & held_across[:, np.newaxis]
    by_column, by_row = weights.sum(axis=1), weights.sum(axis=2)
    inside = ((centres >= 0) & (centres < (columns, rows))).all(axis=1)
    (moved,) = np.nonzero(inside & (weights.max(axis=(1, 2)) >= MIN_REFINED))
    total = by_column[moved].sum(axis=1)
    result = places.copy()
    result[moved, 0] = (by_column[moved] * across[moved]).sum(axis=1) / (columns * total)
    result[moved, 1] = (by_row[moved] * down[moved]).sum(axis=1) / (rows * total)
    return result
