"""onnxruntime sends usage metrics unless it is told not to before it is imported: it leaves files when it does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "tests" / "data" / "tiny_pose.onnx"
RUN = f"""
import onnxruntime
onnxruntime.InferenceSession({str(MODEL)!r}, providers=["CPUExecutionProvider"])
"""


def files_left_by(code: str, folder: Path) -> list[str]:
    """Names of all files that a fresh process makes in its home, cache and folder for temporary files."""
    places = ("HOME", "USERPROFILE", "XDG_CACHE_HOME", "LOCALAPPDATA", "TMPDIR", "TEMP", "TMP")
    environment = {key: value for key, value in os.environ.items() if key != "ORT_DISABLE_TELEMETRY"}
    environment |= dict.fromkeys(places, str(folder)) | {
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    subprocess.run([sys.executable, "-c", code], env=environment, cwd=folder, check=True, capture_output=True)
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("package", ["toolkit", "export", "bench", "toolkit.recognizer", "export.classifier"])
def test_onnxruntime_leaves_no_trace(package: str, tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="export needs onnx")
    assert files_left_by(f"import {package}\n{RUN}", tmp_path) == []


def test_the_users_own_choice_is_kept(tmp_path: Path) -> None:
    code = "import os; os.environ['ORT_DISABLE_TELEMETRY'] = '0'; import toolkit; "
    code += "assert os.environ['ORT_DISABLE_TELEMETRY'] == '0'"
    assert files_left_by(code, tmp_path) == []
