"""What `pip install sign-toolkit` alone must give: run by the Python of an environment with only the wheel.

python tests/wheel_check.py        (make wheel does it)
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numbered_video import numbered_frames, write_video

import toolkit

TESTS = Path(__file__).resolve().parent


def toolkit_command(*words: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "toolkit"), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def main() -> None:
    assert Path(toolkit.__file__).parents[1] != TESTS.parent, "the wheel is to be tested, not the checkout"
    for name in ("torch", "onnx", "mediapipe", "pydantic"):
        assert importlib.util.find_spec(name) is None, (
            f"{name} is installed; the base install must do without"
        )

    with tempfile.TemporaryDirectory() as folder:
        red = np.zeros((10, 96, 128, 3), np.uint8)
        red[..., 0] = 230
        clip = write_video(Path(folder) / "red.mp4", red)
        done = toolkit_command("predict", str(TESTS / "data" / "tiny_video.onnx"), str(clip), "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout.splitlines()[-1])["gloss"] == "red"
        print("predict: ok")

        live = [
            "live",
            str(TESTS / "data" / "tiny_video.onnx"),
            "--source",
            str(clip),
            "--headless",
            "--json",
        ]
        done = toolkit_command(*live)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout.splitlines()[-1])["frames"] > 0
        print("live: ok")

        bundle = Path(folder) / "bundle"
        done = toolkit_command("export", str(TESTS / "data" / "tiny_video.onnx"), "--bundle", str(bundle))
        assert done.returncode == 0, done.stderr
        program = [sys.executable, "-I", str(bundle / "recognize.py"), str(clip), "--json"]
        alone = subprocess.run(program, capture_output=True, text=True, check=False)
        assert alone.returncode == 0, alone.stderr
        assert json.loads(alone.stdout.splitlines()[-1])["gloss"] == "red"
        print("export --bundle, and what it made: ok")

        write_video(Path(folder) / "recordings" / "book" / "a.mp4", numbered_frames(20))
        flags = ["--index", f"{folder}/recordings", "--output_dir"]
        for mode in (["features"], ["pose", "--landmarks", "body_hands"]):
            done = toolkit_command("extract", "--mode", *mode, *flags, f"{folder}/{mode[0]}", "--json")
            assert done.returncode == 0, done.stderr
            assert json.loads(done.stdout.splitlines()[-1])["done"] == 1
            print(f"extract --mode {' '.join(mode)}: ok")

        done = toolkit_command("train", "--input_type", "features", "--feature_dir", f"{folder}/features")
        assert done.returncode == 2 and 'pip install "sign-toolkit[train]"' in done.stderr, done.stderr
        done = toolkit_command("extract", "--backend", "mediapipe", *flags, f"{folder}/others")
        assert done.returncode == 2 and 'pip install "sign-toolkit[mediapipe]"' in done.stderr, done.stderr
        print("a missing extra is named: ok")

    done = toolkit_command("doctor", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    findings = {finding["name"]: finding for finding in json.loads(done.stdout.splitlines()[-1])["findings"]}
    assert findings["pose_detector.onnx"]["ok"] and findings["onnxruntime"]["ok"]
    assert findings["extra train"]["cure"] == 'pip install "sign-toolkit[train]"'
    print("doctor: ok")

    assert (Path(toolkit.__file__).parent / "configs" / "signs.yaml").is_file(), "the settings that ship"
    done = toolkit_command("--help")
    assert done.returncode == 0 and "toolkit COMMAND --help" in done.stdout
    print("the wheel works without torch")


if __name__ == "__main__":
    main()
