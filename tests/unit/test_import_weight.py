"""What a deployed recogniser loads, seen in fresh processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import toolkit

DATA = Path(__file__).parent.parent / "data"
TRAINING = {"torch", "mediapipe", "pydantic", "yaml", "matplotlib", "onnx", "onnxscript", "safetensors"}
HEAVY = TRAINING | {"cv2", "av", "rich", "filelock", "platformdirs", "PIL", "scipy"}


def modules_after(code: str) -> set[str]:
    """Top-level modules that a fresh process has loaded after running the code."""
    report = "import sys, json; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert not modules_after("import toolkit") & (HEAVY | {"numpy", "onnxruntime"})


def test_the_recogniser_loads_numpy_and_onnxruntime_only() -> None:
    modules = modules_after("import toolkit; toolkit.Recognizer")
    assert {"numpy", "onnxruntime"} <= modules
    assert not modules & HEAVY


def test_recognising_landmarks_loads_nothing_more() -> None:
    code = (
        "import numpy as np; from toolkit import Recognizer\n"
        f"recognizer = Recognizer.load({str(DATA / 'tiny_pose.onnx')!r})\n"
        "assert recognizer.predict(np.full((4, 33, 4), 0.1, np.float32)).gloss == 'up'"
    )
    assert not modules_after(code) & HEAVY


def test_the_predict_command_needs_no_training_package(tmp_path: Path) -> None:
    clip = tmp_path / "clip.npy"
    np.save(clip, np.full((4, 33, 4), 0.1, np.float32))
    code = (
        "from toolkit.cli.main import main\n"
        f"assert main(['predict', {str(DATA / 'tiny_pose.onnx')!r}, {str(clip)!r}, '--json']) == 0"
    )
    modules = modules_after(code)
    assert not modules & (TRAINING | {"cv2", "av", "rich"})


@pytest.mark.parametrize("name", toolkit.__all__)
def test_every_public_name_can_be_had(name: str) -> None:
    assert getattr(toolkit, name).__name__ == name
    assert name in dir(toolkit)


def test_the_public_api_stays_small() -> None:
    assert len(toolkit.__all__) <= 6
    with pytest.raises(AttributeError, match="no attribute 'Recogniser'"):
        _ = toolkit.Recogniser  # type: ignore[attr-defined]


def test_a_run_that_does_not_exist_is_told_before_torch_is_loaded(tmp_path: Path) -> None:
    code = f"from toolkit.cli.main import main\nassert main(['export', {str(tmp_path / 'nothing')!r}]) == 2"
    assert not modules_after(code) & (HEAVY | {"numpy", "onnxruntime"})


@pytest.mark.parametrize("given", ["", "20"])
def test_idle_threads_of_openblas_sleep_unless_the_user_says_otherwise(given: str) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "OPENBLAS_THREAD_TIMEOUT"}
    if given:
        environment["OPENBLAS_THREAD_TIMEOUT"] = given
    code = "import os, sys, toolkit; print('numpy' in sys.modules, os.environ['OPENBLAS_THREAD_TIMEOUT'])"
    result = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == ["False", given or "4"], "numpy reads it when it is imported"
