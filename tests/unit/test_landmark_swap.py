"""Layouts: a mirror trades every left point for its right one, and parts cover all points once."""

import pytest

from toolkit.landmarks import LAYOUTS


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_the_swap_is_its_own_inverse(layout):
    assert [layout.swap[slot] for slot in layout.swap] == list(range(len(layout)))


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_the_swap_trades_sides_and_nothing_else(layout):
    for slot, name in enumerate(layout.points):
        words = name.split("_")
        other = layout.points[layout.swap[slot]].split("_")
        assert [{"left": "right", "right": "left"}.get(word, word) for word in words] == other


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_parts_cover_every_point_once_and_mirror_onto_parts(layout):
    covered = sorted(slot for part in layout.parts.values() for slot in part)
    assert covered == list(range(len(layout)))
    mirrored = [{layout.swap[slot] for slot in part} for part in layout.parts.values()]
    assert all(part in [set(other) for other in layout.parts.values()] for part in mirrored)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_drawn_lines_are_symmetric(layout):
    edges = {frozenset(edge) for edge in layout.edges}
    assert {frozenset(layout.swap[slot] for slot in edge) for edge in edges} == edges
