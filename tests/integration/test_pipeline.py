"""The whole way, by the commands a user types, in every mode: videos in, a recogniser out.

A new mode is done when it passes here.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from toolkit.demo.dataset import DatasetPaths, write_dataset
from toolkit.store import FeatureStore

GLOSSES, SIGNERS = 3, 5  # 9 training, 3 validation and 3 test clips
EPOCHS = {"pose": 30, "features": 30, "video": 2}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> DatasetPaths:
    return write_dataset(tmp_path_factory.mktemp("dataset"), GLOSSES, SIGNERS, workers=1)


def run(*words: str, status: int = 0) -> dict[str, Any]:
    """Run `toolkit ... --json` and return the object on its last line."""
    command = [sys.executable, "-m", "toolkit", *words, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == status, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


@pytest.mark.parametrize("mode", ["pose", "features", "video"])
def test_from_videos_to_a_prediction(mode: str, dataset: DatasetPaths, tmp_path: Path) -> None:
    data = ("--json_path", str(dataset.json_path), "--video_dir", str(dataset.video_dir))
    store, run_dir, model = tmp_path / "store", tmp_path / "run", tmp_path / "model.onnx"
    training = [
        "--input_type",
        mode,
        "--epochs",
        str(EPOCHS[mode]),
        "--output_dir",
        str(run_dir),
        "--seed",
        "1",
    ]
    if mode == "video":
        training += [*data, "--batch_size", "2", "--num_frames", "4"]
    else:
        report = run("extract", "--mode", mode, *data, "--output_dir", str(store))
        assert (report["asked"], report["found"], report["done"], report["failed"]) == (15, 15, 15, 0)
        extracted = FeatureStore.open(store)
        assert extracted.spec.mode == mode and len(extracted) == 15
        assert {record.split for record in extracted.records} == {"train", "val", "test"}
        training += [f"--{mode if mode == 'pose' else 'feature'}_dir", str(store)]

    trained = run("train", *training)
    assert (trained["mode"], trained["epochs"], trained["n_val"]) == (mode, EPOCHS[mode], GLOSSES)
    for name in ("config.yaml", "best.safetensors", "last.safetensors", "log.jsonl", "curves.png"):
        assert (run_dir / name).stat().st_size > 0
    if mode == "pose":
        assert trained["val_top1"] > 1 / GLOSSES, (
            "a signer never seen must be recognised better than by chance"
        )

    exported = run("export", str(run_dir), "--output", str(model))
    assert exported["max_difference"] <= 1e-4 and exported["size_bytes"] == model.stat().st_size

    where = data if mode == "video" else tuple(training[-2:])
    by_torch, by_onnx = (
        run("evaluate", str(source), "--split", "test", *where) for source in (run_dir, model)
    )
    # of logits that differ in their last digits
    assert by_torch.pop("ece") == pytest.approx(by_onnx.pop("ece"), abs=1e-5)
    assert by_torch == by_onnx and by_onnx["n"] == GLOSSES

    clip = next(iter(sorted(dataset.video_dir.iterdir())))
    answer = run("predict", str(model), str(clip))
    assert answer["source"] == str(clip) and len(answer["top"]) == GLOSSES
    assert answer["gloss"] == answer["top"][0][0] and 0 < answer["score"] <= 1
