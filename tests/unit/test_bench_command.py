"""The bench command: help, what it refuses, and what it must not load."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench.cli import main


@pytest.mark.parametrize("words", [[], ["--help"], ["run", "--help"], ["report", "--help"]])
def test_help_teaches_with_examples(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    try:
        status = main(words)
    except SystemExit as end:
        status = int(end.code or 0)
    assert status == 0
    assert "example" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["rum"], "Did you mean run?"),
        (["run"], "give --json_path FILE with --video_dir DIR"),
        (["run", "--modes", "pose,sound"], "sound"),
        (["run", "--repeats", "0"], "--repeats is 0"),
        (["report", "nowhere.json"], "nowhere.json"),
    ],
)
def test_what_the_user_can_fix_is_one_message_and_status_2(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert message in capsys.readouterr().err


def test_a_mistyped_flag_gets_the_nearest_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["run", "--batchsize", "4"])
    assert end.value.code == 2
    assert "--batch_size" in capsys.readouterr().err


def test_bench_and_the_process_of_a_row_load_nothing_heavy_by_themselves() -> None:
    modules = {path.stem for path in (Path(__file__).parents[2] / "bench").glob("*.py")} - {
        "__init__",
        "__main__",
        "naive_training",  # only ever imported by the process of its row
    }
    everything = "; ".join(f"import bench.{name}" for name in sorted(modules))
    heavy = "{'torch', 'mediapipe', 'onnx', 'matplotlib', 'export', 'toolkit.train'}"
    code = f"import sys; {everything}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_process_of_a_row_starts_without_numpy() -> None:
    heavy = "{'numpy', 'av', 'cv2', 'onnxruntime', 'psutil'}"
    code = f"import sys, bench.worker; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
