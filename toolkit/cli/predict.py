"""Say which signs video clips show, with a model that `toolkit export` wrote. Needs no torch.

Sources are video files, folders (all video files in them, subfolders included), and .npy files with landmarks
or features of one clip, (T, *item_shape) float32. A source that cannot be read is reported, and the others go
on.

examples:
  toolkit predict model.onnx clip.mp4
  toolkit predict model.onnx recordings/ --top 3
  toolkit predict model.onnx clip.mp4 --json

--json prints as the last line {"source", "gloss", "score", "top": [[gloss, score], ...]} for one file, and
{"predictions": [such objects], "failed": {source: reason}} for several sources or a folder. A single file
that cannot be read gives {"source", "error"}.
exit status: 0 all recognised; 1 some sources could not be read; 2 wrong flags or model.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.cli.flags import Parser

if TYPE_CHECKING:
    from toolkit.recognizer import Prediction

SUMMARY = "recognise the sign in video clips with an exported model"
ARRAY_SUFFIX = ".npy"
WIDEST = 1000  # columns of a table that is not shown on a terminal


def add_flags(parser: Parser) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL", help="an .onnx file written by toolkit export")
    parser.add_argument(
        "sources", type=Path, nargs="+", metavar="SOURCE", help="a video, a folder of videos, or an .npy file"
    )
    parser.flag("top", type=int, default=5, help="how many glosses to give for each source (default: 5)")
    parser.flag("threads", type=int, default=1, help="threads for the networks (default: 1)")
    parser.flag("frame_start", type=int, default=1, help="first frame of the videos to look at (default: 1)")
    parser.flag("frame_end", type=int, default=-1, help="last frame to look at (default: -1, the end)")
    parser.flag(
        "backend", help="another extractor backend than the model was trained with (needs --override)"
    )
    parser.flag(
        "model_asset", type=Path, help="the network file of the extractor, if it was trained with one"
    )
    parser.flag(
        "override",
        action="store_true",
        help="accept an extractor that is not exactly the one the model was trained on",
    )
    parser.json_flag()


def run(args: argparse.Namespace) -> int:
    import json

    from toolkit.errors import ConfigError, InputError, VideoReadError
    from toolkit.recognizer import Recognizer

    if args.top < 1 or args.threads < 1:
        raise ConfigError(f"--top is {args.top} and --threads is {args.threads}; give numbers from 1")
    files = _expand(args.sources)
    predictions: dict[Path, Prediction] = {}
    failed: dict[Path, str] = {}
    with Recognizer.load(
        args.model, args.threads, args.backend, args.model_asset, args.override
    ) as recognizer:
        for number, file in enumerate(files, start=1):
            try:
                if file.suffix.lower() == ARRAY_SUFFIX:
                    predictions[file] = recognizer.predict(_read_array(file), args.top)
                else:
                    predictions[file] = recognizer.predict(file, args.top, args.frame_start, args.frame_end)
            except (VideoReadError, InputError) as error:
                failed[file] = str(error)
                print(f"toolkit predict: {error}", file=sys.stderr)
            if number % 25 == 0 and number < len(files):
                print(f"{number} of {len(files)} done", file=sys.stderr)
    _print_table(predictions)
    if failed:
        print(f"{len(failed)} of {len(files)} sources could not be read.", file=sys.stderr)
    if args.json:
        single = len(args.sources) == 1 and not args.sources[0].is_dir()
        print(json.dumps(_report(predictions, failed, single), ensure_ascii=False))
    return 1 if failed else 0


def _expand(sources: list[Path]) -> list[Path]:
    """Files in the order given, folders replaced by their videos in the order of their names, each once."""
    from toolkit.clips import VIDEO_SUFFIXES
    from toolkit.errors import ConfigError

    files: dict[Path, None] = {}
    for source in sources:
        if source.is_dir():
            inside = [file for file in sorted(source.rglob("*")) if file.suffix.lower() in VIDEO_SUFFIXES]
            if not inside:
                raise ConfigError(f"the folder {source} holds no videos ({', '.join(VIDEO_SUFFIXES)})")
            files.update(dict.fromkeys(file for file in inside if file.is_file()))
        elif source.exists():
            files[source] = None
        else:
            raise ConfigError(f"there is no file {source}; give a video, a folder of videos or an .npy file")
    return list(files)


def _read_array(file: Path) -> Any:
    import numpy as np

    from toolkit.errors import InputError

    try:
        return np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(
            f"{file} is no readable array of numbers; write it with numpy.save, as float32"
        ) from error


def _print_table(predictions: dict[Path, Prediction]) -> None:
    if not predictions:
        return
    try:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text
    except ImportError:  # in a bundle (export/bundle.py), which does without
        for source, prediction in predictions.items():
            answers = ", ".join(f"{gloss} {score:.2f}" for gloss, score in prediction.top)
            print(f"{source}: {answers}")
        return
    table = Table()
    for heading in ("source", "gloss", "score", "next best"):
        table.add_column(heading, justify="right" if heading == "score" else "left", overflow="fold")
    for source, prediction in predictions.items():
        others = ", ".join(f"{gloss} {score:.2f}" for gloss, score in prediction.top[1:])
        table.add_row(Text(str(source)), Text(prediction.gloss), f"{prediction.score:.2f}", Text(others))
    console = Console()
    if not console.is_terminal:  # no width to keep to, and a file name cut into lines helps nobody
        console.width = max(
            console.width, console.measure(table, options=console.options.update(width=WIDEST)).maximum
        )
    console.print(table)


def _report(predictions: dict[Path, Prediction], failed: dict[Path, str], single: bool) -> dict[str, Any]:
    objects: list[dict[str, Any]] = [
        {"source": str(source), "gloss": found.gloss, "score": found.score, "top": found.top}
        for source, found in predictions.items()
    ]
    if not single:
        return {"predictions": objects, "failed": {str(source): reason for source, reason in failed.items()}}
    return (
        objects[0] if objects else {"source": str(next(iter(failed))), "error": next(iter(failed.values()))}
    )
