"""An open video file: its frames as they decode, and how one becomes an image. Knows no choice of frames."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from toolkit.errors import VideoReadError

av.logging.set_level(None)  # decoders complain on stderr about every damaged frame; we count them ourselves

OPEN_OPTIONS: dict[str, Any] = (
    {} if int(av.__version__.split(".")[0]) >= 19 else {"metadata_errors": "ignore"}
)
"""Titles in a foreign encoding are no reason to refuse a video; from PyAV 19 on that goes without saying."""

MAX_PIXELS = 8192 * 8192  # a frame this large is an attack or a mistake, and would not fit a weak PC's memory

SQUARE_TOLERANCE = 0.02  # re-encoders write pixel aspects such as 1280/1281, which mean a square pixel


class opened:
    """Open a file and its video stream; every failure names the file and what to do."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> tuple[Any, Any]:
        if not self.path.is_file():
            what = "is not a plain file" if self.path.exists() else "does not exist"
            raise VideoReadError(f"{self.path} {what}; check the path")
        try:
            self.container = av.open(str(self.path), **OPEN_OPTIONS)
        except (FFmpegError, OSError, ValueError) as error:
            reason = re.sub(r"^\[Errno \d+\] ", "", str(error)).split(";")[0].split(": '")[0]
            raise VideoReadError(
                f"{self.path}: not a readable video ({reason}); download or convert it again"
            ) from error
        streams = [stream for stream in self.container.streams.video if stream.codec_context is not None]
        if not streams:
            self.container.close()
            raise VideoReadError(f"{self.path}: has no video stream (only sound?) or one of an unknown codec")
        stream = streams[0]
        if stream.codec_context.width * stream.codec_context.height > MAX_PIXELS:
            self.container.close()
            raise VideoReadError(
                f"{self.path}: frames of {stream.width} x {stream.height} are too large to decode"
            )
        stream.thread_type, stream.codec_context.thread_count = "NONE", 1  # clips run in parallel instead
        return self.container, stream

    def __exit__(self, *_: object) -> None:
        self.container.close()


def pixel_aspect(stream: Any) -> float:
    """Width of a pixel divided by its height."""
    return float(stream.sample_aspect_ratio or 1)


def decoded(container: Any, stream: Any) -> Iterator[VideoFrame]:
    """All frames that decode, damaged packets left out."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
            frames = stream.codec_context.decode(packet if packet.size else None)
        except StopIteration:
            return
        except av.error.EOFError:
            return
        except av.error.InvalidDataError:
            continue
        yield from frames


def to_rgb(
    frame: VideoFrame, reformatter: VideoReformatter, path: Path, size: tuple[int, int] | None, aspect: float
) -> NDArray[np.uint8]:
    """Upright RGB with square pixels; at native size bit-identical to OpenCV's decoding."""
    quarter_turns = round(frame.rotation / 90) % 4
    width, height, how = frame.width, frame.height, Interpolation.BILINEAR
    if abs(aspect - 1) > SQUARE_TOLERANCE:
        width = round(width * aspect)
    if size is not None:
        width, height = size if quarter_turns % 2 == 0 else size[::-1]
        how = Interpolation.AREA
    try:
        # One thread: swscale would start a pool. No colour space: forcing one moves landmarks by 1e-3.
        converted = reformatter.reformat(frame, width, height, "rgb24", interpolation=how, threads=1)
        image = np.asarray(converted.to_ndarray(), dtype=np.uint8)
    except (FFmpegError, ValueError) as error:
        raise VideoReadError(
            f"{path}: a frame in {frame.format.name} cannot be converted to RGB: {error}"
        ) from error
    return np.ascontiguousarray(np.rot90(image, quarter_turns)) if quarter_turns else image
