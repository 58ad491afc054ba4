"""Micro-benchmarks of what runs once per clip or step: `make bench`, or `pytest tests/benchmarks --benchmark-enable`.

Every one also checks its result, so that with benchmarking switched off they are plain tests. No time is asserted:
`make bench` compares ratios to fixed work with a baseline (conftest.py).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numbered_video import frame_numbers, numbered_frames, write_video
from pytest_benchmark.fixture import BenchmarkFixture

from toolkit.clips import Clip
from toolkit.recognizer import Recognizer
from toolkit.store import FeatureStore, StoreSpec, StoreWriter
from toolkit.store.packing import pack
from toolkit.video import sample_frames
from toolkit.video_order import wanted_indices

CLIPS, FRAMES = 32, 16
SPEC = StoreSpec("pose", (33, 4), FRAMES, "body", {"backend": "random numbers"})
TINY_MODEL = Path(__file__).parents[1] / "data" / "tiny_pose.onnx"


def poses(count: int) -> np.ndarray:
    """(count, T, 33, 4) float32 in 0..1."""
    return np.random.default_rng(0).random((count, *SPEC.record_shape), np.float32)


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    with StoreWriter(tmp_path / "store", SPEC) as writer:
        for number, values in enumerate(poses(CLIPS)):
            writer.append(
                Clip(f"{number:02d}", f"g{number % 4}", "train", "", tmp_path / "none.mp4"), values, {}
            )
    return FeatureStore.open(tmp_path / "store")


def test_sample_16_of_90_frames(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    video = write_video(tmp_path / "clip.mp4", numbered_frames(90, 240, 320))
    frames = benchmark(lambda: list(sample_frames(video, FRAMES)))
    assert frame_numbers(frames) == wanted_indices(90, FRAMES)


def test_append_a_record(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    (values,) = poses(1)
    clip = Clip("a", "yes", "train", "", tmp_path / "none.mp4")
    with StoreWriter(tmp_path / "store", SPEC) as writer:
        benchmark(writer.append, clip, values, {"detection_rate": 1.0})
    assert np.array_equal(FeatureStore.open(tmp_path / "store")["a"], values)


def test_load_a_batch_of_checked_records(benchmark: BenchmarkFixture, store: FeatureStore) -> None:
    batch = benchmark(store.load, store.ids[:16])
    assert np.array_equal(batch, poses(CLIPS)[:16])


def test_load_a_batch_of_packed_records(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "store", replace(SPEC, dtype="packed")) as writer:
        for number, values in enumerate(poses(16)):
            writer.append(Clip(f"{number:02d}", "yes", "train", "", tmp_path / "none.mp4"), values, {})
    store = FeatureStore.open(tmp_path / "store")
    batch = benchmark(store.load, store.ids)
    assert np.allclose(batch[..., :2], poses(16)[..., :2], atol=1e-3)


def test_pack_a_record(benchmark: BenchmarkFixture) -> None:
    (values,) = poses(1)
    assert benchmark(pack, values).nbytes == 2112


def test_open_a_store(benchmark: BenchmarkFixture, store: FeatureStore) -> None:
    assert len(benchmark(FeatureStore.open, store.path)) == CLIPS


def test_predict_a_batch(benchmark: BenchmarkFixture) -> None:
    with Recognizer.load(TINY_MODEL) as recognizer:
        logits = benchmark(recognizer.logits, poses(16))
    assert logits.shape == (16, 3)
    assert np.isfinite(logits).all()


def test_a_training_step(benchmark: BenchmarkFixture, store: FeatureStore) -> None:
    torch = pytest.importorskip("torch", reason="training needs the train extra")
    from toolkit.train.model import ModelSpec, SignClassifier

    torch.manual_seed(0)
    model = SignClassifier(ModelSpec("pose", (33, 4), "body", FRAMES, 4))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    clips, labels = torch.from_numpy(store.load(store.ids[:4])), torch.arange(4)

    def step() -> float:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(clips), labels)
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        first = step()
        benchmark(step)
        assert min(step() for _ in range(10)) < first
    finally:
        torch.set_num_threads(threads)
