"""Configs written by strangers: bombs, tags and impossible values are refused in one short message."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("pydantic", reason="settings need the train extra")
pytest.importorskip("yaml", reason="settings need the train extra")

from toolkit.config import load_settings, parse_override
from toolkit.errors import ConfigError

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join(['*' + before] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (LAUGHS, "alias"),
        ("model: &m {embed_dim: 8}\ntraining: *m\n", "alias"),
        ("model: !!python/object/apply:os.system ['touch hacked']", "could not determine a constructor"),
        ("model: !!python/name:os.system", "could not determine a constructor"),
        ("model: {embed_dim: !!int ''}", "cannot be read|not valid"),
        ("model: {embed_dim: 2024-99-99}", "not valid"),
        ("training: {learning_rate: !!float []}", "not valid"),
        ("model: {embed_dim: 64, embed_dim: 32}", "twice: embed_dim"),
        ("model: {embed_dim: 64}\nmodel: {embed_dim: 32}", "twice: model"),
        ("[" * 50_000, "nested too deeply"),
        ("model: " + "{a: " * 5000, "nested too deeply"),
        ("model: {embed_dim: " + "9" * 10_000 + "}", "not valid"),
        ("model: {embed_dim: 0x" + "f" * 10_000 + "}", "more than 64 bits"),
        ("0x" + "f" * 1000 + ": {embed_dim: 1}", "64 bits"),
        ("model: {0x" + "f" * 1000 + ": 1}", "64 bits"),
        ("model: {" + "k" * 1000 + ": 1}", "no key"),
        ("? [a, b]\n: c", "not valid"),
        ("? {a: b}\n: c", "not valid"),
        ("model: {embed_dim: \x1b}", "not valid"),
        ("--- {}\n--- {}", "not valid"),
    ],
)
def test_a_hostile_config_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(ConfigError, match=told) as caught:
        load_settings(Path("config.yaml"))
    assert len(str(caught.value)) < 1000 and not (tmp_path / "hacked").exists()


def test_a_config_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "config.yaml").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(ConfigError, match="larger than 1 MiB"):
        load_settings(tmp_path / "config.yaml")


@pytest.mark.parametrize("value", ["!!python/name:os.system", "&a [*a]", "[" * 5000, "2024-99-99"])
def test_set_is_read_by_the_same_rules(value: str) -> None:
    with pytest.raises(ConfigError, match="--set"):
        parse_override(f"training.epochs={value}")


def test_a_tab_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "tab.yaml").write_text("training:\n\tepochs: 5\n")
    with pytest.raises(ConfigError, match="spaces: YAML takes no tabs"):
        load_settings(tmp_path / "tab.yaml")


@pytest.mark.parametrize("text", ['"C:\\new\\poses"', '"D:\\signs"', '"C:\\temp"'])
def test_a_windows_path_in_double_quotes_is_told_how_to_be_written(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(f"efficiency:\n  pose_dir: {text}\n")
    with pytest.raises(ConfigError, match="single quotes"):
        load_settings(path)
    for right in ("C:\\new\\poses", "اشاره\u200cها/手\u3000話"):  # with a joiner, and a wide space
        path.write_text(f"efficiency:\n  pose_dir: '{right}'\n", encoding="utf-8")
        assert load_settings(path).efficiency.pose_dir == right
