"""Fixtures for all tests: real videos made on the spot, and the development data where it exists."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from numbered_video import numbered_frames, write_video

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The development data (real clips), or a skip that says how to provide it."""
    folder = Path(os.environ.get("SIGN_TOOLKIT_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "wlasl" / "videos").is_dir():
        pytest.skip(f"no development data in {folder}; set SIGN_TOOLKIT_DATA to its folder")
    return folder


@pytest.fixture
def video(tmp_path: Path) -> Callable[..., Path]:
    """Make a video of numbered frames: video("a.mp4", count=40)."""

    def make(name: str, count: int = 30, codec: str = "mpeg4") -> Path:
        return write_video(tmp_path / name, numbered_frames(count), codec)

    return make
