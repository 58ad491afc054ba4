"""Peak memory of the processes that read videos, with a clip of 1920 x 1080 as a phone gives it. Linux only."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from numbered_video import write_video

from toolkit.clips import Clip
from toolkit.demo.take import draw_clip
from toolkit.extract import ExtractorSpec
from toolkit.extract.blazepose import fingerprint
from toolkit.extract.workers import WorkerPool
from toolkit.metadata import ModelMetadata

onnx = pytest.importorskip("onnx", reason="changing the metadata of a tiny model needs onnx")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="VmHWM is Linux's")

DATA = Path(__file__).resolve().parents[1] / "data"
MB = 2**20
PREDICT = """
import sys
from pathlib import Path
from toolkit.cli.main import main
code = main(sys.argv[1:])
print(Path("/proc/self/status").read_text(), file=sys.stderr)
sys.exit(code)
"""


@pytest.fixture(scope="module")
def large_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 frames of the drawn signer in H.264 with B-frames, so that the decoder holds some."""
    drawn = draw_clip("wave", 0).frames
    chosen = drawn[np.linspace(0, len(drawn) - 1, 20).round().astype(int)]
    frames = np.stack([cv2.resize(frame, (1920, 1080), interpolation=cv2.INTER_CUBIC) for frame in chosen])
    return write_video(tmp_path_factory.mktemp("large") / "large.mp4", frames.astype(np.uint8), "libx264")


def peak_mb(status: str) -> float:
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024 / MB


@pytest.mark.parametrize(("landmarks", "most"), [("body", 170), ("body_hands", 190)])
def test_a_worker_with_large_videos_stays_small(large_video: Path, landmarks: str, most: int) -> None:
    clips = [Clip(str(number), "wave", "train", "0", large_video) for number in range(3)]
    with WorkerPool(ExtractorSpec("pose", "onnx", landmarks=landmarks), 16, 1, 300) as pool:
        for outcome in pool.run(clips):
            assert outcome.extraction is not None, outcome.error
            assert outcome.extraction.quality["detection_rate"] == 1
        status = Path(f"/proc/{pool._workers[0].process.pid}/status").read_text(encoding="ascii")
    assert 100 < peak_mb(status) <= most


def test_predicting_from_a_large_video_stays_small(large_video: Path, tmp_path: Path) -> None:
    model = onnx.load(DATA / "tiny_pose.onnx")
    properties = {entry.key: entry.value for entry in model.metadata_props}
    metadata = ModelMetadata.from_properties(properties)
    extractor = dict(fingerprint(ExtractorSpec("pose", "onnx")))
    values = vars(metadata) | {"extractor": extractor, "num_frames": 32}
    onnx.helper.set_model_props(model, ModelMetadata(**values).to_properties())
    onnx.save(model, tmp_path / "model.onnx")
    command = [sys.executable, "-c", PREDICT, "predict", str(tmp_path / "model.onnx"), str(large_video)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert 100 < peak_mb(done.stderr) <= 180
