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
from pathlib import Path

from toolkit.cli.extractor_flags import add_extractor_flags, read_extractor
from toolkit.cli.flags import Parser

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
    import numpy as np

    from toolkit.errors import ConfigError
    from toolkit.extract import make_extractor
    from toolkit.landmarks import get_layout
    from toolkit.overlay import draw_landmarks, picture_strip
    from toolkit.video import check_part, count_frames, frame_rate, sample_frames

    output = args.output or _free_name(args.clip.stem)
    if output.suffix.lower() not in PICTURES + VIDEOS:
        raise ConfigError(f"--output {output} should end in one of: {', '.join(PICTURES + VIDEOS)}")
    if args.mode != "pose":
        raise ConfigError("only landmarks can be drawn; leave --mode out")
    if args.num_frames < 1:
        raise ConfigError(f"--num_frames is {args.num_frames}; give 1 or more")
    check_part(args.clip, args.frame_start, args.frame_end)
    as_video = output.suffix.lower() in VIDEOS
    wanted = count_frames(args.clip) if as_video else args.num_frames
    spec = read_extractor(args)
    frames = list(sample_frames(args.clip, max(1, wanted), args.frame_start, args.frame_end))
    extractor = make_extractor(spec)
    values, quality = extractor.extract(frames)
    extractor.close()
    layout = get_layout(spec.landmarks)
    drawn = [draw_landmarks(frame, points, layout) for frame, points in zip(frames, values, strict=True)]
    if as_video:
        from toolkit.video_writer import write_video

        even = [frame[: frame.shape[0] // 2 * 2, : frame.shape[1] // 2 * 2] for frame in drawn]
        write_video(output, np.stack(even), round(frame_rate(args.clip)))
    else:
        import cv2

        strip = cv2.cvtColor(picture_strip(drawn), cv2.COLOR_RGB2BGR)
        if output.suffix.lower() != ".png" and max(strip.shape) > LARGEST_JPEG:
            raise ConfigError(
                f"--output {output}: a strip of {strip.shape[1]} x {strip.shape[0]} pixels is too large for "
                f"{output.suffix}; give fewer --num_frames, or a .png or .mp4"
            )
        if not cv2.imwrite(str(output), strip):
            raise ConfigError(f"--output {output} cannot be written; check the folder")
    print(f"wrote {output}: " + ", ".join(f"{name} {value:.2f}" for name, value in quality.items()))
    if args.json:
        rounded = {name: round(float(np.float64(value)), 4) for name, value in quality.items()}
        print(json.dumps({"output": str(output), "frames": len(drawn), "quality": rounded}))
    return 0


def _free_name(stem: str) -> Path:
    """A name of its own for the picture: clips of several people are often called alike."""
    path, number = Path(f"{stem}-skeleton.jpg"), 1
    while path.exists():
        number += 1
        path = Path(f"{stem}-skeleton-{number}.jpg")
    return path
