"""Turn videos into landmarks or CNN features, once, so that training needs no video any more.

The result is a feature store, a folder that training reads (--output_dir). Interrupt it at any time: the same
command continues where it stopped, and only adds what is new. Clips that cannot be read are listed with the
reason and do not stop the run.

examples:
  toolkit extract --index my_recordings --landmarks body_hands --num_frames 32 --output_dir my_poses
      (your own: my_recordings/GLOSS/clip.mp4 or my_recordings/GLOSS/SIGNER/clip.mp4, or a csv; recognises most)
  toolkit extract --mode pose --json_path dataset/WLASL_v0.3.json --video_dir dataset/videos \\
      --class_list dataset/wlasl_class_list.txt --split train --output_dir dataset/poses --num_frames 16
  toolkit extract --mode features --json_path dataset/WLASL_v0.3.json --video_dir dataset/videos \\
      --output_dir dataset/features --embed_dim 128

exit status: 0 all clips extracted; 1 done, but some clips failed (listed); 2 something to put right
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.cli.dataset_flags import add_dataset_flags, read_dataset
from toolkit.cli.extractor_flags import add_extractor_flags, read_extractor
from toolkit.cli.flags import Parser
from toolkit.untrusted import listed

if TYPE_CHECKING:
    from toolkit.clips import ClipIndex
    from toolkit.extract.run import Plan, Report

SUMMARY = "videos -> landmarks or CNN features, once (resumable)"
WHEN_STOPPED = "What is done is kept; the same command continues."
LONGEST_S = 86_400  # a day
MOST_FRAMES = 1024  # of a clip of one sign; a minute at 17 frames per second
SHOWN = 10  # failures and notes printed before "and N more"


def add_flags(parser: Parser) -> None:
    add_dataset_flags(parser)
    add_extractor_flags(parser)
    parser.flag("output_dir", type=Path, required=True, metavar="DIR", help="the store to make or continue")
    parser.flag("num_frames", type=int, default=16, metavar="N", help="frames per clip (default: 16)")
    parser.flag("workers", type=int, metavar="N", help="processes side by side (default: one per core)")
    parser.flag("dtype", choices=["float32", "float16", "packed"], default="float32",
                help="how numbers are stored: float16 takes half the disk; packed, for poses, a quarter: 2 KB a clip "
                "of 16 frames (default: float32)")  # fmt: skip
    parser.flag("clip_timeout", type=float, default=120.0, metavar="S",
                help="give a clip up after this many seconds (default: 120)")  # fmt: skip
    parser.flag("retry_failed", action="store_true", help="try clips again that failed in an earlier run")
    parser.log_flag()
    parser.json_flag()


def run(args: argparse.Namespace) -> int:
    from toolkit.cli.console import plain_console
    from toolkit.cli.progress import Steps
    from toolkit.errors import MOST_AT_ONCE, ConfigError
    from toolkit.extract.run import Plan, extract
    from toolkit.machine import cores
    from toolkit.run_log import EventLog
    from toolkit.store.reader import stored_splits

    if not 1 <= args.num_frames <= MOST_FRAMES:
        raise ConfigError(f"--num_frames is {args.num_frames}; give 1 to {MOST_FRAMES} (the guide's is 16)")
    if not 0 < args.clip_timeout <= LONGEST_S:
        raise ConfigError(
            f"--clip_timeout is {args.clip_timeout:g}; give seconds above 0 and up to {LONGEST_S} (default: 120)"
        )
    if args.workers is not None and not 1 <= args.workers <= MOST_AT_ONCE:
        raise ConfigError(
            f"--workers is {args.workers}; give 1 to {MOST_AT_ONCE}, or leave it out for one per core"
        )
    if args.dtype == "packed" and args.mode != "pose":
        raise ConfigError(
            f"--dtype packed is for --mode pose, not for {args.mode}; use --dtype float16, half of float32's disk"
        )
    spec = read_extractor(args)
    index = read_dataset(args, stored_splits(args.output_dir))
    _refuse_among_videos(args)
    for note in index.notes:
        plain_console(stderr=True).print(f"note: {note}", soft_wrap=True)
    plan = Plan(
        spec,
        args.output_dir,
        args.num_frames,
        args.workers or cores(),
        args.dtype,
        args.clip_timeout,
        args.retry_failed,
    )
    with EventLog(args.log_file, "extract", vars(args)) as log, Steps(f"extracting {args.mode}") as steps:
        report = extract(index, plan, steps, log)
    _print_report(index, report, plan)
    if report.unlisted and args.index is not None and args.split == "all":
        print(
            f"clips in {plan.output_dir} that are not in {args.index} (any more): {len(report.unlisted)}, such as "
            f"{report.unlisted[0]}. They stay, and training uses them; to leave them out, extract into a new "
            "--output_dir",
            file=sys.stderr,
        )
    if args.json:
        counts = {
            key: getattr(report, key) for key in ("asked", "found", "left_out", "done", "skipped", "missing")
        }
        details = {
            "failed": len(report.failed),
            "failures": report.failed,
            "seconds": round(report.seconds, 2),
        }
        print(json.dumps(counts | details | {"store": str(args.output_dir)}))
    return 1 if report.failed else 0


def _print_report(index: ClipIndex, report: Report, plan: Plan) -> None:
    from rich.table import Table

    from toolkit.cli.console import plain_console

    console = plain_console()
    coverage = index.coverage()
    unreadable = Counter(clip.split for clip in index.clips if clip.id in report.failed)
    table = Table(title="coverage", title_justify="left")
    for column in ("split", "asked for", "found", "missing", "unreadable"):
        table.add_column(column, justify="left" if column == "split" else "right")
    for split, (asked, found, missing) in coverage.per_split.items():
        table.add_row(split or "(none)", str(asked), str(found), str(missing), str(unreadable[split]))
    console.print(table)
    if index.left_out:
        console.print(f"only the first {len(index.clips)} found were taken (--max_videos)")
    if coverage.glosses_without_clips:
        console.print("no video at all of these glosses: "
                      + listed(coverage.glosses_without_clips))  # fmt: skip
    rate = f" in {report.seconds:.1f} s, {report.done / report.seconds:.1f} clips/s" if report.done else ""
    rest = f"{report.skipped} were there already, {len(report.failed)} failed; store: {plan.output_dir}"
    console.print(f"{report.done} clips extracted{rate}; {rest}", soft_wrap=True)
    for reason in list(report.failed.values())[:SHOWN]:
        console.print(f"  failed: {reason}", soft_wrap=True)
    if len(report.failed) > SHOWN:
        console.print(f"  ... and {len(report.failed) - SHOWN} more, see index.jsonl in the store")
    if report.nobody:
        console.print(f"nobody was found in {len(report.nobody)} clips: {listed(report.nobody)}")
    if len(report.failed) < len(index.clips):
        console.print(f"next: {_next(plan)}", soft_wrap=True)


def _refuse_among_videos(args: argparse.Namespace) -> None:
    """Among recordings a store would be taken for a gloss; in the very folder of videos its files get lost."""
    from toolkit.errors import ConfigError

    store = args.output_dir.resolve()
    folder = args.index or args.video_dir
    if folder.resolve() == store or (args.index is not None and store.is_relative_to(folder.resolve())):
        raise ConfigError(f"--output_dir {args.output_dir} lies in {folder}; give a folder beside it")


def _next(plan: Plan) -> str:
    """The command that trains on the store."""
    if plan.extractor.mode == "features":
        return f"toolkit train --config features --feature_dir {plan.output_dir}"
    config = "signs" if "hands" in plan.extractor.landmarks else "small_config"
    return f"toolkit train --config {config} --pose_dir {plan.output_dir}"
