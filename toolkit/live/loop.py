"""Picture after picture through the recogniser: what was seen, said, and how far behind it is.

Knows neither windows nor terminals: both are a function that is told about every picture.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.live.frames import LiveFrame
from toolkit.recognizer import Recognizer
from toolkit.stream import Seen, SignEvent, SignStream

RECENT = 30  # pictures that the current speed is measured over

Tell = Callable[[LiveFrame, Seen, SignEvent | None, bool], bool]
"""Is told of a picture, its values, what there is to say, and whether a sign is being made; False is the end."""


@dataclass
class Watched:
    """frames: pictures looked at; signs: final answers; latencies_ms: from a picture's arrival to its answer."""

    frames: int = 0
    signs: list[SignEvent] = field(default_factory=list)
    latencies_ms: list[float] = field(default_factory=list)
    _ends: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))
    _began: float = field(default_factory=time.perf_counter)

    @property
    def fps(self) -> float:
        """Pictures per second, over the last RECENT of them."""
        if len(self._ends) < 2:
            return 0.0
        return (len(self._ends) - 1) / max(1e-6, self._ends[-1] - self._ends[0])

    @property
    def mean_fps(self) -> float:
        """Pictures per second, over all of them."""
        return self.frames / max(1e-6, self._ends[-1] - self._began) if self._ends else 0.0

    def count(self, frame: LiveFrame, event: SignEvent | None) -> None:
        now = time.perf_counter()
        self.frames += 1
        self.latencies_ms.append(1000 * (now - frame.arrived_s))
        self._ends.append(now)
        if event is not None and event.final:
            self.signs.append(event)


def watch(
    recognizer: Recognizer, source: Iterable[LiveFrame], stream: SignStream, watched: Watched, tell: Tell
) -> None:
    """Go through the source to its end, or until `tell` says no; the last sign counts although it was cut off."""
    last: list[LiveFrame] = []

    def images() -> Iterator[NDArray[Any]]:
        for frame in source:
            last[:] = [frame]
            yield frame.image

    seen = Seen(np.empty(0, np.float32), None)
    for seen in recognizer.follow(images()):
        event = stream.push(seen, last[0].moment_s)
        watched.count(last[0], event)
        if not tell(last[0], seen, event, stream.signing):
            return
    event = stream.finish()
    if event is not None and last:
        watched.signs.append(event)
        tell(last[0], seen, event, False)
