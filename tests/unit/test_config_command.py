"""`toolkit config`: mistakes are found without training, merged settings can be read back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from toolkit.cli.main import main
from toolkit.config import load_settings

CONFIGS = sorted((Path(__file__).resolve().parents[2] / "configs").glob("*.yaml"))


def test_every_shipped_config_is_right(capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(path) for path in CONFIGS]
    # video.yaml leaves the place of the videos to its user
    overrides = ["--set", "data.json_path=index.json", "--set", "data.video_dir=videos"]
    assert main(["config", "--check", *files, *overrides, "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {"files": dict.fromkeys(files, "")}


def test_each_wrong_file_is_named_with_its_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text("training:\n  epochs: 3\n")
    bad.write_text("training:\n  epoks: 3\n")
    assert main(["config", "--check", str(bad), str(good), "--json"]) == 2
    shown = capsys.readouterr()
    assert f"{bad}: there is no key 'training.epoks'. Did you mean training.epochs?" in shown.err
    assert "3 epochs" in shown.out
    files = json.loads(shown.out.splitlines()[-1])["files"]
    assert files[str(good)] == "" and "training.epochs" in files[str(bad)]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: str(path.stem))
def test_printed_settings_are_the_merged_ones(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    overrides = {"training.epochs": 7, "data.json_path": "i.json", "data.video_dir": "v"}
    words = [word for key, value in overrides.items() for word in ("--set", f"{key}={value}")]
    assert main(["config", "--print", str(path), *words]) == 0
    printed = capsys.readouterr().out
    assert "  epochs: 7  # default: 50\n" in printed
    again = tmp_path / "again.yaml"
    again.write_text(printed, encoding="utf-8")
    assert load_settings(again) == load_settings(path, overrides)


def test_config_needs_something_to_look_at(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config"]) == 2
    assert "name a file" in capsys.readouterr().err
    assert main(["config", "--print", "a.yaml", "b.yaml"]) == 2
    assert "one file" in capsys.readouterr().err
