"""`bench scale`: how the cost of extraction and training grows with the work, and what all of WLASL would take."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.scale import MODES
from toolkit.cli.flags import Parser

if TYPE_CHECKING:
    from bench.results import Results
    from toolkit.clips import Clip

SCALE_HELP = """Measure how the cost grows with clips, worker processes, batch size and frames per clip, one by one.

From the curves follows what all of WLASL (21,083 clips) would take on this machine: hours, disk and memory, each
with the range in which it lies. Writes them into results.json, beside what `bench run` measured if that is there,
and draws results.md, results.html and scale.png. A point that fails is listed with its reason; Ctrl-C keeps the
points that are finished.

examples:
  bench scale --json_path dataset/WLASL_v0.3.json --video_dir dataset/videos --output_dir results
  bench scale --quick                                            (a minute, on clips that it draws)

exit status: 0 all points measured; 1 done, but some failed (listed); 2 something to put right
"""


def add_scale_flags(parser: Parser) -> None:
    from toolkit.cli.dataset_flags import add_dataset_flags

    add_dataset_flags(parser)
    parser.flag("mode", choices=list(MODES), default="pose", help="what is extracted (default: pose)")
    parser.flag("quick", action="store_true", help="a minute: fewer points, one repetition each")
    parser.flag(
        "output_dir",
        type=Path,
        default=Path("results"),
        metavar="DIR",
        help="for the files (default: results)",
    )
    parser.flag("repeats", type=int, metavar="N", help="fresh processes per point (default: 2)")
    parser.json_flag()


def run_scale(args: argparse.Namespace) -> int:
    from dataclasses import replace

    from bench import environment
    from bench.collect import BUSY
    from bench.demo_clips import clips_or_demo
    from bench.report import print_table, write_files
    from bench.results import FILE_NAME, Results, beside_earlier
    from bench.run import usable_clips
    from bench.scale import Sizes, core_counts
    from bench.scale_run import Measuring, collect_scale, measure_points
    from bench.scale_tables import scale_failures, scale_method, scale_tables
    from toolkit.cli.console import plain_console
    from toolkit.cli.progress import Steps
    from toolkit.errors import ConfigError, require
    from toolkit.machine import cores

    for module in ("psutil", "matplotlib"):
        require(module, "bench")
    given = {"mode": args.mode, "workers": core_counts(cores())}
    given |= {} if args.repeats is None else {"repeats": args.repeats}
    sizes = Sizes.quick_ones(**given) if args.quick else Sizes(**given)
    path = args.output_dir / FILE_NAME
    before = Results.load(path) if path.exists() else None
    try:
        args.output_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--output_dir {args.output_dir} cannot be made: {error.strerror}") from error
    machine, measured, stopped = environment.describe(), list[Measuring](), False
    with clips_or_demo(args) as (index, notes):
        clips, left_out = usable_clips(index.clips, min(max(sizes.clips), len(index.clips)))
        notes = [*notes, *left_out]
        try:
            with Steps("measuring points") as steps:
                measure_points(sizes, clips, measured, steps)
        except KeyboardInterrupt:
            stopped = True
            notes.append("stopped with Ctrl-C: points that were not reached are not listed")
        if machine["load_per_core_before"] > BUSY:
            notes.append(
                f"the machine was busy before the run (load {machine['load_per_core_before']} per core): trust CPU "
                "times, not wall times"
            )
        scale = collect_scale(sizes, clips, measured, machine, notes)
    results = replace(before or _without_rows(machine, clips), scale=scale)
    folder = beside_earlier(args.output_dir) if stopped else args.output_dir
    path = folder / FILE_NAME
    results.save(path)
    files = write_files(results, folder)
    console = plain_console()
    console = console if console.is_terminal else plain_console(width=200)  # in a file, no cell is cut
    for table in scale_tables(scale):
        print_table(table, console)
    for line in [*scale_failures(scale), *scale_method(scale)]:
        print(line)
    print(f"written: {', '.join(map(str, [path, *files]))}", file=sys.stderr)
    if args.json:
        print(json.dumps({"results": str(path)}))
    return 130 if stopped else int(any(point.reason for point in scale.points))


def _without_rows(machine: dict[str, Any], clips: Sequence[Clip]) -> Results:
    """A result in which only the curves are measured."""
    from dataclasses import asdict

    from bench.plan import Options
    from bench.results import Results

    options = asdict(Options()) | {"modes": []}
    data = {"clips": len(clips), "glosses": len({clip.gloss for clip in clips})}
    return Results(options, machine, data, (), (), ())
