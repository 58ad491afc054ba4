"""The source archive is told to hold all that is in the repository: tests, pages, settings."""

from __future__ import annotations

import subprocess
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT = {".gitignore"}
ALWAYS = {
    "README.md",
    "LICENSE",
    "NOTICE",
    "pyproject.toml",
    "MANIFEST.in",
}  # setuptools takes these by itself
PACKAGES = ("toolkit/", "bench/", "export/")


def test_every_file_of_the_repository_is_told_to_the_source_archive() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a checkout")
    lines = [line.split() for line in (ROOT / "MANIFEST.in").read_text().splitlines() if line[:1].isalpha()]
    grafted = tuple(f"{words[1]}/" for words in lines if words[0] == "graft")
    included = {pattern for words in lines if words[0] == "include" for pattern in words[1:]}
    under = {words[1]: words[2:] for words in lines if words[0] == "recursive-include"}

    def told(name: str) -> bool:
        return (
            name.startswith(grafted)
            or (name.startswith(PACKAGES) and name.endswith((".py", ".typed")))
            or any(fnmatch(name, pattern) for pattern in included)
            or any(
                name.startswith(f"{folder}/") and fnmatch(Path(name).name, pattern)
                for folder, patterns in under.items()
                for pattern in patterns
            )
        )

    names = set(listed.stdout.split("\n")) - {""} - LEFT_OUT - ALWAYS
    assert sorted(name for name in names if not told(name)) == []
