"""Frames -> a small .mp4, with the best encoder that the installed PyAV brings."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from toolkit.errors import ToolkitError

# The clips are made in parallel, so the encoder has one thread. libx264 gave the same bytes
# on every run with the preset superfast, but not with veryfast, and takes half the time.
ENCODERS: tuple[tuple[str, dict[str, str]], ...] = (
    ("libx264", {"preset": "superfast", "crf": "27", "threads": "1"}),
    ("libopenh264", {"threads": "1"}),
    ("mpeg4", {"threads": "1"}),
)
"""Encoder and its options, best first; mpeg4 is part of every FFmpeg."""
BIT_RATE = 500_000
"""Bits per second, for encoders that are not steered by quality."""


@cache
def pick_encoder() -> str:
    """The first of ENCODERS that this PyAV can use.

    Raises:
        ToolkitError: there is none.
    """
    for name, _ in ENCODERS:
        try:
            av.codec.Codec(name, "w")
        except av.codec.codec.UnknownCodecError:
            continue
        return name
    wanted = ", ".join(name for name, _ in ENCODERS)
    raise ToolkitError(
        f"PyAV {av.__version__} has none of the encoders {wanted}; reinstall it: pip install -U av"
    )


def write_video(
    path: Path, frames: Iterable[NDArray[np.uint8]], fps: int, encoder: str | None = None
) -> None:
    """Encode frames (H, W, 3) uint8 RGB of one size, H and W even, one after the other; as many can be decoded again.

    encoder: one of ENCODERS; None takes the best that there is.

    Raises:
        ValueError: there is no frame.
    """
    name = encoder or pick_encoder()
    waiting = iter(frames)
    first = next(waiting, None)
    if first is None:
        raise ValueError("a video has at least one frame")
    height, width = first.shape[:2]
    with av.open(str(path), "w", format="mp4") as container:
        stream: Any = container.add_stream(name, rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        if name != "libx264":
            stream.bit_rate = BIT_RATE
        stream.options = dict(ENCODERS)[name]
        for image in chain([first], waiting):
            planes = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(planes, format="yuv420p")))
        container.mux(stream.encode())
