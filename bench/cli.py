"""Measure what poses, features and videos cost on this machine and on your own clips: memory, disk, speed, each
beside the figure that the guide gives for it.

commands:
  bench run       measure; every row in a fresh process, so nothing is shared and peaks are true
  bench report    draw tables, Markdown, picture and the HTML page again from a results.json
  bench scale     how the cost grows with the work, and what all of WLASL would take
  bench compare   what got worse from one results.json to another

examples:
  bench run --json_path dataset/WLASL_v0.3.json --video_dir dataset/videos --quick
  bench run --index my_recordings/ --modes pose,video --output_dir results
  bench report results/results.json
  bench compare before/results.json after/results.json --tolerance 20%

bench COMMAND --help explains one command; docs/benchmarks.md explains every column.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.plan import MODES
from bench.scale_command import SCALE_HELP, add_scale_flags, run_scale
from toolkit.cli.flags import Parser, nearest
from toolkit.cli.main import run_guarded

if TYPE_CHECKING:
    from rich.console import Console

RUN_HELP = """Measure extraction, memory, training, export and inference in the three modes on your own clips.

Writes results.json (everything), results.html (one page with plots, opens offline), results.md and results.png,
and prints the tables. A row that cannot run here
(a package is missing, memory runs out) is reported as failed with its reason; the others go on.

examples:
  bench run --json_path dataset/WLASL_v0.3.json --video_dir dataset/videos \\
      --class_list dataset/wlasl_class_list.txt --split train
  bench run --quick                                          (a minute or two, on clips that it draws itself)
  bench run --json_path dataset/WLASL_v0.3.json --video_dir dataset/videos --quick     (on a few of your clips)
  bench run --store dataset/poses                            (what is stored already: all rows but extraction)
  bench run --index my_recordings/ --modes pose,features                               (a folder per gloss)
  bench run --index my_recordings/ --profile low-end              (as on a PC with one core and 1 GB to spare)

exit status: 0 all rows measured; 1 done, but some rows failed (listed); 2 something to put right
"""

REPORT_HELP = """Draw the tables, the Markdown page, the picture and the HTML page again from a results.json.

example:
  bench report results/results.json --output_dir page
"""

COMPARE_HELP = """Compare two results of the same machine and clips: each ratio of the first beside the second's.

A ratio (CPU time, wall time, memory, cold start; of a row to the one a user would otherwise pick, and to plain
arithmetic on this machine) is worse when it rose by more than the tolerance and the repetitions do not overlap.

example:
  bench compare before/results.json after/results.json --tolerance 20%

exit status: 0 nothing got worse; 1 a ratio did, or a row is no longer measured; 2 the two cannot be compared
"""


WIDTH_VARIABLE = "SIGN_TOOLKIT_COLUMNS"
"""Environment variable: how wide tables are that do not go to a terminal, but will be shown on one."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line (default: this process's own) and return its exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ("-h", "--help", "help"):
        print(f"usage: bench COMMAND [flags]\n\n{__doc__}")
        return 0
    if words[0] not in COMMANDS:
        print(f"bench: there is no command '{words[0]}'.{nearest(words[0], list(COMMANDS))}", file=sys.stderr)
        print("Try: bench --help", file=sys.stderr)
        return 2
    text, add_flags, run = COMMANDS[words[0]]
    parser = Parser(prog=f"bench {words[0]}", description=text)
    add_flags(parser)
    args, unknown = parser.parse_known_args(words[1:])
    if unknown:
        parser.error(
            f"unknown argument {unknown[0]}.{nearest(unknown[0].split('=')[0], parser.known_flags())}"
        )
    return run_guarded(lambda: run(args), f"bench {words[0]}")


def add_run_flags(parser: Parser) -> None:
    from toolkit.cli.dataset_flags import add_dataset_flags

    add_dataset_flags(parser)
    parser.flag("store", type=Path, metavar="DIR", help="a finished store to train on, instead of videos")
    parser.flag(
        "modes", default=",".join(MODES), metavar="A,B", help=f"what is measured (default: {','.join(MODES)})"
    )
    parser.flag("quick", action="store_true", help="about a minute: few clips, no export and inference rows")
    parser.flag(
        "output_dir",
        type=Path,
        default=Path("results"),
        metavar="DIR",
        help="for the files (default: results)",
    )
    parser.flag("num_frames", type=int, default=16, metavar="N", help="frames per clip (default: 16)")
    parser.flag("batch_size", type=int, default=4, metavar="N", help="clips per training step (default: 4)")
    parser.flag("clips", type=int, metavar="N", help="how many clips, spread over the data set (default: 48)")
    parser.flag("repeats", type=int, metavar="N", help="fresh processes per row (default: 3)")
    parser.flag(
        "profile", default="", metavar="NAME", help="low-end: every row on one core, with 1 GB of memory"
    )
    parser.flag("memory_mb", type=int, default=0, metavar="N", help="cap each row's memory (default: no cap)")
    parser.flag("model_asset", type=Path, metavar="FILE", help="of the mediapipe row: your own .task")
    parser.json_flag()


def run_rows(args: argparse.Namespace) -> int:
    from bench import environment
    from bench.collect import collect
    from bench.demo_clips import clips_or_demo
    from bench.plan import Options
    from bench.report import print_tables, write_files
    from bench.results import FILE_NAME, beside_earlier
    from bench.run import Measured, measure_rows, usable_clips
    from toolkit.cli.progress import Steps
    from toolkit.errors import ConfigError, require

    for module in ("psutil", "matplotlib"):
        require(module, "bench")
    given = {name: getattr(args, name) for name in ("clips", "repeats") if getattr(args, name) is not None}
    given |= {"num_frames": args.num_frames, "batch_size": args.batch_size}
    given |= {"modes": tuple(mode for mode in MODES if mode in _words(args.modes)) + _unknown(args.modes)}
    given |= {"model_asset": str(args.model_asset or "")}
    given |= {"profile": args.profile, "memory_mb": args.memory_mb}
    given |= _sizes_of_store(args)
    options = Options.quick_ones(**given) if args.quick else Options(**given)
    machine, measured, stopped = environment.describe(), list[Measured](), False
    with clips_or_demo(args) as (index, notes):
        try:
            args.output_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"--output_dir {args.output_dir} cannot be made: {error.strerror}") from error
        clips, left_out = (index.clips, []) if args.store else usable_clips(index.clips, options.clips)
        notes = [*notes, *left_out]
        try:
            with Steps("measuring rows") as steps:
                measure_rows(options, () if args.store else clips, measured, steps)
        except KeyboardInterrupt:
            stopped = True
            notes.append("stopped with Ctrl-C: rows that were not reached are not listed")
    results = collect(options, clips, measured, machine, notes)
    folder = beside_earlier(args.output_dir) if stopped else args.output_dir
    path = folder / FILE_NAME
    results.save(path)
    files = write_files(results, folder)
    print_tables(results, _console())
    print(f"written: {', '.join(map(str, [path, *files]))}", file=sys.stderr)
    if args.json:
        print(json.dumps({"results": str(path)}))
    return 130 if stopped else int(any(row.status != "ok" for row in results.rows))


def _sizes_of_store(args: argparse.Namespace) -> dict[str, Any]:
    """The options that a finished store settles."""
    if args.store is None:
        return {}
    from toolkit.store import FeatureStore

    spec = FeatureStore.open(args.store).spec
    return {"store": str(args.store.resolve()), "modes": (spec.mode,), "num_frames": spec.num_frames}


def add_report_flags(parser: Parser) -> None:
    parser.add_argument("results", type=Path, metavar="RESULTS.json", help="a results.json of bench run")
    parser.flag(
        "output_dir", type=Path, metavar="DIR", help="for the files (default: beside the results.json)"
    )


def redraw(args: argparse.Namespace) -> int:
    from bench.report import print_tables, write_files
    from bench.results import Results
    from toolkit.errors import require

    require("matplotlib", "bench")
    results = Results.load(args.results)
    folder = args.output_dir or args.results.parent
    folder.mkdir(parents=True, exist_ok=True)
    write_files(results, folder)
    print_tables(results, _console())
    return 0


def add_compare_flags(parser: Parser) -> None:
    parser.add_argument("before", type=Path, metavar="A.json", help="the results.json to compare with")
    parser.add_argument("after", type=Path, metavar="B.json", help="the newer results.json")
    parser.flag("tolerance", default="20%", metavar="SHARE", help="how much a ratio may rise (default: 20%%)")
    parser.flag(
        "force", action="store_true", help="compare results of different machines or clips all the same"
    )


def compare_results(args: argparse.Namespace) -> int:
    from bench.compare import WORSE, changed_table, compare, differences, lost_rows, read_tolerance
    from bench.report import print_table
    from bench.results import Results
    from toolkit.errors import ConfigError

    tolerance = read_tolerance(args.tolerance)
    before, after = Results.load(args.before), Results.load(args.after)
    unlike = differences(before, after)
    if unlike and not args.force:
        raise ConfigError(
            f"these two results cannot be compared, they differ in {'; '.join(unlike)}. Measure both on one "
            "machine with the same flags and clips, or give --force to compare them all the same"
        )
    changes, lost = compare(before, after, tolerance), lost_rows(before, after)
    if not changes:
        raise ConfigError("the two results have no ratio in common, so there is nothing to compare")
    table = changed_table(changes, tolerance)
    if table.rows:
        print_table(table, _console())
    for line in [*(f"not alike: {line}" for line in unlike), *lost]:
        print(line)
    worse = sum(change.verdict == WORSE for change in changes)
    print(
        f"{len(changes)} ratios compared, {len(table.rows)} moved by more than {args.tolerance}, {worse} worse"
    )
    return int(bool(worse or lost))


def _console() -> Console:
    """As wide as the terminal; in a file or pipe, wide enough that no cell is cut, if nothing else is asked for."""
    from toolkit.cli.console import plain_console

    console = plain_console()
    return console if console.is_terminal else plain_console(width=int(os.environ.get(WIDTH_VARIABLE, 200)))


def _words(modes: str) -> list[str]:
    return [word.strip() for word in modes.split(",") if word.strip()]


def _unknown(modes: str) -> tuple[str, ...]:
    """Kept, so that Options can name them."""
    return tuple(word for word in _words(modes) if word not in MODES)


COMMANDS: dict[str, tuple[str, Callable[[Parser], None], Callable[[argparse.Namespace], int]]] = {
    "run": (RUN_HELP, add_run_flags, run_rows),
    "report": (REPORT_HELP, add_report_flags, redraw),
    "scale": (SCALE_HELP, add_scale_flags, run_scale),
    "compare": (COMPARE_HELP, add_compare_flags, compare_results),
}
"""command -> help text, flags, what it does."""

if __name__ == "__main__":
    raise SystemExit(main())
