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

MAX_PIXELS = 8192 * 8192  # a larger frame is an attack or a mistake, and would not fit a weak PC's memory
LIMITS = {"max_pixels": str(MAX_PIXELS)}
"""For demuxers and decoders: larger frames are refused before anything is allocated for them."""

PLAYLISTS = frozenset({"concat", "hls", "dash", "imf", "sdp", "webm_dash_manifest"})
"""What FFmpeg takes for a video, but is text that names other files and addresses: a stranger's clip may not."""

LIKELY_ASPECT = 10  # of a pixel, either way; beyond that it is damage, and would ask for images without end

SQUARE_TOLERANCE = 0.02  # re-encoders write pixel aspects such as 1280/1281, which mean a square pixel


class opened:
    """Open a file and its video stream; every failure names the file and what to do."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> tuple[Any, Any]:
        self._check_file()
        try:
            # As "file:", so that a file called "concat:a|b" or "http:x" is that file and no address.
            self.container = av.open(f"file:{self.path}", options=LIMITS, **OPEN_OPTIONS)
        except (FFmpegError, OSError, ValueError) as error:
            self._check_file()  # gone in this moment: an unplugged disk
            raise VideoReadError(
                f"{self.path}: not a readable video ({_reason(error)}); download or convert it again"
            ) from error
        if not PLAYLISTS.isdisjoint(self.container.format.name.split(",")):
            self.container.close()
            raise VideoReadError(
                f"{self.path}: a playlist that names other files; give the videos themselves"
            )
        streams = [stream for stream in self.container.streams.video if stream.codec_context is not None]
        if not streams:
            self.container.close()
            raise VideoReadError(f"{self.path}: has no video stream (only sound?) or one of an unknown codec")
        stream = streams[0]
        if stream.codec_context.width * stream.codec_context.height > MAX_PIXELS:
            self.container.close()
            raise VideoReadError(
                f"{self.path}: frames of {stream.width} x {stream.height} pixels are too large to decode (at most "
                f"{MAX_PIXELS} pixels); scale the video down"
            )
        stream.codec_context.options = LIMITS  # also of frames that are larger than the file says
        stream.thread_type, stream.codec_context.thread_count = "NONE", 1  # clips run in parallel instead
        return self.container, stream

    def _check_file(self) -> None:
        if not self.path.is_file():
            raise VideoReadError(f"{self.path} {_why_no_file(self.path)}; check the path")
        if _is_empty(self.path):
            raise VideoReadError(f"{self.path} is empty (0 bytes); copy, download or record it again")

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self.container.close()
        if isinstance(error, FFmpegError):  # the decoder cannot start, or the disk fails
            raise VideoReadError(
                f"{self.path}: cannot be decoded ({_reason(error)}); download or convert it again"
            ) from error


def _is_empty(path: Path) -> bool:
    try:
        return path.stat().st_size == 0
    except OSError:  # it vanished: opening it will say so
        return False


def _why_no_file(path: Path) -> str:
    try:
        path.stat()
    except (FileNotFoundError, ValueError):
        return "does not exist"
    except OSError as error:
        return f"cannot be reached ({error.strerror})"
    return "is a folder, not a video" if path.is_dir() else "is not a plain file"


def _reason(error: Exception) -> str:
    """What FFmpeg says, without numbers, function and file names."""
    return re.sub(r"^\[Errno -?\d+\] ", "", str(error)).split(";")[0].split(": '")[0]


def pixel_aspect(stream: Any) -> float:
    """Width of a pixel divided by its height; 1 where the file says what cannot be."""
    aspect = float(stream.sample_aspect_ratio or 1)
    return aspect if 1 / LIKELY_ASPECT <= aspect <= LIKELY_ASPECT else 1.0


def decoded(container: Any, stream: Any) -> Iterator[VideoFrame]:
    """All frames that decode; damaged packets and frames that are too large are left out."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.error.EOFError, av.error.InvalidDataError):
            return
        try:
            frames = stream.codec_context.decode(packet if packet.size else None)
        except av.error.EOFError:
            return
        except FFmpegError:
            continue
        yield from frames
        del frames  # their memory is the next ones'


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
    if width * height > MAX_PIXELS:
        raise VideoReadError(
            f"{path}: a frame of {width} x {height} pixels is too large; scale the video down"
        )
    try:
        # One thread: swscale would start a pool. No colour space: forcing one moves landmarks by 1e-3.
        converted = reformatter.reformat(frame, width, height, "rgb24", interpolation=how, threads=1)
        image = _without_copy(converted)
    except (FFmpegError, ValueError) as error:
        raise VideoReadError(
            f"{path}: a frame in {frame.format.name} cannot be converted to RGB: {error}"
        ) from error
    return np.ascontiguousarray(np.rot90(image, quarter_turns)) if quarter_turns else image


def _without_copy(frame: VideoFrame) -> NDArray[np.uint8]:
    """The pixels of an RGB frame, in its own memory where its rows leave no gaps."""
    plane: Any = frame.planes[0]
    height, width = frame.height, frame.width
    if plane.line_size != width * 3 or plane.buffer_size != height * width * 3:
        return np.asarray(frame.to_ndarray(), dtype=np.uint8)
    return np.frombuffer(plane, np.uint8).reshape(height, width, 3)
