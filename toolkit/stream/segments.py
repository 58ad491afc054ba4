"""Where one sign begins and ends in a stream of frames: a small machine with two states, resting and signing.

It knows moments and whether somebody is active; what the values of a frame mean, and what the sign is, it does not.
"""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from toolkit.stream.activity import Activity

LEAD_S = 0.1  # before the first movement, and after the last: clips of data sets have that and more
REST_S = 0.25  # hands are down for this time: the sign is over
HOLD_S = 1.0  # hands are up, but still, for this time: so is it
HELD_S = 0.5  # what is kept of hands that are held still: of some signs only the fingers move
LONGEST_S = 6.0  # then it is cut: nobody holds a sign that long
SHORTEST_S = 0.35  # with a hand up; less is a hand that is lowered or scratches an ear
MOVED_S = 0.1  # hands that were up from the start and never moved are at rest there


class Segment(NamedTuple):
    """The frames of one sign so far. moments: (T,) in seconds; values: T arrays (*item_shape)."""

    moments: list[float]
    values: list[NDArray[Any]]

    def clip(self) -> NDArray[Any]:
        """(T, *item_shape), evenly spaced in time: where frames were dropped, the nearest one is repeated.

        T is the number of frames there are, so that without dropped frames these are the frames themselves.
        """
        even = np.linspace(self.moments[0], self.moments[-1], len(self.moments))
        middles = (np.array(self.moments[1:]) + self.moments[:-1]) / 2
        return np.stack([self.values[index] for index in np.searchsorted(middles, even)])


class Segments:
    """Takes frames in order; `current` is the sign that is being made, None at rest."""

    def __init__(self) -> None:
        self._resting: deque[tuple[float, NDArray[Any]]] = deque()
        self._was_present = False
        self.current: Segment | None = None

    def push(self, values: NDArray[Any], moment: float, activity: Activity) -> Segment | None:
        """The finished sign, if this frame ends one.

        values: (*item_shape) of one frame; moment: in seconds, rising; activity: what is seen in the frame.
        """
        appeared = activity.present and not self._was_present
        self._was_present = activity.present
        if self.current is None:
            self._resting.append((moment, values))
            while moment - self._resting[0][0] > LEAD_S:
                self._resting.popleft()
            if appeared or (activity.present and activity.moving):
                moments, kept = zip(*self._resting, strict=True)
                self.current = Segment(list(moments), list(kept))
                self._began = self._present = self._moving = moment
                self._resting.clear()
            return None
        self.current.moments.append(moment)
        self.current.values.append(values)
        if activity.present:
            self._present = moment
            if activity.moving:
                self._moving = moment
        if moment - self._present >= REST_S or moment - self._moving >= HOLD_S:
            return self.finish()
        return self.finish() if moment - self._began >= LONGEST_S else None

    def finish(self) -> Segment | None:
        """End the sign that is being made, as at the end of the input; None if there is none worth the name."""
        segment, self.current = self.current, None
        if (
            segment is None
            or self._present - self._began < SHORTEST_S
            or self._moving - self._began < MOVED_S
        ):
            return None
        last = min(self._present + LEAD_S, self._moving + HELD_S)
        count = sum(moment <= last for moment in segment.moments)
        return Segment(segment.moments[:count], segment.values[:count])

    @property
    def active_s(self) -> float:
        """How long hands have been up for the sign that is being made, 0 at rest."""
        return 0.0 if self.current is None else self._present - self._began
