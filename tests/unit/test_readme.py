"""The README tells the truth about the tree and the commands."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path

import pytest

from toolkit.cli.flags import Parser
from toolkit.cli.main import VERBS

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
IGNORED = {"__init__.py", "__main__.py", "__pycache__", "py.typed"}


def tree() -> list[Path]:
    """The paths in the README's file tree."""
    block = next(text for text in README.split("```") if text.lstrip().startswith("configs/")).strip("\n")
    paths, parent = [], Path()
    for line in block.splitlines():
        name = line.split()[0]
        if line.startswith("  "):
            paths.append(parent / name)
        else:
            parent = Path(name)
            paths.append(parent)
    return paths


def test_every_room_of_the_tree_exists_and_none_is_missing() -> None:
    listed = tree()
    assert [str(path) for path in listed if not (ROOT / path).exists()] == []
    rooms = {path.name for path in (ROOT / "toolkit").iterdir()} - IGNORED
    assert rooms == {path.name for path in listed if path.parent.name == "toolkit"}


def test_links_and_pictures_exist() -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", README)
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


def commands() -> list[list[str]]:
    """Every `toolkit ...` line in the README, in code blocks and in tables."""
    found = re.findall(r"(?:^|`|\\)(toolkit (?:" + "|".join(VERBS) + r")\b[^`\n#]*)", README, re.M)
    return [shlex.split(text.replace("…", "").strip()) for text in found]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_has_flags_that_exist(words: list[str]) -> None:
    verb = __import__(f"toolkit.cli.{words[1]}", fromlist=["add_flags"])
    parser = Parser(prog=words[1])
    verb.add_flags(parser)
    known = set(parser.known_flags())
    assert [word for word in words[2:] if word.startswith("--") and word not in known] == []
    if not any(word in ("--output_dir", "...") for word in words) and words[1] == "extract":
        return  # a line that is cut short by dots
    assert isinstance(parser.parse_args(words[2:]), argparse.Namespace)


def test_the_readme_names_every_command() -> None:
    used = {words[1] for words in commands()}
    assert used == set(VERBS)
