"""Frames in, the values that a model takes out, one by one: through its extractor, or as they are."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from toolkit.errors import InputError
from toolkit.extract.source import ClipReader, check_clips
from toolkit.metadata import ModelMetadata


class Seen(NamedTuple):
    """values: (*item_shape) of one frame; picture: the frame (H, W, 3), None where only values were given."""

    values: NDArray[Any]
    picture: NDArray[np.uint8] | None


def follow(reader: ClipReader, metadata: ModelMetadata, frames: Iterable[NDArray[Any]]) -> Iterator[Seen]:
    """Each frame as soon as it comes.

    frames: images (H, W, 3) uint8 RGB, or for mode pose landmarks (K, 4) float32; all of one kind.

    Raises:
        InputError: a frame of another shape or type. Otherwise like `ClipReader.read`.
    """
    rest = iter(frames)
    first = next(rest, None)
    if first is None:
        return
    if metadata.mode == "pose" and first.shape == metadata.item_shape:
        for values in chain([first], rest):
            check_clips(values[None], metadata, batched=False)
            yield Seen(values, None)
        return
    _check_picture(first, metadata)  # before networks are loaded for it
    pictures: deque[NDArray[np.uint8]] = deque(maxlen=1)

    def kept() -> Iterator[NDArray[np.uint8]]:
        for frame in chain([first], rest):
            _check_picture(frame, metadata)
            pictures.append(frame)
            yield frame

    for values in reader.follow(kept()):
        yield Seen(values, pictures[0])


def _check_picture(frame: NDArray[Any], metadata: ModelMetadata) -> None:
    if frame.dtype == np.uint8 and frame.ndim == 3 and frame.shape[2] == 3 and frame.size:
        return
    also = f", or landmarks {metadata.item_shape} float32" if metadata.mode == "pose" else ""
    raise InputError(f"a frame is {frame.shape} {frame.dtype}; give images (H, W, 3) uint8 RGB{also}")
