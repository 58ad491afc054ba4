"""Where signs begin and end, and what is said about them: on hands that are moved by a script."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from toolkit import Recognizer
from toolkit.errors import InputError
from toolkit.landmarks import LAYOUTS
from toolkit.stream import Activity, HandActivity, PictureActivity, Seen, Segments, SignEvent, SignStream

DATA = Path(__file__).parent.parent / "data"
BODY = LAYOUTS["body"]
NOSE, LEFT, RIGHT, WRIST = BODY.slots("nose", "left_shoulder", "right_shoulder", "right_wrist")
FPS = 25
DOWN, UP = 0.85, 0.45


def person(wrist_y: float, wrist_x: float = 0.4) -> NDArray[np.float32]:
    """(33, 4): shoulders 0.2 wide at y 0.4, nose 0.2 above them; the right wrist where it is asked for."""
    values = np.full((33, 4), 0.5, np.float32)
    values[:, 3] = 0.1
    for slot, place in (
        (NOSE, (0.5, 0.2)),
        (LEFT, (0.6, 0.4)),
        (RIGHT, (0.4, 0.4)),
        (WRIST, (wrist_x, wrist_y)),
    ):
        values[slot] = (*place, 0, 1)
    return values


def rest(seconds: float) -> list[NDArray[np.float32]]:
    return [person(DOWN)] * round(seconds * FPS)


def sign(seconds: float) -> list[NDArray[np.float32]]:
    """The hand goes from side to side at shoulder height."""
    return [person(UP, 0.4 + 0.05 * np.sin(number)) for number in range(round(seconds * FPS))]


def hold(seconds: float) -> list[NDArray[np.float32]]:
    return [person(UP)] * round(seconds * FPS)


def segments_of(frames: list[NDArray[np.float32]]) -> list[tuple[float, float]]:
    watch, segments, found = HandActivity(BODY), Segments(), []
    for number, values in enumerate(frames):
        found.append(segments.push(values, number / FPS, watch.see(values, number / FPS)))
    found.append(segments.finish())
    return [(one.moments[0], one.moments[-1]) for one in found if one is not None]


def test_a_sign_begins_when_a_hand_comes_up_and_ends_when_it_rests() -> None:
    found = segments_of(rest(1) + sign(1) + rest(1) + sign(2) + rest(1))
    assert found == [pytest.approx((1, 2), abs=0.2), pytest.approx((3, 5), abs=0.2)]


def test_nobody_and_hands_at_rest_are_no_signs() -> None:
    assert segments_of(rest(3)) == []
    assert segments_of([np.full((33, 4), np.nan, np.float32)] * 50) == []


def test_a_scratch_of_the_ear_is_too_short() -> None:
    assert segments_of(rest(1) + sign(0.2) + rest(1)) == []


def test_a_hand_that_is_held_still_ends_the_sign_and_lowering_it_is_none() -> None:
    found = segments_of(rest(1) + sign(1) + hold(2) + rest(1))
    assert found == [pytest.approx((1, 2.5), abs=0.2)]


def test_clasped_hands_are_no_sign_until_they_move() -> None:
    found = segments_of(rest(0.4) + hold(2) + sign(1) + hold(2))
    assert [pytest.approx((2.4, 3.9), abs=0.2)] == [one for one in found if one[0] > 1]


def test_the_end_of_the_input_ends_the_sign_and_one_without_end_is_cut() -> None:
    assert segments_of(rest(1) + sign(1)) == [pytest.approx((1, 2), abs=0.2)]
    assert len(segments_of(sign(15))) == 3


def test_somebody_who_leaves_the_picture_has_finished() -> None:
    nobody = [np.full((33, 4), np.nan, np.float32)] * FPS
    assert len(segments_of(sign(1) + nobody + sign(1) + nobody)) == 2


def test_dropped_frames_are_filled_with_the_nearest() -> None:
    segments = Segments()
    for moment in (0.0, 0.1, 0.2, 0.7, 0.8):
        segments.push(np.array([moment]), moment, Activity(True, True))
    assert segments.current is not None
    np.testing.assert_allclose(segments.current.clip()[:, 0], [0, 0.2, 0.2, 0.7, 0.8])


def test_pictures_that_change_are_activity_and_noise_is_not() -> None:
    random, watch = np.random.default_rng(0), PictureActivity()
    still = random.integers(0, 256, (90, 120, 3), np.uint8)
    noisy = [np.clip(still + random.normal(0, 4, still.shape), 0, 255).astype(np.uint8) for _ in range(20)]
    quiet = [watch.see(picture, number / FPS) for number, picture in enumerate(noisy)]
    assert not any(one.present for one in quiet)
    seen = [watch.see(np.roll(still, 5 * number, axis=1), 1 + number / FPS) for number in range(20)]
    assert seen[-1] == Activity(True, True)
    after = [watch.see(np.roll(still, 95, axis=1), 2 + number / FPS) for number in range(20)]
    assert after[-1] == Activity(False, False)


def events_of(
    frames: list[NDArray[np.float32]], scores: Iterator[list[float]], threshold: float
) -> list[SignEvent]:
    stream = SignStream(lambda _: np.array(next(scores)), ("a", "b"), BODY, threshold)
    events = [stream.push(Seen(values, None), number / FPS) for number, values in enumerate(frames)]
    return [event for event in [*events, stream.finish()] if event is not None]


def test_guesses_are_smoothed_and_the_answer_is_of_the_whole_sign() -> None:
    scores = iter([[1.0, 0.0], [0.0, 1.0], [0.6, 0.4], *[[0.2, 0.8]] * 20])
    events = events_of(rest(1) + sign(2) + rest(1), scores, 0.5)
    *guesses, answer = events
    assert [event.final for event in events] == [False] * len(guesses) + [True]
    assert [guess.score for guess in guesses[:3]] == pytest.approx([1.0, 0.5, (1 + 0 + 0.6) / 3])
    assert (answer.gloss, answer.score) == ("b", 0.8)
    assert answer.top == (("b", 0.8), ("a", pytest.approx(0.2)))
    assert (answer.start_s, answer.end_s) == pytest.approx((1, 3), abs=0.2)


def test_below_the_threshold_nobody_knows() -> None:
    same = iter([[0.55, 0.45]] * 50)
    (*_, answer) = events_of(sign(1) + rest(1), same, 0.6)
    assert answer.gloss is None and answer.top[0] == ("a", 0.55) and answer.score == 0.55


def test_a_recogniser_streams_landmarks() -> None:
    with Recognizer.load(DATA / "tiny_pose.onnx") as recognizer:
        frames = rest(1) + sign(1) + rest(1)  # the wrist says up = 4 - 8 y, down = -up, left = 2 - 8 x
        (answer,) = [event for event in recognizer.stream(frames, threshold=0.9) if event.final]
        assert (answer.gloss, {gloss for gloss, _ in answer.top}) == (None, {"up", "down", "left"})
        (answer,) = [event for event in recognizer.stream(frames, threshold=0.1, top=1) if event.final]
        assert answer.top == ((answer.gloss, answer.score),)
        assert (answer.start_s, answer.end_s) == pytest.approx((1, 2), abs=0.2)
        assert list(recognizer.stream([])) == []
        with pytest.raises(InputError, match="fps is 0"):
            list(recognizer.stream(rest(1), fps=0))
        with pytest.raises(InputError, match="threshold is 2"):
            list(recognizer.stream(rest(1), threshold=2))
        with pytest.raises(InputError, match=r"\(33, 3\) float32.*landmarks \(33, 4\)"):
            list(recognizer.stream([np.zeros((33, 3), np.float32)]))


def test_a_recogniser_streams_pictures_without_landmarks() -> None:
    random = np.random.default_rng(0)
    red = np.zeros((16, 24, 3), np.uint8)
    red[..., 0] = 200
    moving = [red + np.roll(random.integers(0, 50, red.shape, np.uint8), number) for number in range(FPS)]
    with Recognizer.load(DATA / "tiny_video.onnx") as recognizer:
        events = list(recognizer.stream([red] * FPS + moving + [red] * FPS))
        answers = [event for event in events if event.final]
        assert [answer.top[0][0] for answer in answers] == ["red"]
        assert answers[0].start_s == pytest.approx(1, abs=0.2)
