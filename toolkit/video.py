"""Videos -> exactly N frames, uniformly over the frames that truly decode, upright, square pixels, RGB.

Frame k is `round(linspace(0, n-1, N))[k]` of the n frames that decode; header counts are never trusted (in
229 of 1270 WLASL files OpenCV's is 1 to 6 too high). For codecs that give one frame per packet, n is known from
the packets' time stamps, and frames that nobody wants and nothing refers to are not decoded. Anything that
contradicts those time stamps falls back to counting every decoded frame.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from toolkit.errors import VideoReadError

av.logging.set_level(None)  # decoders complain on stderr about every damaged frame; we count them ourselves

ONE_FRAME_PER_PACKET = frozenset(
    {"h264", "hevc", "mpeg4", "mpeg2video", "mjpeg", "msmpeg4v3", "wmv2", "flv", "theora"}
)
"""Codecs without hidden frames. VP8, VP9 and AV1 have packets that show nothing: theirs do not count."""

OPEN_OPTIONS: dict[str, Any] = (
    {} if int(av.__version__.split(".")[0]) >= 19 else {"metadata_errors": "ignore"}
)
"""Titles in a foreign encoding are no reason to refuse a video; from PyAV 19 on that goes without saying."""

MAX_PIXELS = 8192 * 8192  # a frame this large is an attack or a mistake, and would not fit a weak PC's memory

SQUARE_TOLERANCE = 0.02  # re-encoders write pixel aspects such as 1280/1281, which mean a square pixel


class Picked(NamedTuple):
    """Decoded frames in order, in the decoder's own pixel format (half the size of RGB)."""

    frames: list[VideoFrame]
    aspect: float


def sample_frames(
    path: Path,
    num_frames: int,
    frame_start: int = 1,
    frame_end: int = -1,
    size: tuple[int, int] | None = None,
) -> Iterator[NDArray[np.uint8]]:
    """Decode exactly `num_frames` frames; a clip with fewer frames repeats some.

    frame_start, frame_end: 1-based inclusive range, -1 = to the end; a range that lies beyond the end of the
    file is ignored (see Clip). size: (width, height) in pixels to resize to while converting (area average);
    None keeps the video's own size. Yields images (H, W, 3) uint8 RGB, one at a time, so that only one is in
    memory in full; decoding is over when this returns.

    Raises:
        VideoReadError: no such file, not a video, or not one frame decodes.
    """
    if num_frames < 1:
        raise ValueError(f"num_frames is {num_frames}; it must be at least 1")
    picked = _pick_by_time(path, num_frames, frame_start, frame_end)
    if picked is None:
        picked = _pick_by_count(path, num_frames, frame_start, frame_end)
    return _converted(picked, path, size)


def timed_frames(path: Path) -> Iterator[tuple[float, Callable[[], NDArray[np.uint8]]]]:
    """All frames that decode, in order: when each is shown, in seconds from the first, and what makes its image.

    Calling it gives the image as `sample_frames` does; frames that are not asked for are not converted.

    Raises:
        VideoReadError: no such file, or not a video; from the call, a frame that cannot be converted.
    """
    with _opened(path) as (container, stream):
        aspect, reformatter = _pixel_aspect(stream), VideoReformatter()
        step, first, last = 1 / float(stream.average_rate or 25), None, 0.0
        for number, frame in enumerate(_decoded(container, stream)):
            shown = frame.time
            if first is None:
                first = shown
            moment = number * step if shown is None or first is None else shown - first
            last = (
                max(last, moment) if number == 0 or moment > last else last + step
            )  # stamps that do not rise
            yield last, partial(_to_rgb, frame, reformatter, path, None, aspect)


def count_frames(path: Path) -> int:
    """The number of frames that truly decode (decodes all of them)."""
    with _opened(path) as (container, stream):
        return sum(1 for _ in _decoded(container, stream))


def frame_rate(path: Path) -> float:
    """Frames per second as the file gives them; 25 where it gives none."""
    with _opened(path) as (_, stream):
        return float(stream.average_rate or 25)


def wanted_indices(total: int, num_frames: int, frame_start: int = 1, frame_end: int = -1) -> list[int]:
    """The 0-based frames to take from a file of `total` frames."""
    first, last = frame_start - 1, total - 1 if frame_end == -1 else frame_end - 1
    if not 0 <= first <= last < total:
        first, last = 0, total - 1
    return [int(index) for index in np.linspace(first, last, num_frames).round()]


def _pick_by_time(path: Path, num_frames: int, frame_start: int, frame_end: int) -> Picked | None:
    """Take frames by the time stamps of the packets, or None where these cannot be trusted."""
    with _opened(path) as (container, stream):
        if stream.codec_context.name not in ONE_FRAME_PER_PACKET:
            return None
        stamps = []
        try:
            for packet in container.demux(stream):
                if packet.size and not packet.is_discard:
                    if packet.pts is None or packet.is_corrupt:
                        return None
                    stamps.append(packet.pts)
            if not stamps or len(set(stamps)) != len(stamps):
                return None
            stamps.sort()
            order = [
                stamps[index] for index in wanted_indices(len(stamps), num_frames, frame_start, frame_end)
            ]
            # Frames are matched by time stamp, so wherever the seek lands, what is taken is exact or nothing.
            container.seek(order[0], stream=stream, backward=True)
            held = _decode_stamps(container, stream, set(order))
        except FFmpegError:
            return None  # damaged or cut off: what is there is counted frame by frame
        return None if held is None else Picked([held[stamp] for stamp in order], _pixel_aspect(stream))


def _decode_stamps(container: Any, stream: Any, wanted: set[int]) -> dict[int, VideoFrame] | None:
    """The frames with these time stamps; None when one of them does not decode."""
    held: dict[int, VideoFrame] = {}
    codec, skipping = stream.codec_context, ""
    for packet in container.demux(stream):
        mode = "DEFAULT" if packet.pts in wanted or not packet.size else "NONREF"
        if mode != skipping:
            codec.skip_frame = skipping = mode
        for frame in codec.decode(packet if packet.size else None):
            if frame.pts in wanted:
                held[frame.pts] = frame
        if len(held) == len(wanted):
            return held
    return None


def _pick_by_count(path: Path, num_frames: int, frame_start: int, frame_end: int) -> Picked:
    """Decode everything twice: once to count, once to take. Slow and right for any file."""
    total = count_frames(path)
    if total == 0:
        raise VideoReadError(f"{path}: not one frame decodes; the file is damaged, download it again")
    order = wanted_indices(total, num_frames, frame_start, frame_end)
    wanted = set(order)
    with _opened(path) as (container, stream):
        aspect = _pixel_aspect(stream)
        held = {index: frame for index, frame in enumerate(_decoded(container, stream)) if index in wanted}
    if len(held) != len(wanted):
        raise VideoReadError(
            f"{path}: gave {total} frames at first and fewer at the second reading; is it changing?"
        )
    return Picked([held[index] for index in order], aspect)


def _pixel_aspect(stream: Any) -> float:
    """Width of a pixel divided by its height."""
    return float(stream.sample_aspect_ratio or 1)


def _decoded(container: Any, stream: Any) -> Iterator[VideoFrame]:
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


class _opened:
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


def _converted(picked: Picked, path: Path, size: tuple[int, int] | None) -> Iterator[NDArray[np.uint8]]:
    frames, aspect = picked
    reformatter = VideoReformatter()
    frames.reverse()
    previous: VideoFrame | None = None
    image: NDArray[np.uint8] | None = None
    while frames:
        frame = frames.pop()
        if frame is not previous or image is None:
            previous, image = frame, _to_rgb(frame, reformatter, path, size, aspect)
        yield image


def _to_rgb(
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
