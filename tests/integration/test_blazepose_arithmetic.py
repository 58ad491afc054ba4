"""All of the onnx pose backend but the convolutions, beside MediaPipe: regions, crops, refinement, projection.

MediaPipe and LiteRT run the networks with the same library and get the same bits. With LiteRT in onnxruntime's
place nothing but this project's own arithmetic is left to differ, so these bounds are far tighter than those of
test_blazepose_parity.py, where sums rounded in another order move a few landmarks into another heatmap cell.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from export.blazepose_check import reference
from export.blazepose_networks import PLANS, Plan
from export.blazepose_sources import Source, read_sources
from toolkit.errors import WeightsError
from toolkit.extract import ExtractorSpec, blazepose_detector, blazepose_landmarks, make_extractor
from toolkit.video import sample_frames

CLIPS = slice(0, None, 3)  # of the twelve; four sizes of image
MEAN, MOST = 2e-6, 2e-4  # measured 3e-7, 6e-5


class LiteRTSession:
    """An original network behind the one method of onnxruntime's session that the backend calls."""

    def __init__(self, plan: Plan, content: bytes) -> None:
        self._plan, self._content = plan, content

    def run(self, outputs: list[str], feed: dict[str, NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        found = reference(self._plan, self._content, feed["image"])
        return [found[name] for name in outputs]


class LiteRTRun:
    """The same behind toolkit.session.FixedRun."""

    def __init__(
        self,
        session: LiteRTSession,
        inputs: dict[str, NDArray[np.float32]],
        outputs: dict[str, NDArray[np.float32]],
    ) -> None:
        self._session, self._inputs, self._outputs = session, inputs, outputs

    def run(self) -> None:
        found = self._session.run(list(self._outputs), self._inputs)
        for array, values in zip(self._outputs.values(), found, strict=True):
            array[...] = values


@pytest.fixture(scope="module")
def sources() -> dict[Source, bytes]:
    pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed (extra: dev)")
    try:
        return read_sources()
    except WeightsError as error:
        pytest.skip(f"the packages with the original networks cannot be had: {error}")


@pytest.mark.parametrize("network", ["full", "lite"])
def test_with_litert_the_landmarks_are_mediapipes(
    network: str, sources: dict[Source, bytes], data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = data_dir.parent / "reference" / "landmarks" / "mediapipe_reference.npz"
    if not path.is_file():
        pytest.skip(f"no reference landmarks at {path}")
    with np.load(path, allow_pickle=False) as arrays:
        names = arrays["ids"][CLIPS]
        expected = arrays[f"mediapipe_0_10_21_static_{network}"][CLIPS]

    def make_session(model: Path, *_: object, **__: object) -> LiteRTSession:
        plan = PLANS[model.name]
        return LiteRTSession(plan, sources[plan.source])

    for module in (blazepose_detector, blazepose_landmarks):
        monkeypatch.setattr(module, "make_session", make_session)
        monkeypatch.setattr(module, "FixedRun", LiteRTRun, raising=False)
    extractor = make_extractor(
        ExtractorSpec("pose", "onnx", network=network, per_frame=True, refine_kernel=9)
    )
    videos = [data_dir / "wlasl" / "videos" / f"{name}.mp4" for name in names]
    values = np.stack([extractor.extract(sample_frames(video, 16)).values for video in videos])

    difference = np.abs(values - expected)
    assert not np.isnan(difference).any()
    assert difference[..., :2].mean() <= MEAN
    assert difference[..., :2].max() <= MOST
    assert difference[..., 2:].max() <= 1e-3  # measured 1.4e-4
