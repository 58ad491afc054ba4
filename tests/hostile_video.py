"""Video files that claim what they do not hold, hold too much, or are no files, made by editing real ones."""

from __future__ import annotations

import os
import struct
import zlib
from fractions import Fraction
from pathlib import Path

import av
from numbered_video import numbered_frames, write_video

HUGE = 16_000  # the largest square that FFmpeg itself would decode is a little more


def png(width: int, height: int) -> bytes:
    """A real picture in black, one bit a pixel."""
    packer = zlib.compressobj(1)
    rows = b"".join(packer.compress(bytes(width // 8 + 1)) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    packed = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def pictures(path: Path, packets: list[bytes], width: int, height: int) -> Path:
    """A video whose frames are PNG files as they are, whatever the header says of their size."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("png", rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "monob"
        for number, content in enumerate(packets):
            packet = av.Packet(content)
            packet.stream, packet.pts, packet.dts = stream, number, number
            packet.time_base, packet.is_keyframe = Fraction(1, 25), True
            container.mux(packet)
    return path


def _changed(source: Path, target: Path, *changes: tuple[bytes, int, str, tuple[int, ...]]) -> None:
    """Copy a file and write numbers (as struct packs them) so many bytes after the name of a box."""
    content = bytearray(source.read_bytes())
    for box, offset, layout, numbers in changes:
        struct.pack_into(layout, content, content.index(box) + offset, *numbers)
    target.write_bytes(content)


def lying(folder: Path) -> None:
    """Files whose headers are not true."""
    good = write_video(folder / "good.mp4", numbered_frames(25))
    seconds = 36_000
    timescale = struct.unpack_from(">I", good.read_bytes(), good.read_bytes().index(b"mvhd") + 16)[0]
    _changed(good, folder / "ten_hours.mp4", (b"mvhd", 20, ">I", (seconds * timescale,)),
             (b"stts", 16, ">I", (seconds * 500,)))  # fmt: skip
    for name, count in (("million_frames.mp4", 10**6), ("endless_frames.mp4", 170_000_000)):
        _changed(good, folder / name, (b"stts", 12, ">I", (count,)), (b"stsz", 8, ">II", (100, count)),
                 (b"stsc", 16, ">I", (count,)))  # fmt: skip
    _changed(good, folder / "claims_16k.mp4", (b"mp4v", 28, ">HH", (HUGE, HUGE)),
             (b"tkhd", 80, ">II", (HUGE << 16, HUGE << 16)))  # fmt: skip
    small = write_video(folder / "small.avi", numbered_frames(5), "mjpeg")
    _changed(small, folder / "claims_16k.avi", (b"strf", 12, "<II", (HUGE, HUGE)))
    (folder / "playlist.mp4").write_text("ffconcat version 1.0\nfile 'good.mp4'\n")
    (folder / "stream.mp4").write_text("#EXTM3U\n#EXTINF:10,\nhttp://127.0.0.1:9/a.ts\n")
    (folder / "empty.mp4").write_bytes(b"")


def unusual(folder: Path) -> None:
    """Files that are all right, and that a careless reader falls over."""
    write_video(folder / "slideshow.mp4", numbered_frames(12), fps=1)
    with av.open(str(folder / "endless.gif"), "w", options={"loop": "0"}) as container:
        stream = container.add_stream("gif", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "gray"
        for image in numbered_frames(6):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image[..., 0].copy(), format="gray")))
        container.mux(stream.encode(None))
    with av.open(str(folder / "negative.mkv"), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number, image in enumerate(numbered_frames(20)):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = number - 500
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    sizes = ((48, 64), (96, 128), (240, 320))
    parts = [write_video(folder / f"{h}.ts", numbered_frames(8, h, w), "mpeg2video") for h, w in sizes]
    (folder / "changing.ts").write_bytes(b"".join(part.read_bytes() for part in parts))


def huge(folder: Path) -> None:
    """Real frames that are too large, alone and among small ones."""
    large, small = png(HUGE, HUGE), png(64, 48)
    (folder / "picture_16k.mp4").write_bytes(large)
    pictures(folder / "grows.mov", [small, small, large, small], 64, 48)
    pictures(folder / "huge.mov", [large], HUGE, HUGE)


def no_files(folder: Path) -> None:
    """What stands where a file should be (not on Windows)."""
    (folder / "folder.mp4").mkdir()
    os.mkfifo(folder / "pipe.mp4")
    (folder / "device.mp4").symlink_to("/dev/zero")
    (folder / "loop.mp4").symlink_to(folder / "pool.mp4")
    (folder / "pool.mp4").symlink_to(folder / "loop.mp4")
    (folder / "through_a_loop.mp4").symlink_to(folder / "loop.mp4" / "a.mp4")
