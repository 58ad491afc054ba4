"""Body landmarks by MediaPipe's PoseLandmarker (Tasks API, mediapipe >= 1.2), on the CPU.

Every frame is looked at on its own (running mode IMAGE: detector, then landmark network), so a clip's record
does not depend on the clips before it. This module knows neither videos nor stores; `pose_bundle` supplies
the network file.

Privacy: images never leave the machine, and sign-toolkit itself sends nothing. MediaPipe 1.x, however, may
send metrics about its use to Google when it can reach the network, and offers no switch against that; see
docs/privacy.md for what is sent and how to prevent it.

Threads: on desktop systems MediaPipe runs each network on one thread, and one network after the other; a
process uses one core, however many threads it holds. So ExtractorSpec.threads has nothing to act on here.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.errors import ConfigError, MissingDependencyError, WeightsError, require
from toolkit.extract.pose_bundle import TASK_MEMBERS, pose_landmarker_task, sha256_of
from toolkit.extract.protocol import Extraction, ExtractorSpec, Fingerprint
from toolkit.landmarks import get_layout

MIN_CONFIDENCE = (
    0.5  # MediaPipe's own default for detection and presence; written out, because it decides results
)

CV2_VERSIONS = ">=4.11,<5.1"
"""As in pyproject.toml: of these pip takes the same for all of CV2_PACKAGES. The newest release under one of the
names may not be out under the others."""

CV2_PACKAGES = (
    "opencv-python",
    "opencv-contrib-python",
    "opencv-python-headless",
    "opencv-contrib-python-headless",
)
"""Distributions that all install into the one folder `cv2`."""

NATIVE_CHATTER = re.compile(
    rb"[IW]\d{4} [\d:.]+ "  # absl: information and warnings; errors (E) and fatal ones (F) pass
    rb"|(INFO|WARNING): "  # TensorFlow Lite, and absl before it is set up
    rb"|E\d{4} .*(logging_client|curl_client|http_async_client|clearcut)"  # metrics that could not be sent
)


class MediaPipePose:
    """33 body landmarks per frame: (T, 33, 4) float32 of x, y, z, visibility.

    x and y are fractions of the image's width and height, z is on the scale of x, visibility is in 0..1; NaN
    in all four where no person was found.

    Raises:
        ConfigError: another layout than "body" was asked for.
        MissingDependencyError: mediapipe is missing, or two different OpenCV releases overwrote each other.
        WeightsError: no network file can be had, or the given one is none.
    """

    frame_size = None
    layout = "body"

    def __init__(self, spec: ExtractorSpec) -> None:
        if spec.landmarks != self.layout:
            raise ConfigError(
                f"the mediapipe backend gives the landmarks 'body' only, not '{spec.landmarks}': "
                "MediaPipe's pose network has no hands. Use the onnx backend, or extract with --landmarks body"
            )
        check_opencv(_installed(CV2_PACKAGES))
        self._mediapipe = require("mediapipe", "mediapipe")
        tasks = require("mediapipe.tasks.python", "mediapipe")
        task = pose_landmarker_task() if spec.model_asset is None else checked_asset(spec.model_asset)
        self.item_shape: tuple[int, ...] = get_layout(self.layout).item_shape
        self.fingerprint: Fingerprint = {
            "backend": "mediapipe",
            # the refinement of landmarks changes with minor releases, not with patches
            "backend_version": ".".join(metadata.version("mediapipe").split(".")[:2]),
            "network": task.stem,
            "weights_sha256": sha256_of(task)[:16],
            "running_mode": "image",
            "min_confidence": MIN_CONFIDENCE,
        }
        self._said_all = False  # each piece of chatter comes once, the last with the first person found
        vision = tasks.vision
        options = vision.PoseLandmarkerOptions(
            base_options=tasks.BaseOptions(
                model_asset_path=str(task), delegate=tasks.BaseOptions.Delegate.CPU
            ),
            running_mode=vision.RunningMode.IMAGE,
            num_poses=1,
            min_pose_detection_confidence=MIN_CONFIDENCE,
            min_pose_presence_confidence=MIN_CONFIDENCE,
        )
        try:
            with _without_chatter():
                self._landmarker: Any = vision.PoseLandmarker.create_from_options(options)
        except (RuntimeError, ValueError, OSError) as error:
            raise WeightsError(
                f"MediaPipe cannot open {task} as a PoseLandmarker network: {error}"
            ) from error

    def extract(self, frames: Iterable[NDArray[np.uint8]]) -> Extraction:
        """frames: T images (H, W, 3) uint8 RGB, of any size, taken one at a time and not kept.

        quality: detection_rate, the fraction of frames with a person; mean_visibility over those (0 if none).
        """
        values = [self._landmarks(frame) for frame in frames]
        clip = np.stack(values) if values else np.empty((0, *self.item_shape), np.float32)
        seen = ~np.isnan(clip[:, 0, 0])
        quality = {
            "detection_rate": float(seen.mean()) if len(clip) else 0.0,
            "mean_visibility": float(clip[seen, :, 3].mean()) if seen.any() else 0.0,
        }
        return Extraction(clip, quality)

    def close(self) -> None:
        """Release MediaPipe's graph; the extractor cannot be used afterwards. Closing twice is allowed."""
        landmarker, self._landmarker = self._landmarker, None
        if landmarker is not None:
            with _without_chatter():
                landmarker.close()

    def _landmarks(self, frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        image_format = self._mediapipe.ImageFormat.SRGB
        image = self._mediapipe.Image(image_format=image_format, data=np.ascontiguousarray(frame))
        with nullcontext() if self._said_all else _without_chatter():
            found = self._landmarker.detect(image).pose_landmarks
        if not found:
            return np.full(self.item_shape, np.nan, np.float32)
        self._said_all = True
        return np.array([(point.x, point.y, point.z, point.visibility) for point in found[0]], np.float32)


def checked_asset(path: Path) -> Path:
    """The user's own network file, if it is a PoseLandmarker .task archive.

    Raises:
        WeightsError: it is missing, or something else.
    """
    if not path.is_file():
        raise WeightsError(f"--model_asset: there is no file {path}")
    names = zipfile.ZipFile(path).namelist() if zipfile.is_zipfile(path) else []
    missing = [name for name in TASK_MEMBERS if name not in names]
    if missing:
        raise WeightsError(
            f"--model_asset: {path} is not a PoseLandmarker .task file (it holds no {' and no '.join(missing)}). "
            "Leave the flag out, and the network is fetched and built on first use"
        )
    return path


def check_opencv(installed: Mapping[str, str]) -> None:
    """Refuse a broken mixture: OpenCV packages of different releases in one cv2 folder.

    installed: package -> version. MediaPipe brings opencv-contrib-python, this package opencv-python.

    Raises:
        MissingDependencyError: with the pip line that repairs it.
    """
    if len(set(installed.values())) <= 1:
        return
    pins = " ".join(f'"{name}{CV2_VERSIONS}"' for name in installed)
    found = ", ".join(f"{name} {version}" for name, version in installed.items())
    raise MissingDependencyError(
        f"these packages share one cv2 folder, but are of different releases: {found}. "
        f"Repair it with: pip install --force-reinstall --no-deps {pins}"
    )


def _installed(packages: Iterable[str]) -> dict[str, str]:
    versions = {}
    for name in packages:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


@contextmanager
def _without_chatter() -> Iterator[None]:
    """Hold back what native code writes to stderr, then pass on all of it but the known chatter.

    MediaPipe offers no way to choose its log level, and writes to the file descriptor, past sys.stderr.
    """
    try:
        sys.stderr.flush()
        stderr = os.dup(2)
    except (OSError, AttributeError):  # no stderr at all (a service, pythonw): nothing to hold back
        yield
        return
    with tempfile.TemporaryFile(buffering=0) as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            held.seek(0)
            for line in held.read().splitlines(keepends=True):
                if not NATIVE_CHATTER.match(line):
                    os.write(stderr, line)
            os.close(stderr)
