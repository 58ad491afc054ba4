"""Micro-benchmarks of the onnx pose backend's stages: `pytest tests/benchmarks --benchmark-enable`.

Every one also checks its result, so that with benchmarking switched off they are plain tests. Ratios to MediaPipe
need both in one interleaved run, which is `bench run --modes pose`.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

from toolkit.extract import ExtractorSpec, make_extractor
from toolkit.extract.blazepose_landmarks import refined
from toolkit.extract.regions import Cropper, Region
from toolkit.video import sample_frames


@pytest.fixture(scope="module")
def frames(data_dir: Path) -> list[NDArray[np.uint8]]:
    """16 frames of a real signer."""
    return list(sample_frames(data_dir / "wlasl" / "videos" / "33277.mp4", 16))


@pytest.mark.parametrize(
    ("network", "landmarks", "per_frame"),
    [
        ("full", "body", False),
        ("full", "body", True),
        ("lite", "body", False),
        ("full", "body_hands", False),
        ("lite", "body_hands", False),
    ],
)
def test_a_clip(
    benchmark: BenchmarkFixture,
    frames: list[NDArray[np.uint8]],
    network: str,
    landmarks: str,
    per_frame: bool,
) -> None:
    spec = ExtractorSpec("pose", "onnx", landmarks, network=network, per_frame=per_frame)
    extractor = make_extractor(spec)
    values, quality = benchmark(extractor.extract, frames)
    extractor.close()
    assert values.shape == (16, *extractor.item_shape)
    assert quality["detection_rate"] == 1.0


@pytest.mark.parametrize("same", [True, False], ids=["same region", "new region"])
def test_a_crop(benchmark: BenchmarkFixture, same: bool) -> None:
    image = np.full((480, 640, 3), 255, np.uint8)
    cropper = Cropper(256, 0.0, 1.0, cv2.BORDER_REPLICATE)
    sizes = iter(range(10**9))

    def cut() -> NDArray[np.float32]:
        return cropper.cut(image, Region(320.0, 300.0, 400.0 if same else 400.0 + next(sizes) % 2, 0.1))

    assert (benchmark(cut) == 1.0).all()


def test_refining_33_landmarks(benchmark: BenchmarkFixture) -> None:
    heatmaps = np.full((33, 64, 64), -20.0, np.float32)
    heatmaps[:, 30, 40] = 5.0
    found = benchmark(refined, np.full((33, 2), (41.5 / 64, 29.5 / 64)), heatmaps, 7)
    assert np.allclose(found, (40 / 64, 30 / 64))
