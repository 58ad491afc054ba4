"""Say which signs somebody makes in front of the camera, while they are made. Needs no torch.

A window shows the picture with the skeleton, the three likeliest glosses in bars, and how far behind the picture
is; q or Escape ends it. --headless prints a line per sign instead. A sign begins when hands come up and is over when
they rest; an answer below the model's threshold is "I don't know". A PC that is too slow for every picture leaves
some out and stays in the present.

examples:
  toolkit live model.onnx
  toolkit live model.onnx --source 1
  toolkit live model.onnx --source clip.mp4 --headless

--json prints, as the last line, {"signs": [{"gloss", "score", "top", "start_s", "end_s"}], "frames", "dropped",
"fps", "latency_ms"} (the median); gloss is null for "I don't know".
exit status: 0 all right; 2 no camera, no display, wrong flags or model; 130 stopped with Ctrl-C.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.cli.flags import Parser

if TYPE_CHECKING:
    from toolkit.live.frames import LiveFrame, LiveSource
    from toolkit.live.loop import Tell, Watched
    from toolkit.recognizer import Recognizer
    from toolkit.stream import Seen, SignEvent

SUMMARY = "recognise signs in front of the camera, or in a file as it runs"
TOP = 3


def add_flags(parser: Parser) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL", help="an .onnx file written by toolkit export")
    parser.flag("source", default="0", metavar="0|FILE", help="a camera's number or a video (default: 0)")
    parser.flag("headless", action="store_true", help="no window: print a line per sign")
    parser.flag("every_frame", action="store_true", help="of a file, leave no frame out and do not wait")
    parser.flag("threshold", type=float, metavar="SCORE",
                help="score that an answer needs, 0 to 1 (default: the model's own)")  # fmt: skip
    parser.flag("max_seconds", type=float, metavar="S", help="stop after so many seconds of the input")
    parser.flag("threads", type=int, default=1, metavar="N", help="threads for the networks (default: 1)")
    parser.flag("weights_dir", type=Path, metavar="DIR", help="take the networks from this folder")
    parser.flag(
        "model_asset",
        type=Path,
        metavar="FILE",
        help="the network file of the extractor, if it was trained with one",
    )
    parser.flag(
        "override",
        action="store_true",
        help="accept an extractor that is not exactly the one the model was trained on",
    )
    parser.json_flag()


def run(args: argparse.Namespace) -> int:
    from contextlib import ExitStack

    from toolkit.errors import ConfigError
    from toolkit.live.frames import LiveSource
    from toolkit.live.loop import Watched, watch
    from toolkit.recognizer import Recognizer

    if args.every_frame and args.source.isdecimal():
        raise ConfigError("--every_frame is for files: a camera does not wait. Leave it out")
    watched = Watched()
    with ExitStack() as opened:
        recognizer = opened.enter_context(
            Recognizer.load(
                args.model,
                args.threads,
                model_asset=args.model_asset,
                override=args.override,
                weights_dir=args.weights_dir,
            )
        )
        stream = recognizer.new_stream(TOP, args.threshold)
        recognizer.warm_up()  # before the first picture, which would be old by then
        if args.headless:
            source = opened.enter_context(LiveSource(args.source, args.every_frame))
            tell = _in_lines()
        else:
            from toolkit.live.window import Window

            window = opened.enter_context(Window("toolkit live"))
            source = opened.enter_context(LiveSource(args.source, args.every_frame))
            tell = _in_window(window, recognizer, stream.threshold, source, watched)
        limited = _limited(tell, args.max_seconds)
        try:
            watch(recognizer, source, stream, watched, limited)
        except KeyboardInterrupt:
            if not source.is_camera:
                raise
        _report(watched, source.dropped, args.json)
    return 0


def _in_lines() -> Tell:
    def tell(_: LiveFrame, __: Seen, event: SignEvent | None, ___: bool) -> bool:
        if event is not None and event.final:
            others = ", ".join(f"{gloss} {score:.2f}" for gloss, score in event.top)
            print(
                f"{event.start_s:6.1f} s  {event.gloss or '(unknown)'}  {event.score:.2f}  [{others}]",
                flush=True,
            )
        return True

    return tell


def _in_window(
    window: Any, recognizer: Recognizer, threshold: float, source: LiveSource, watched: Watched
) -> Tell:
    from toolkit.landmarks import get_layout
    from toolkit.live.panel import Panel, Status

    metadata = recognizer.metadata
    layout = get_layout(metadata.layout) if metadata.mode == "pose" else None
    panel = Panel(layout, threshold, mirror=source.is_camera)

    def tell(frame: LiveFrame, seen: Seen, event: SignEvent | None, signing: bool) -> bool:
        if event is not None:
            panel.tell(event)
        status = Status(signing, watched.fps, watched.latencies_ms[-1], source.dropped)
        shown = panel.draw(frame.image, seen.values if layout else None, status)
        going_on: bool = window.show(shown)
        return going_on

    return tell


def _limited(tell: Tell, seconds: float | None) -> Tell:
    return lambda frame, seen, event, signing: (
        tell(frame, seen, event, signing) and (seconds is None or frame.moment_s < seconds)
    )


def _report(watched: Watched, dropped: int, as_json: bool) -> None:
    import json
    from statistics import median

    latency = median(watched.latencies_ms) if watched.latencies_ms else 0.0
    print(
        f"{watched.frames} pictures, {dropped} dropped, {watched.mean_fps:.1f} per second, "
        f"{latency:.0f} ms behind (median)",
        file=sys.stderr,
    )
    if as_json:
        signs = [
            {
                "gloss": sign.gloss,
                "score": sign.score,
                "top": sign.top,
                "start_s": sign.start_s,
                "end_s": sign.end_s,
            }
            for sign in watched.signs
        ]
        facts = {"frames": watched.frames, "dropped": dropped, "fps": round(watched.mean_fps, 2)}
        print(json.dumps({"signs": signs} | facts | {"latency_ms": round(latency, 2)}, ensure_ascii=False))
