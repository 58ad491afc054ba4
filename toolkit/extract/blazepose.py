"""Body and hand landmarks by onnxruntime alone: MediaPipe's networks and numbers, without MediaPipe.

Two ways through a clip. The default looks for the person once and keeps looking in the same region for as long as
the person stays in it; `per_frame` looks anew in every frame, which gives what MediaPipe gives for single images.
This module joins the networks of the blazepose_* files; it knows neither videos nor stores.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from toolkit.errors import ConfigError, InputError
from toolkit.extract import blazepose_detector, blazepose_hands, blazepose_landmarks
from toolkit.extract.blazepose_detector import PoseDetector
from toolkit.extract.blazepose_hands import HandFinder, HandLandmarks
from toolkit.extract.blazepose_landmarks import Pose, PoseLandmarks
from toolkit.extract.protocol import Extraction, ExtractorSpec, Fingerprint
from toolkit.extract.regions import Region
from toolkit.landmarks import get_layout
from toolkit.process_memory import give_back_memory
from toolkit.weights import numbers_sha256

NETWORKS = tuple(blazepose_landmarks.WEIGHTS)
HANDS = ("left_hand", "right_hand")
"""The parts of a layout, in the order of blazepose_hands.ARMS."""
RECIPE = 4
"""Counts changes of the code here that change landmarks; stored with them."""

# The person has moved when the landmarks' own region differs from the one looked at by this part of its side.
MAX_DRIFT = 0.25


class OnnxPose:
    """(T, 33, 4) float32 in layout "body", (T, 75, 4) in layout "body_hands": x, y, z, score per landmark.

    x and y are fractions of the image's width and height, z is on the scale of x, the score is visibility
    (body) or presence (hands) in 0..1; NaN in all four where no person or no such hand was found.

    Raises:
        ConfigError: a setting that this backend does not have.
        WeightsError: a shipped network is missing or damaged.
    """

    frame_size = None

    def __init__(self, spec: ExtractorSpec) -> None:
        _check(spec)
        layout = get_layout(spec.landmarks)
        self.layout = layout.name
        self.item_shape: tuple[int, ...] = layout.item_shape
        self._per_frame = spec.per_frame
        self._body, self._parts = layout.parts["body"], {}
        self._detector = PoseDetector(spec.threads)
        self._landmarks = PoseLandmarks(spec.network, spec.refine_kernel, spec.threads)
        self._hands: dict[str, HandFinder] = {}
        if set(HANDS) <= set(layout.parts):
            networks = HandLandmarks(spec.network, spec.threads, exact=spec.per_frame)
            self._hands = {
                part: HandFinder(networks, arm, exact=spec.per_frame) for arm, part in enumerate(HANDS)
            }
            self._parts = {part: layout.parts[part] for part in HANDS}
        give_back_memory()  # once, after all networks: what one has freed the next one takes
        self.fingerprint: Fingerprint = fingerprint(spec)

    def extract(self, frames: Iterable[NDArray[np.uint8]]) -> Extraction:
        """frames: T images (H, W, 3) uint8 RGB, of any size, taken one at a time and not kept.

        quality: detection_rate, the fraction of frames with a person; mean_visibility over those (0 if none);
        with hands left_hand_rate and right_hand_rate, the fraction of all frames with that hand.

        Raises:
            InputError: a frame is not (H, W, 3) uint8.
        """
        values = list(self.follow(frames))
        give_back_memory()
        clip = np.stack(values) if values else np.empty((0, *self.item_shape), np.float32)
        return Extraction(clip, self._quality(clip))

    def follow(self, frames: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.float32]]:
        """The landmarks (K, 4) of each frame as soon as it comes, for input that has no end yet.

        One clip at a time: a second call forgets where the first one was. Raises like `extract`.
        """
        self._region: Region | None = None
        for finder in self._hands.values():
            finder.reset()
        for frame in frames:
            values = self._values(_checked(frame))
            del frame  # before the next one is made
            yield values

    def close(self) -> None:
        """Release the networks; the extractor cannot be used afterwards. Closing twice is allowed."""
        self._hands = {}
        for name in ("_detector", "_landmarks"):
            self.__dict__.pop(name, None)

    def _values(self, frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        values = np.full(self.item_shape, np.nan, np.float32)
        pose = self._pose(frame)
        if pose is not None:
            values[self._body.start : self._body.stop] = pose.values
        for part, finder in self._hands.items():
            hand = finder.find(frame, pose)
            if hand is not None:
                values[self._parts[part].start : self._parts[part].stop] = hand.values
        return values

    def _pose(self, frame: NDArray[np.uint8]) -> Pose | None:
        region, self._region = self._region, None
        pose = None if region is None else self._landmarks.find(frame, region)
        if pose is None or region is None or _drift(region, pose.region) > MAX_DRIFT:
            region = self._detector.find(frame)
            pose = None if region is None else self._landmarks.find(frame, region)
        if pose is not None and not self._per_frame:
            self._region = region
        return pose

    def _quality(self, clip: NDArray[np.float32]) -> dict[str, float]:
        seen = ~np.isnan(clip[:, self._body.start, 0])
        quality = {
            "detection_rate": float(seen.mean()) if len(clip) else 0.0,
            "mean_visibility": float(clip[seen][:, self._body.start : self._body.stop, 3].mean())
            if seen.any()
            else 0.0,
        }
        for part, slots in self._parts.items():
            quality[f"{part}_rate"] = float((~np.isnan(clip[:, slots.start, 0])).mean()) if len(clip) else 0.0
        return quality


def _drift(used: Region, found: Region) -> float:
    return max(abs(found.x - used.x), abs(found.y - used.y), abs(found.size - used.size)) / used.size


def network_files(spec: ExtractorSpec) -> list[str]:
    """Names of the files in toolkit/weights that an extractor of this spec opens."""
    files = [blazepose_detector.WEIGHTS, blazepose_landmarks.WEIGHTS[spec.network]]
    if spec.landmarks != "body":
        files += [blazepose_hands.RECROP_WEIGHTS, blazepose_hands.WEIGHTS[spec.network]]
    return files


def fingerprint(spec: ExtractorSpec) -> Fingerprint:
    hashes = "".join(numbers_sha256(file) for file in network_files(spec))
    return {
        "backend": "onnx",
        "layout": spec.landmarks,
        "network": spec.network,
        "weights_sha256": hashlib.sha256(hashes.encode()).hexdigest()[:16],
        "detection": "per_frame" if spec.per_frame else "clip",
        "refine_kernel": spec.refine_kernel,
        "min_confidence": blazepose_landmarks.MIN_PRESENCE,
        "recipe": RECIPE,
    }


def _check(spec: ExtractorSpec) -> None:
    if spec.device != "cpu":
        raise ConfigError(f"device is '{spec.device}'; the onnx pose backend runs on: cpu")
    if spec.model_asset is not None:
        raise ConfigError(
            f"model_asset is {spec.model_asset}, but the onnx pose backend runs the networks that ship; "
            "leave it out, or use --backend mediapipe"
        )
    if spec.network not in NETWORKS:
        raise ConfigError(f"there is no pose network '{spec.network}'; choose one of: {', '.join(NETWORKS)}")
    if spec.refine_kernel < 1 or spec.refine_kernel % 2 == 0:
        raise ConfigError(f"refine_kernel is {spec.refine_kernel}; give an odd number, as 7 or 9")


def _checked(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if frame.ndim != 3 or frame.shape[2] != 3 or 0 in frame.shape or frame.dtype != np.uint8:
        raise InputError(f"a frame is {frame.shape} {frame.dtype}; give images (H, W, 3) uint8 RGB")
    return np.ascontiguousarray(frame)
