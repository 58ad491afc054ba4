"""Videos whose frames tell their own number, made with a real encoder."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

BARS = 8


def write_video(path: Path, frames: NDArray[np.uint8], codec: str = "mpeg4", fps: int = 25) -> Path:
    """Encode frames (T, H, W, 3) uint8 RGB with a real encoder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.bit_rate = 4_000_000
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def numbered_frames(count: int, height: int = 48, width: int = 64) -> NDArray[np.uint8]:
    """Frames that show their number in binary: eight vertical bars, white for 1, the lowest bit first."""
    bits = (np.arange(count)[:, None] >> np.arange(BARS)) & 1
    row = np.repeat(bits.astype(np.uint8) * 255, width // BARS, axis=1)
    return np.broadcast_to(row[:, None, :, None], (count, height, width, 3)).copy()


def frame_numbers(frames: list[NDArray[np.uint8]]) -> list[int]:
    """The inverse of `numbered_frames`, after encoding and decoding."""
    bars = [frame.mean(axis=(0, 2)).reshape(BARS, -1).mean(axis=1) > 127 for frame in frames]
    return [int(bar @ (1 << np.arange(BARS))) for bar in bars]
