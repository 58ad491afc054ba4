"""Skeletons drawn onto frames."""

from __future__ import annotations

import numpy as np
import pytest

from toolkit.errors import InputError
from toolkit.landmarks import LAYOUTS
from toolkit.overlay import LEFT, RIGHT, draw_landmarks, picture_strip

BODY = LAYOUTS["body"]


def test_points_are_drawn_where_they_are_in_the_colour_of_their_side() -> None:
    frame = np.zeros((100, 200, 3), np.uint8)
    points = np.full(BODY.item_shape, np.nan, np.float32)
    for name, x in (("left_wrist", 0.75), ("right_wrist", 0.25)):
        points[BODY.slots(name)[0]] = (x, 0.5, 0.0, 1.0)
    picture = draw_landmarks(frame, points, BODY)
    assert tuple(picture[50, 150]) == LEFT and tuple(picture[50, 50]) == RIGHT
    assert not frame.any(), "the frame itself is left as it is"
    drawn = picture.any(-1)
    assert drawn.sum() < 100, "missing points draw nothing"


def test_what_is_only_guessed_is_left_out() -> None:
    points = np.full(BODY.item_shape, 0.5, np.float32)
    points[:, 3] = 0.1
    assert not draw_landmarks(np.zeros((50, 50, 3), np.uint8), points, BODY).any()


def test_points_outside_the_picture_do_no_harm() -> None:
    points = np.full(BODY.item_shape, 7.0, np.float32)
    assert not draw_landmarks(np.zeros((50, 50, 3), np.uint8), points, BODY).any()


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=list(LAYOUTS))
def test_every_layout_is_drawn(layout: object) -> None:
    rng = np.random.default_rng(0)
    assert isinstance(layout, type(BODY))
    points = rng.random(layout.item_shape, dtype=np.float32) / 2 + 0.5
    picture = draw_landmarks(np.zeros((240, 240, 3), np.uint8), points, layout)
    assert picture.any()
    with pytest.raises(InputError, match="do not fit"):
        draw_landmarks(picture, points[:-1], layout)


def test_a_strip_holds_all_frames_in_order() -> None:
    frames = [np.full((20, 30, 3), level, np.uint8) for level in (10, 20, 30)]
    strip = picture_strip(frames, height=40, columns=2)
    assert strip.shape == (80, 120, 3)
    assert [int(strip[y, x, 0]) for y, x in ((5, 5), (5, 65), (45, 5), (45, 65))] == [10, 20, 30, 255]
