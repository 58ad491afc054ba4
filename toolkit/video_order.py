"""Which frames of an open video are wanted, and decoding these alone: by time stamps where they can be trusted, else
by number. Knows no pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from av.video.frame import VideoFrame

from toolkit.video_file import decoded

ONE_FRAME_PER_PACKET = frozenset(
    {"h264", "hevc", "mpeg4", "mpeg2video", "mjpeg", "msmpeg4v3", "wmv2", "flv", "theora"}
)
"""Codecs without hidden frames. VP8, VP9 and AV1 have packets that show nothing: theirs do not count."""

MAX_FRAMES = 4_000_000
"""37 hours at 30 per second: a file with more is an attack or no clip, and its time stamps would fill the memory."""


def wanted_indices(total: int, num_frames: int, frame_start: int = 1, frame_end: int = -1) -> list[int]:
    """The 0-based frames to take from a file of `total` frames."""
    first, last = frame_start - 1, total - 1 if frame_end == -1 else frame_end - 1
    if not 0 <= first <= last < total:
        first, last = 0, total - 1
    return [int(index) for index in np.linspace(first, last, num_frames).round()]


def trusted_stamps(
    container: Any, stream: Any, num_frames: int, frame_start: int, frame_end: int
) -> list[int] | None:
    """The time stamps of the frames to take, rising, or None where those of the packets cannot be trusted."""
    if stream.codec_context.name not in ONE_FRAME_PER_PACKET:
        return None
    stamps = []
    for packet in container.demux(stream):
        if packet.size and not packet.is_discard:
            if packet.pts is None or packet.is_corrupt:
                return None
            stamps.append(packet.pts)
            if len(stamps) > MAX_FRAMES:
                return None
    if not stamps or len(set(stamps)) != len(stamps):
        return None
    stamps.sort()
    return [stamps[index] for index in wanted_indices(len(stamps), num_frames, frame_start, frame_end)]


def decode_stamps(container: Any, stream: Any, order: list[int]) -> Iterator[tuple[int, VideoFrame]]:
    """(time stamp, frame) of those of these stamps that decode, in the order of showing."""
    wanted, found = set(order), 0
    codec, skipping = stream.codec_context, ""
    # Frames are matched by time stamp, so wherever the seek lands, what is taken is exact or nothing.
    container.seek(order[0], stream=stream, backward=True)
    for packet in container.demux(stream):
        mode = "DEFAULT" if packet.pts in wanted or not packet.size else "NONREF"
        if mode != skipping:
            codec.skip_frame = skipping = mode
        for frame in codec.decode(packet if packet.size else None):
            if frame.pts in wanted:
                found += 1
                yield frame.pts, frame
            del frame  # its memory is the next one's
        if found == len(wanted):
            return


def decode_numbers(container: Any, stream: Any, order: list[int]) -> Iterator[tuple[int, VideoFrame]]:
    """(number, frame) of those of these frames that decode, in the order of showing."""
    wanted = set(order)
    for number, frame in enumerate(decoded(container, stream)):
        if number in wanted:
            yield number, frame
        del frame  # its memory is the next one's
