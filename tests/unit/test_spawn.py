"""Nothing here forks: what Windows and macOS lack, and what a process with threads must not do."""

from __future__ import annotations

import ast
import multiprocessing
import pickle
from pathlib import Path

import pytest

from toolkit.demo.dataset import _drawn, _Job
from toolkit.demo.take import draw_clip
from toolkit.extract import ExtractorSpec

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [path for package in ("toolkit", "export", "bench") for path in (ROOT / package).rglob("*.py")]
STARTERS = {"Process", "Pool", "Pipe", "Queue", "ProcessPoolExecutor", "Manager"}


def test_every_process_is_spawned() -> None:
    """No start method but spawn, no os.fork, and no multiprocessing without a context that names it."""
    for path in SOURCES:
        source = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                if called.endswith(("get_context", "set_start_method")):
                    assert [ast.literal_eval(one) for one in node.args] == ["spawn"], f"{path}: {called}"
                assert called not in ("os.fork", "os.forkpty"), f"{path}: {called}"
                assert called not in {f"multiprocessing.{name}" for name in STARTERS}, f"{path}: {called}"
                if called.endswith("ProcessPoolExecutor"):
                    told = ast.unparse(node)
                    assert "get_context('spawn')" in told or ", context" in told, f"{path}: {called}"


def test_the_specification_of_an_extractor_can_be_sent_to_a_worker() -> None:
    spec = ExtractorSpec("pose", "onnx", "body_hands", model_asset=Path("a.task"))
    assert pickle.loads(pickle.dumps(spec)) == spec  # noqa: S301 (made here)


def test_workers_draw_after_spawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where fork is gone altogether, as on Windows, the workers still start and do their work."""

    def refused(self: object, *_: object) -> None:
        raise AssertionError("forked")

    if "fork" in multiprocessing.get_all_start_methods():
        from multiprocessing import popen_fork

        monkeypatch.setattr(popen_fork.Popen, "_launch", refused)
    jobs = [_Job(f"{number}", "wave", number, 0, 0, tmp_path) for number in (0, 1)]
    joints = list(_drawn(jobs, 2))
    assert len(joints) == 2 and (joints[1] == draw_clip("wave", 1).joints).all()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.mp4", "1.mp4"]
