"""Look at what was found: draw the skeleton onto a clip, as a strip of pictures or as a video.

examples:
  toolkit show clip.mp4                                      writes clip-skeleton.jpg
  toolkit show clip.mp4 --landmarks body_hands --output look.png --num_frames 24
  toolkit show clip.mp4 --output look.mp4                    every frame, as a video

--json prints as the last line {"output", "frames", "quality"}: detection_rate and the other fractions that
extraction keeps with every clip.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.cli.extractor_flags import add_extractor_flags, read_extractor
from toolkit.cli.flags import Parser

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from toolkit.landmarks import Layout

SUMMARY = "draw the skeleton onto a clip, to look at"
LARGEST_JPEG = 65_500  # pixels a side
PICTURES, VIDEOS = (".jpg", ".jpeg", ".png"), (".mp4",)


def add_flags(parser: Parser) -> None:
    parser.add_argument("clip", type=Path, metavar="CLIP", help="a video file")
    parser.flag(
        "output", type=Path, metavar="FILE", help=".jpg or .png: a strip; .mp4: a video (default: a .jpg)"
    )
    parser.flag("num_frames", type=int, default=16, metavar="N", help="frames in the strip (default: 16)")
    parser.flag("frame_start", type=int, default=1, metavar="N", help="first frame to look at (default: 1)")
    parser.flag("frame_end", type=int, default=-1, metavar="N", help="last frame (default: -1, the end)")
    add_extractor_flags(parser)
    parser.json_flag()


def run(args: argparse.Namespace) -> int:
    from toolkit.errors import ConfigError
    from toolkit.extract import make_extractor
    from toolkit.landmarks import get_layout
    from toolkit.video import check_part, sample_frames

    output = args.output or _free_name(args.clip.stem)
    if output.suffix.lower() not in PICTURES + VIDEOS:
        raise ConfigError(f"--output {output} should end in one of: {', '.join(PICTURES + VIDEOS)}")
    if not output.parent.is_dir():
        raise ConfigError(f"--output {output}: there is no folder {output.parent}; create it first")
    if args.mode != "pose":
        raise ConfigError("only landmarks can be drawn; leave --mode out")
    if args.num_frames < 1:
        raise ConfigError(f"--num_frames is {args.num_frames}; give 1 or more")
    check_part(args.clip, args.frame_start, args.frame_end)
    spec = read_extractor(args)
    layout, extractor = get_layout(spec.landmarks), make_extractor(spec)
    if output.suffix.lower() in VIDEOS:
        values, quality = extractor.extract(_every_frame(args))
        _write_video(output, args, values, layout)
    else:
        frames = list(sample_frames(args.clip, args.num_frames, args.frame_start, args.frame_end))
        values, quality = extractor.extract(frames)
        _write_strip(output, frames, values, layout)
    extractor.close()
    print(f"wrote {output}: " + ", ".join(f"{name} {value:.2f}" for name, value in quality.items()))
    if args.json:
        rounded = {name: round(float(value), 4) for name, value in quality.items()}
        print(json.dumps({"output": str(output), "frames": len(values), "quality": rounded}))
    return 0


def _every_frame(args: argparse.Namespace) -> Iterator[NDArray[np.uint8]]:
    """The frames of the part that is asked for, all of the size of the first one of them."""
    import cv2

    from toolkit.video import timed_frames

    size = None
    stop = None if args.frame_end == -1 else args.frame_end
    for _, image_of in islice(timed_frames(args.clip), args.frame_start - 1, stop):
        image = image_of()
        size = size or image.shape
        if image.shape != size:  # some recordings change their size on the way
            image = cv2.resize(image, (size[1], size[0])).astype("uint8")
        yield image


def _write_video(output: Path, args: argparse.Namespace, values: NDArray[np.float32], layout: Layout) -> None:
    """Decodes the clip once more: all frames at once can take more memory than there is."""
    from toolkit.overlay import draw_landmarks
    from toolkit.video import frame_rate
    from toolkit.video_writer import write_video

    def even(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return frame[: frame.shape[0] // 2 * 2, : frame.shape[1] // 2 * 2]

    drawn = (
        even(draw_landmarks(frame, points, layout))
        for frame, points in zip(_every_frame(args), values, strict=True)
    )
    write_video(output, drawn, round(frame_rate(args.clip)))


def _write_strip(
    output: Path, frames: list[NDArray[np.uint8]], values: NDArray[np.float32], layout: Layout
) -> None:
    import cv2

    from toolkit.errors import ConfigError
    from toolkit.overlay import draw_landmarks, picture_strip

    drawn = [draw_landmarks(frame, points, layout) for frame, points in zip(frames, values, strict=True)]
    strip = cv2.cvtColor(picture_strip(drawn), cv2.COLOR_RGB2BGR)
    if output.suffix.lower() != ".png" and max(strip.shape) > LARGEST_JPEG:
        raise ConfigError(
            f"--output {output}: a strip of {strip.shape[1]} x {strip.shape[0]} pixels is too large for "
            f"{output.suffix}; give fewer --num_frames, or a .png or .mp4"
        )
    if not cv2.imwrite(str(output), strip):
        raise ConfigError(f"--output {output} cannot be written; check the folder")


def _free_name(stem: str) -> Path:
    """A name of its own for the picture: clips of several people are often called alike."""
    path, number = Path(f"{stem}-skeleton.jpg"), 1
    while path.exists():
        number += 1
        path = Path(f"{stem}-skeleton-{number}.jpg")
    return path
