"""The architecture page is what the source says."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_architecture", ROOT / "docs" / "make_architecture.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_made_from_this_source(maker: ModuleType) -> None:
    assert maker.PAGE.read_text(encoding="utf-8") == maker.page(), "run: python docs/make_architecture.py"


def test_every_room_has_a_layer(maker: ModuleType) -> None:
    rooms = {path.stem for path in (ROOT / "toolkit").iterdir() if path.suffix in ("", ".py")}
    rooms = {room for room in rooms if not room.startswith("__")} - {"py"}
    assert rooms | {"export", "bench"} == maker.rooms()


def test_arrows_point_down_or_sideways(maker: ModuleType) -> None:
    layer = {room: number for number, rooms in enumerate(maker.LAYERS.values()) for room in rooms}
    upward = {edge for edge in maker.imports() if layer[edge[0]] < layer[edge[1]]}
    # a bundle's program is made of commands, and bench has a command of its own
    assert upward <= {("export", "cli"), ("bench", "cli")}
