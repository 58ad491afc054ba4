"""From frames to answers: windows over the sign that is being made, their scores smoothed, and an honest no.

Knows no network: what turns a clip into scores is handed in.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from toolkit.landmarks import Layout
from toolkit.stream.activity import HandActivity, PictureActivity
from toolkit.stream.following import Seen
from toolkit.stream.segments import SHORTEST_S, Segment, Segments

DEFAULT_THRESHOLD = 0.5
"""For models without one of their own: an answer that is more likely wrong than right is none."""
STEP_S = 0.2  # between two looks at a sign that is being made
WINDOW_S = 4.0  # a look goes back this far
SMOOTHED = 3  # looks whose scores are averaged

Classify = Callable[[NDArray[Any]], NDArray[np.float64]]


class SignEvent(NamedTuple):
    """What a stream says about one sign.

    gloss: the best one, or None: "I don't know", no gloss scored at least the threshold; score: of the best one,
    0..1; top: the best (gloss, score) pairs, best first, also where gloss is None; start_s, end_s: the part of
    the stream that was looked at; final: whether the sign is over; before that, answers are guesses.
    """

    gloss: str | None
    score: float
    top: tuple[tuple[str, float], ...]
    start_s: float
    end_s: float
    final: bool


class SignStream:
    """Answers for one stream. Give it frame after frame with `push`, and call `finish` at the end."""

    def __init__(
        self,
        classify: Classify,
        glosses: Sequence[str],
        layout: Layout | None,
        threshold: float = DEFAULT_THRESHOLD,
        top: int = 5,
    ) -> None:
        """classify: clip (T, *item_shape) -> scores (C,), one per gloss, that sum to 1; layout: of landmarks,
        None where values are none; threshold: the score (0..1) that an answer needs."""
        self._classify = classify
        self._glosses = glosses
        self.threshold = threshold
        self._top = top
        self._hands = None if layout is None else HandActivity(layout)
        self._picture = PictureActivity()
        self._segments = Segments()
        self._scores: deque[NDArray[np.float64]] = deque(maxlen=SMOOTHED)
        self._looked = 0.0

    @property
    def signing(self) -> bool:
        """Whether a sign is being made right now."""
        return self._segments.current is not None

    def push(self, seen: Seen, moment: float) -> SignEvent | None:
        """What there is to say after this frame: a guess every STEP_S of a sign, a final answer at its end.

        seen: one frame, with its picture if there is no layout; moment: in seconds, rising.
        """
        if self._hands is not None:
            activity = self._hands.see(seen.values, moment)
        else:
            assert seen.picture is not None  # `follow` takes bare values for landmarks only
            activity = self._picture.see(seen.picture, moment)
        began = self.signing
        ended = self._segments.push(seen.values, moment, activity)
        if ended is not None:
            return self._answer(ended, final=True)
        current = self._segments.current
        if current is None or not began:
            self._scores.clear()
            self._looked = moment
            return None
        if moment - self._looked < STEP_S or self._segments.active_s < SHORTEST_S:
            return None
        self._looked = moment
        first = int(np.searchsorted(current.moments, moment - WINDOW_S))
        return self._answer(Segment(current.moments[first:], current.values[first:]), final=False)

    def finish(self) -> SignEvent | None:
        """The answer for a sign that the end of the input cut off."""
        ended = self._segments.finish()
        return None if ended is None else self._answer(ended, final=True)

    def _answer(self, segment: Segment, final: bool) -> SignEvent:
        scores = self._classify(segment.clip())
        if final:
            self._scores.clear()  # the whole sign, with its end, says more than looks that missed it
        self._scores.append(scores)
        mean = np.mean(self._scores, axis=0)
        best = np.argsort(-mean, kind="stable")[: self._top]
        top = tuple((self._glosses[index], float(mean[index])) for index in best)
        gloss, score = top[0]
        known = gloss if score >= self.threshold else None
        return SignEvent(known, score, top, segment.moments[0], segment.moments[-1], final)
