"""Training clips that note when each batch is asked for, so that the real training loop can be timed unchanged.

From one request to the next is exactly one step: gathering or decoding, augmentation, forward, backward,
optimiser. Knows nothing about torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bench.measure import Laps

if TYPE_CHECKING:
    from toolkit.train.dataset import LabelledClips


class TimedClips:
    """The clips of another data set, repeated until they are `length`. See LabelledClips for the attributes."""

    def __init__(self, clips: LabelledClips, length: int) -> None:
        self._clips, self._length = clips, length
        self.labels: NDArray[np.int64] = np.resize(clips.labels, length)
        self.ids = tuple(clips.ids[place % len(clips)] for place in range(length))
        self.glosses, self.skipped = clips.glosses, clips.skipped
        self.num_frames, self.item_shape = clips.num_frames, clips.item_shape
        self._laps: Laps | None = None
        self._started = False

    def start(self) -> None:
        """Time from the next batch on."""
        self._started = True

    @property
    def laps(self) -> Laps:
        """The whole steps since `start`."""
        if self._laps is None:
            raise ValueError("no batch was asked for since start()")
        return self._laps

    def batch(self, indices: Sequence[int] | NDArray[np.integer]) -> NDArray[Any]:
        """(B, num_frames, *item_shape) of the clips at these positions."""
        if self._laps is not None:
            self._laps.lap()
        elif self._started:
            self._laps = Laps()
        return self._clips.batch(np.asarray(indices) % len(self._clips))

    def __len__(self) -> int:
        return self._length
