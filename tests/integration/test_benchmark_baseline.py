"""`make bench`: what counts as slower, and that the saved ratios are of benchmarks that exist."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "tests" / "benchmarks"
WORK = "test_hot_paths.py::test_pack_a_record"


def compare(folder: Path) -> subprocess.CompletedProcess[str]:
    """One short benchmark, compared with the baseline of that folder."""
    # pytest-benchmark measures nothing in a worker of pytest-xdist, and this test may run in one
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    words = ["--benchmark-enable", "--benchmark-timer=time.process_time", "--benchmark-max-time=0.02"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words, "--baseline", "compare", WORK],
        cwd=folder, capture_output=True, text=True, env={**environment, "OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip


def copied(folder: Path, factor: float) -> Path:
    """The benchmarks in a folder of their own, with a baseline that is so many times the saved one."""
    for name in ("conftest.py", "test_hot_paths.py"):
        shutil.copy(FOLDER / name, folder / name)
    saved = json.loads((FOLDER / "baseline.json").read_text(encoding="utf-8"))
    saved["ratios"] = {name: ratio * factor for name, ratio in saved["ratios"].items()}
    (folder / "baseline.json").write_text(json.dumps(saved), encoding="utf-8")
    (folder / "pytest.ini").write_text(
        f"[pytest]\naddopts = --import-mode=importlib\npythonpath = {ROOT / 'tests'}\n", encoding="utf-8"
    )
    return folder


def test_a_benchmark_that_got_slower_than_its_baseline_fails_the_run(tmp_path: Path) -> None:
    done = compare(copied(tmp_path, 1e-3))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "SLOWER" in done.stdout and "make bench-baseline" in done.stdout


def test_one_that_got_faster_passes(tmp_path: Path) -> None:
    done = compare(copied(tmp_path, 1e3))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SLOWER" not in done.stdout


def test_the_saved_ratios_are_of_benchmarks_that_exist_and_of_no_machine() -> None:
    content = json.loads((FOLDER / "baseline.json").read_text(encoding="utf-8"))
    assert set(content) == {"version", "ratios"}
    for name, ratio in content["ratios"].items():
        file, _, test = name.partition("::")
        text = (FOLDER / file).read_text(encoding="utf-8")
        assert re.search(rf"^def {re.escape(test.partition('[')[0])}\(", text, re.MULTILINE), name
        assert ratio > 0
    assert len(content["ratios"]) >= 8
