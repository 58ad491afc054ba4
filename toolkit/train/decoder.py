"""Videos -> frames in processes of their own, so that decoding runs beside the network, and its memory with it.

Keeps the clips used last, up to a bound, and decodes at most one batch ahead. Knows nothing about labels.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import numpy as np
from numpy.typing import NDArray

from toolkit.clips import Clip
from toolkit.errors import VideoReadError, WorkerError
from toolkit.video import sample_frames

Frames = NDArray[np.uint8]


class Decoder:
    """Decodes clips to (num_frames, H, W, 3) uint8 RGB. size: width, height in pixels."""

    def __init__(self, workers: int, num_frames: int, size: tuple[int, int], cache_mib: int) -> None:
        self.num_frames, self.size = num_frames, size
        clip_bytes = num_frames * size[0] * size[1] * 3
        self._most = cache_mib * 2**20 // clip_bytes  # clips
        self._kept: OrderedDict[str, Frames] = OrderedDict()
        self._coming: dict[str, Future[Frames]] = {}
        context = multiprocessing.get_context("spawn")  # a fork would copy torch's threads in mid-work
        self._pool = ProcessPoolExecutor(workers, context, initializer=_leave_interrupts_to_the_parent)

    def readable(self, clips: Sequence[Clip]) -> list[bool]:
        """Whether each clip gives at least one frame."""
        try:
            return list(self._pool.map(_gives_a_frame, clips, chunksize=8))
        except BrokenProcessPool as error:
            raise self._died() from error

    def start(self, clips: Sequence[Clip]) -> None:
        """Begin to decode those that are neither kept nor under way."""
        try:
            for clip in clips:
                if clip.id not in self._kept and clip.id not in self._coming:
                    self._coming[clip.id] = self._pool.submit(_decode, clip, self.num_frames, self.size)
        except BrokenProcessPool as error:
            raise self._died() from error

    def batch(self, clips: Sequence[Clip]) -> Frames:
        """(B, num_frames, H, W, 3).

        Raises:
            VideoReadError: a video cannot be read. WorkerError: a worker died.
        """
        self.start(clips)
        result = np.empty((len(clips), self.num_frames, self.size[1], self.size[0], 3), np.uint8)
        for place, clip in enumerate(clips):
            result[place] = self._take(clip)
        return result

    def _take(self, clip: Clip) -> Frames:
        if clip.id in self._kept:
            self._kept.move_to_end(clip.id)
            return self._kept[clip.id]
        self.start([clip])  # again: it may have been pushed out of memory since
        try:
            frames = self._coming.pop(clip.id).result()
        except BrokenProcessPool as error:
            raise self._died() from error
        if self._most:
            self._kept[clip.id] = frames
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return frames

    def _died(self) -> WorkerError:
        return WorkerError(
            "a process that decodes videos died, most likely because memory ran out: lower "
            "data.decode_workers or --batch_size"
        )


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _decode(clip: Clip, num_frames: int, size: tuple[int, int]) -> Frames:
    return np.stack(list(sample_frames(clip.path, num_frames, clip.frame_start, clip.frame_end, size)))


def _gives_a_frame(clip: Clip) -> bool:
    try:
        next(iter(sample_frames(clip.path, 1, clip.frame_start, clip.frame_end)))
    except VideoReadError:
        return False
    return True
