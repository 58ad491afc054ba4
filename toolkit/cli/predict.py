"""Say which signs video clips show, with a model that `toolkit export` wrote. Needs no torch.

Sources are video files, folders (all video files in them, subfolders included), and .npy files with landmarks
or features of one clip, (T, *item_shape) float32. A source that cannot be read is reported, and the others go
on.

A model knows its own signs only and answers with the likeliest of them, whatever it is shown. An answer that scores
below its threshold (chosen on validation clips; 0.5 where there were none) is marked with "?": do not rely on it.
A sign that it never learnt can score high all the same.

examples:
  toolkit predict model.onnx clip.mp4
  toolkit predict model.onnx recordings/ --top 3
  toolkit predict model.onnx clip.mp4 --json
  toolkit predict model.onnx recordings/ --csv > answers.csv

--json prints as the last line {"source", "gloss", "score", "sure", "top": [[gloss, score], ...]} for one file, and
{"predictions": [such objects], "failed": {source: reason}} for several sources or a folder. A single file
that cannot be read gives {"source", "error"}. --csv prints source, gloss, score, gloss2, score2, ... and error.
--timing adds load_ms (the extractor's networks, for the first video), decode_ms, extract_ms (poses or features)
and model_ms, by the clock; in --json as "timing".
exit status: 0 all recognised; 1 some sources could not be read; 2 wrong flags or model.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from toolkit.cli.flags import Parser

if TYPE_CHECKING:
    from toolkit.recognizer import Prediction, Recognizer

SUMMARY = "recognise the sign in video clips with an exported model"
ARRAY_SUFFIX = ".npy"
TIMES = ("load_ms", "decode_ms", "extract_ms", "model_ms")


def add_flags(parser: Parser) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL", help="an .onnx file written by toolkit export")
    parser.add_argument(
        "sources", type=Path, nargs="+", metavar="SOURCE", help="a video, a folder of videos, or an .npy file"
    )
    parser.flag("top", type=int, default=5, metavar="N", help="glosses to give for each source (default: 5)")
    parser.flag("threads", type=int, default=1, metavar="N", help="threads for the networks (default: 1)")
    parser.flag("frame_start", type=int, default=1, metavar="N", help="first frame to look at (default: 1)")
    parser.flag("frame_end", type=int, default=-1, metavar="N", help="last frame (default: -1, the end)")
    parser.flag(
        "backend",
        metavar="NAME",
        help="another extractor backend than the model was trained with (needs --override)",
    )
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
    parser.flag(
        "weights_dir", type=Path, metavar="DIR", help="take the pose or CNN networks from this folder"
    )
    parser.flag("timing", action="store_true", help="also say what loading, decoding, ... took, in ms")
    parser.flag("csv", action="store_true", help="print comma-separated values instead of a table")
    parser.json_flag()


def run(args: argparse.Namespace) -> int:
    import json

    from toolkit.clips import is_frame_range
    from toolkit.errors import ConfigError, InputError, VideoReadError
    from toolkit.process_memory import return_large_blocks
    from toolkit.recognizer import Recognizer

    if args.csv and args.json:
        raise ConfigError("--csv and --json are both given; choose one of them")
    if not is_frame_range(args.frame_start, args.frame_end):
        raise ConfigError(
            f"frames {args.frame_start} to {args.frame_end} are no part of a clip; give --frame_start from 1 and "
            "--frame_end from there, or -1 for the end"
        )
    if args.top < 1:
        raise ConfigError(f"--top is {args.top}; give 1 or more")
    if args.model.suffix != ".onnx" and (models := [one for one in args.sources if one.suffix == ".onnx"]):
        raise ConfigError(f"the model comes first: toolkit predict {models[0]} {args.model}")
    return_large_blocks()
    files = _expand(args.sources)
    predictions: dict[Path, Prediction] = {}
    failed: dict[Path, str] = {}
    timings: dict[Path, dict[str, float]] = {}
    load_ms: float | None = None  # not loaded yet
    with Recognizer.load(
        args.model, args.threads, args.backend, args.model_asset, args.override, args.weights_dir
    ) as recognizer:
        for number, file in enumerate(files, start=1):
            try:
                if file.suffix.lower() == ARRAY_SUFFIX:
                    predictions[file] = recognizer.predict(
                        _read_array(file), args.top, args.frame_start, args.frame_end
                    )
                else:
                    load_ms = _loaded(recognizer) if load_ms is None else 0.0
                    from toolkit.video import check_part  # loaded just now, and timed

                    check_part(file, args.frame_start, args.frame_end)
                    predictions[file] = recognizer.predict(file, args.top, args.frame_start, args.frame_end)
                if args.timing:
                    timings[file] = recognizer.timing | {"load_ms": load_ms or 0.0}
            except (VideoReadError, InputError) as error:
                failed[file] = str(error)
                print(f"toolkit predict: {error}", file=sys.stderr)
            if number % 25 == 0 and number < len(files):
                print(f"{number} of {len(files)} done", file=sys.stderr)
    if args.csv:
        _print_csv(predictions, failed, timings)
    else:
        _print_table(predictions, timings, recognizer.threshold)
    if failed:
        print(f"{len(failed)} of {len(files)} sources could not be read.", file=sys.stderr)
    if args.json:
        single = len(args.sources) == 1 and not args.sources[0].is_dir()
        print(
            json.dumps(
                _report(predictions, failed, timings, recognizer.threshold, single), ensure_ascii=False
            )
        )
    return 1 if failed else 0


def _loaded(recognizer: Recognizer) -> float:
    """Load what reads videos, now; how long that took, in ms."""
    import importlib

    from toolkit.process_memory import forget_start

    began = perf_counter()
    importlib.import_module("toolkit.video")
    forget_start()  # what onnxruntime and the decoders started with, before the networks need room
    recognizer.warm_up(after_first_frame=forget_start)  # decoder and networks start with their first frame
    forget_start()
    return 1000 * (perf_counter() - began)


def _expand(sources: list[Path]) -> list[Path]:
    """Files in the order given, folders replaced by their videos in the order of their names, each once."""
    from toolkit.clips import HIDDEN, VIDEO_SUFFIXES
    from toolkit.errors import ConfigError

    files: dict[Path, None] = {}
    for source in sources:
        if source.is_dir():
            inside = [
                file
                for file in sorted(source.rglob("*"))
                if file.suffix.lower() in VIDEO_SUFFIXES and not file.name.startswith(HIDDEN)
            ]
            if not inside:
                raise ConfigError(f"the folder {source} holds no videos ({', '.join(VIDEO_SUFFIXES)})")
            files.update(dict.fromkeys(file for file in inside if file.is_file()))
        elif (
            source.exists() or len(sources) > 1
        ):  # of several, one that is missing is reported like a broken one
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


def _print_table(
    predictions: dict[Path, Prediction], timings: dict[Path, dict[str, float]], threshold: float
) -> None:
    from toolkit.cli.plain_table import table_lines

    if not predictions:
        return
    times = [name for name in TIMES if timings]
    headings = ["source", "gloss", "score", *(name.replace("_", " ") for name in times), "next best"]
    rows = []
    for source, prediction in predictions.items():
        others = ", ".join(f"{gloss} {score:.2f}" for gloss, score in prediction.top[1:])
        spent = [f"{timings[source][name]:.1f}" for name in times]
        mark = "" if prediction.score >= threshold else " ?"
        rows.append([str(source), prediction.gloss + mark, f"{prediction.score:.2f}", *spent, others])
    print(*table_lines(headings, rows, frozenset(headings[2:-1])), sep="\n")
    unsure = sum(prediction.score < threshold for prediction in predictions.values())
    if unsure:
        print(
            f"{unsure} of {len(predictions)} answers score below the model's threshold of {threshold:.2f} and are "
            "marked with ?: it may be any sign, or none",
            file=sys.stderr,
        )


def _print_csv(
    predictions: dict[Path, Prediction], failed: dict[Path, str], timings: dict[Path, dict[str, float]]
) -> None:
    import csv

    writer = csv.writer(sys.stdout, lineterminator="\n")
    times = [name for name in TIMES if timings]
    most = max((len(prediction.top) for prediction in predictions.values()), default=1)
    places = [f"{what}{place}" for place in range(2, most + 1) for what in ("gloss", "score")]
    writer.writerow(["source", "gloss", "score", *places, *times, "error"])
    for source, prediction in predictions.items():
        answers = [cell for gloss, score in prediction.top for cell in (gloss, f"{score:.6f}")]
        spent = [f"{timings[source][name]:.2f}" for name in times]
        writer.writerow([source, *answers, *spent, ""])
    for source, reason in failed.items():
        writer.writerow([source, *[""] * (2 * most + len(times)), reason])


def _report(
    predictions: dict[Path, Prediction],
    failed: dict[Path, str],
    timings: dict[Path, dict[str, float]],
    threshold: float,
    single: bool,
) -> dict[str, Any]:
    objects: list[dict[str, Any]] = [
        {
            "source": str(source),
            "gloss": found.gloss,
            "score": found.score,
            "sure": found.score >= threshold,
            "top": found.top,
        }
        | ({"timing": {name: round(spent, 3) for name, spent in timings[source].items()}} if timings else {})
        for source, found in predictions.items()
    ]
    if not single:
        return {"predictions": objects, "failed": {str(source): reason for source, reason in failed.items()}}
    return (
        objects[0] if objects else {"source": str(next(iter(failed))), "error": next(iter(failed.values()))}
    )
