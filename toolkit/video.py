"""Videos -> exactly N frames, uniformly over the frames that truly decode, upright, square pixels, RGB.

Frame k is `round(linspace(0, n-1, N))[k]` of the n frames that decode; header counts are never trusted (in
229 of 1270 WLASL files OpenCV's is 1 to 6 too high). For codecs that give one frame per packet, n is known from
the packets' time stamps, and frames that nobody wants and nothing refers to are not decoded. Anything that
contradicts those time stamps falls back to counting every decoded frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from toolkit.errors import VideoReadError
from toolkit.video_file import MAX_PIXELS, decoded, opened, pixel_aspect, to_rgb
from toolkit.video_order import MAX_FRAMES, decode_numbers, decode_stamps, trusted_stamps, wanted_indices

HELD_BYTES = 16_000_000
"""Decoded frames that `with_frames` holds until they are asked for: 16 of 800 x 600, or 5 of 1920 x 1080."""

Result = TypeVar("Result")


class _AnotherWay(Exception):
    """The frames cannot be had in this way: there are other ones than the file says, or too large ones."""


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
    memory in full; decoding is over when this returns, and all frames are held in the decoder's own format.

    Raises:
        VideoReadError: no such file, not a video, or not one frame decodes.
    """
    if num_frames < 1:
        raise ValueError(f"num_frames is {num_frames}; it must be at least 1")
    picked = _pick_by_time(path, num_frames, frame_start, frame_end, None)
    if picked is None:
        picked = _pick_by_count(path, num_frames, frame_start, frame_end, None)
    return _converted(picked, path, size)


def with_frames(
    use: Callable[[Iterator[NDArray[np.uint8]]], Result],
    path: Path,
    num_frames: int,
    frame_start: int = 1,
    frame_end: int = -1,
    size: tuple[int, int] | None = None,
) -> Result:
    """What `use` makes of the frames that `sample_frames` gives, in little memory however large they are.

    Frames that take more than HELD_BYTES are decoded while `use` takes them, one after the other. What a file
    says about its frames may then turn out to be wrong halfway; `use` is called once more, from the start.

    Raises:
        VideoReadError: as `sample_frames`, while `use` takes the frames.
    """
    for way in (_held, _in_passing):
        with suppress(_AnotherWay):
            return use(way(path, num_frames, frame_start, frame_end, size))
    return use(_counted(path, num_frames, frame_start, frame_end, size))


def timed_frames(path: Path) -> Iterator[tuple[float, Callable[[], NDArray[np.uint8]]]]:
    """All frames that decode, in order: when each is shown, in seconds from the first, and what makes its image.

    Calling it gives the image as `sample_frames` does; frames that are not asked for are not converted.

    Raises:
        VideoReadError: no such file, or not a video; from the call, a frame that cannot be converted.
    """
    with opened(path) as (container, stream):
        aspect, reformatter = pixel_aspect(stream), VideoReformatter()
        step, first, last = 1 / float(stream.average_rate or 25), None, 0.0
        for number, frame in enumerate(decoded(container, stream)):
            shown = frame.time
            if first is None:
                first = shown
            moment = number * step if shown is None or first is None else shown - first
            last = (
                max(last, moment) if number == 0 or moment > last else last + step
            )  # stamps that do not rise
            yield last, partial(to_rgb, frame, reformatter, path, None, aspect)


def count_frames(path: Path) -> int:
    """The number of frames that truly decode (decodes all of them, at most MAX_FRAMES)."""
    with opened(path) as (container, stream):
        total = sum(1 for _ in islice(decoded(container, stream), MAX_FRAMES + 1))
    if total > MAX_FRAMES:
        raise VideoReadError(f"{path}: has more than {MAX_FRAMES} frames; cut the clips out of it")
    return total


def check_part(path: Path, frame_start: int, frame_end: int) -> None:
    """Make sure that a video has the part that a person asks for. (In an index such a part means the whole clip.)

    Raises:
        VideoReadError: it has not; names the number of its frames.
    """
    if (frame_start, frame_end) == (1, -1):
        return
    count = count_frames(path)
    last = count if frame_end == -1 else frame_end
    if not 1 <= frame_start <= last <= count:
        raise VideoReadError(
            f"{path} has {count} frames; there is no part from {frame_start} to {frame_end} of it"
        )


def frame_rate(path: Path) -> float:
    """Frames per second as the file gives them; 25 where it gives none."""
    with opened(path) as (_, stream):
        return float(stream.average_rate or 25)


def _held(
    path: Path, num_frames: int, frame_start: int, frame_end: int, size: tuple[int, int] | None
) -> Iterator[NDArray[np.uint8]]:
    picked = _pick_by_time(path, num_frames, frame_start, frame_end, HELD_BYTES)
    if picked is None:
        picked = _pick_by_count(path, num_frames, frame_start, frame_end, HELD_BYTES)
    yield from _converted(picked, path, size)


def _in_passing(
    path: Path, num_frames: int, frame_start: int, frame_end: int, size: tuple[int, int] | None
) -> Iterator[NDArray[np.uint8]]:
    with opened(path) as (container, stream):
        try:
            order = trusted_stamps(container, stream, num_frames, frame_start, frame_end)
            if order is None:
                raise _AnotherWay
            yield from _images(path, stream, decode_stamps(container, stream, order), order, size)
        except FFmpegError as error:
            raise _AnotherWay from error


def _counted(
    path: Path, num_frames: int, frame_start: int, frame_end: int, size: tuple[int, int] | None
) -> Iterator[NDArray[np.uint8]]:
    order = wanted_indices(_some_frames(path), num_frames, frame_start, frame_end)
    with opened(path) as (container, stream):
        try:
            yield from _images(path, stream, decode_numbers(container, stream, order), order, size)
        except _AnotherWay as error:
            raise VideoReadError(
                f"{path}: gave fewer frames at the second reading; is it changing?"
            ) from error


def _images(
    path: Path,
    stream: Any,
    frames: Iterator[tuple[int, VideoFrame]],
    order: list[int],
    size: tuple[int, int] | None,
) -> Iterator[NDArray[np.uint8]]:
    """One image for each key of `order`, which rises; frames are decoded when they are asked for."""
    reformatter, waiting, aspect = VideoReformatter(), list(reversed(order)), pixel_aspect(stream)
    for key, frame in frames:
        image = to_rgb(frame, reformatter, path, size, aspect)
        while waiting and waiting[-1] == key:
            waiting.pop()
            yield image
        del frame, image  # before the next ones are made
    if waiting:
        raise _AnotherWay


def _pick_by_time(
    path: Path, num_frames: int, frame_start: int, frame_end: int, hold_bytes: int | None
) -> Picked | None:
    """Take frames by the time stamps of the packets, or None where these cannot be trusted."""
    with opened(path) as (container, stream):
        codec = stream.codec_context
        # 12 bits per pixel; what does not fit is known beforehand, but for a file that lies
        if hold_bytes is not None and num_frames * codec.width * codec.height * 3 // 2 > hold_bytes:
            raise _AnotherWay
        try:
            order = trusted_stamps(container, stream, num_frames, frame_start, frame_end)
            held = {} if order is None else _hold(decode_stamps(container, stream, order), hold_bytes)
        except FFmpegError:
            return None  # damaged or cut off: what is there is counted frame by frame
        if order is None or len(held) < len(set(order)):
            return None
        return Picked([held[stamp] for stamp in order], pixel_aspect(stream))


def _hold(frames: Iterator[tuple[int, VideoFrame]], hold_bytes: int | None) -> dict[int, VideoFrame]:
    """Frames by their keys, as long as they fit the memory."""
    held, taken = {}, 0
    for key, frame in frames:
        held[key] = frame
        taken += sum(plane.buffer_size for plane in frame.planes)
        if hold_bytes is not None and taken > hold_bytes:
            raise _AnotherWay
    return held


def _pick_by_count(
    path: Path, num_frames: int, frame_start: int, frame_end: int, hold_bytes: int | None
) -> Picked:
    """Decode everything twice: once to count, once to take. Slow and right for any file."""
    total = _some_frames(path)
    order = wanted_indices(total, num_frames, frame_start, frame_end)
    with opened(path) as (container, stream):
        aspect = pixel_aspect(stream)
        held = _hold(decode_numbers(container, stream, order), hold_bytes)
    if len(held) != len(set(order)):
        raise VideoReadError(
            f"{path}: gave {total} frames at first and fewer at the second reading; is it changing?"
        )
    return Picked([held[index] for index in order], aspect)


def _some_frames(path: Path) -> int:
    total = count_frames(path)
    if total == 0:
        raise VideoReadError(
            f"{path}: not one frame decodes; the file is damaged, or its frames have more than {MAX_PIXELS} "
            "pixels: download it again or scale it down"
        )
    return total


def _converted(picked: Picked, path: Path, size: tuple[int, int] | None) -> Iterator[NDArray[np.uint8]]:
    frames, aspect = picked
    reformatter = VideoReformatter()
    frames.reverse()
    previous: VideoFrame | None = None
    image: NDArray[np.uint8] | None = None
    while frames:
        frame = frames.pop()
        if frame is not previous or image is None:
            previous, image = frame, to_rgb(frame, reformatter, path, size, aspect)
        yield image
