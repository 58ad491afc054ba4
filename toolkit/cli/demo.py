"""See the whole pipeline work in about two minutes, with nothing but this package.

Draws a small data set of a synthetic signer (8 signs, 7 signers, 112 videos) in the format of WLASL, then runs
the commands you would run on real data: extract, train, evaluate, export, predict, bench. Two of the signers are
kept out of training, and all their videos are recognised at the end. All files stay in the demo's folder for you
to look at; index.html shows everything on one page. Nothing is downloaded. Run again, it makes its own files anew
and leaves others in the folder alone.

examples:
  toolkit demo
  toolkit demo --output_dir my_demo --seed 1 --no_bench

--json prints as the last line {"folder", "page", "seconds": {stage: seconds}, "results": {stage: what its command
printed}}.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.cli.flags import Parser

if TYPE_CHECKING:
    from toolkit.demo.tour import Tour

SUMMARY = "the whole pipeline on a drawn signer, in about two minutes"
WHEN_STOPPED = "Run it again to start from the beginning."
MARKER = "made-by-toolkit-demo.txt"


def add_flags(parser: Parser) -> None:
    parser.flag("output_dir", type=Path, default=Path("demo"), metavar="DIR",
                help="where everything is written (default: demo)")  # fmt: skip
    parser.flag(
        "seed", type=int, default=0, metavar="N", help="of the drawn signers and the training (default: 0)"
    )
    parser.flag("no_bench", action="store_true", help="leave out the comparison of pose, features and video")
    parser.json_flag()


def run(args: argparse.Namespace) -> int:
    from toolkit.cli.console import plain_console
    from toolkit.cli.progress import Steps
    from toolkit.demo.tour import run_tour

    folder: Path = args.output_dir
    _begin(folder)
    console = plain_console()
    tour = run_tour(
        folder,
        lambda line: console.print(f"\n{line}", style="bold", soft_wrap=True),
        Steps,
        args.seed,
        with_bench=not args.no_bench,
    )
    _print_summary(tour)
    if args.json:
        seconds = {stage: round(value, 1) for stage, value in tour.seconds.items()}
        print(
            json.dumps(
                {"folder": str(folder), "page": str(tour.page), "seconds": seconds, "results": tour.results}
            )
        )
    return 0


def _begin(folder: Path) -> None:
    """A folder to work in: what an earlier demo made in it goes, whatever else lies there stays."""
    from toolkit.demo.tour import MADE
    from toolkit.errors import ConfigError

    if folder.exists() and any(folder.iterdir()) and not (folder / MARKER).exists():
        raise ConfigError(f"{folder} is not empty and not a demo's; give another --output_dir")
    for name in MADE:
        if (folder / name).is_dir():
            shutil.rmtree(folder / name)
        else:
            (folder / name).unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).write_text(
        f"Made by toolkit demo, all of it synthetic: {', '.join(MADE)}. The demo, run again, makes these anew and "
        "leaves everything else in this folder alone.\n",
        encoding="utf-8",
    )


def _print_summary(tour: Tour) -> None:
    from rich.table import Table

    from toolkit.cli.console import plain_console
    from toolkit.demo.next_steps import next_steps

    console = plain_console()
    table = Table(title="the demo in short", title_justify="left")
    for column in ("stage", "seconds", "result"):
        table.add_column(column, justify="right" if column == "seconds" else "left")
    results = tour.results
    said = {
        "draw": "videos of synthetic signers",
        "extract": f"{results['extract']['done']} clips to landmarks",
        "train": f"{results['train']['parameters']:,} parameters, peak memory "
        f"{results['train']['peak_rss_mib']:.0f} MiB",
        "evaluate": f"signers never seen before: top-1 {results['evaluate']['top1']:.0%} "
        f"of {results['evaluate']['n']} clips (synthetic)",
        "export": f"{tour.folder / 'model.onnx'}",
        "predict": "the videos of those signers, by onnxruntime alone",
        "bench": f"{tour.folder / 'results'}: pose, features and video compared",
    }
    for stage, seconds in tour.seconds.items():
        table.add_row(stage, f"{seconds:.0f}", said[stage])
    console.print()
    console.print(table)
    console.print(f"\nLook at it all on one page: {tour.page}", soft_wrap=True)
    console.print(f"\nNext, your own videos, a folder per sign:\n\n{next_steps()}", soft_wrap=True)
