"""`toolkit demo` around its tour: whose files it may remove, and what it tells people to do next."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from toolkit.cli.demo import _begin
from toolkit.demo import next_steps
from toolkit.demo.tour import MADE
from toolkit.errors import ConfigError

README = Path(__file__).parents[2] / "README.md"


def test_a_second_demo_removes_what_a_demo_makes_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    _begin(folder)
    for name in MADE:
        (folder / name).write_text("old")
    (folder / "dataset").unlink()
    (folder / "dataset").mkdir()
    (folder / "dataset" / "old.mp4").write_text("old")
    (folder / "my notes.txt").write_text("mine")
    _begin(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["made-by-toolkit-demo.txt", "my notes.txt"]


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_text("mine")
    with pytest.raises(ConfigError, match="not a demo's"):
        _begin(tmp_path)
    assert (tmp_path / "model.onnx").read_text() == "mine"


def test_the_next_steps_begin_with_the_environment_where_it_is_not_active(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / ".venv"))
    monkeypatch.setattr(sys, "base_prefix", "/usr")
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    command = r".venv\Scripts\activate" if os.name == "nt" else ". .venv/bin/activate"
    assert next_steps.next_steps().splitlines()[0] == command
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / ".venv"))
    assert next_steps.next_steps() == next_steps.COMMANDS
    monkeypatch.delenv("VIRTUAL_ENV")
    monkeypatch.setattr(sys, "prefix", "/usr")
    assert next_steps.next_steps() == next_steps.COMMANDS


def test_the_next_steps_stand_in_the_readme() -> None:
    readme = README.read_text(encoding="utf-8").splitlines()
    said = {line.split("  ")[0] for line in readme}
    assert set(next_steps.COMMANDS.splitlines()) <= said
