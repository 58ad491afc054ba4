"""Say how good a run or an exported model is on the clips of one split: top-1 and top-5, each with n and a 95 %
interval, a table per gloss, and a confusion picture.

RUN_OR_MODEL is a run folder of `toolkit train` (its best checkpoint, or --checkpoint last) or an .onnx file of
`toolkit export`, which needs no torch. Clips come from the store that the run was trained on, or from
--pose_dir / --feature_dir. Clips of glosses that the model never learnt are left out and counted.

examples:
  toolkit evaluate runs/pose --split val
  toolkit evaluate runs/pose --split train --signers anna      a signer that --val_signers kept out of training
  toolkit evaluate model.onnx --split test --pose_dir dataset/poses --output_dir report

  toolkit evaluate runs/pose --leave_signers_out               how the run's recipe does on people it never saw

--leave_signers_out trains the run's own settings anew, once per signer on all others (training and validation
splits together, the last weights), and measures each on the signer left out; stopped, the same command continues.

--json prints as the last line {"top1", "top5", "n", "interval", "top5_interval", "ece"}, all fractions but n; with
--leave_signers_out {"top1", "top5", "n", "interval", "signers"}: means over signers, interval by Student's t.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.cli.evaluated_clips import stores, with_onnx, with_run
from toolkit.cli.flags import Parser

if TYPE_CHECKING:
    from toolkit.train.report import Evaluation

SUMMARY = "measure a run or model on the clips of a split"
WORST = 10  # glosses shown on the terminal; the others stand in the files


def add_flags(parser: Parser) -> None:
    parser.add_argument("model", type=Path, metavar="RUN_OR_MODEL", help="a run folder or an .onnx file")
    parser.flag(
        "split", default="test", metavar="NAME", help="which clips: train, val or test (default: test)"
    )
    parser.flag(
        "checkpoint", choices=["best", "last"], default="best", help="of a run folder (default: best)"
    )
    parser.flag("signers", nargs="+", metavar="NAME", help="only clips of these signers")
    parser.flag("leave_signers_out", action="store_true", help="train and measure once per signer instead")
    parser.flag("pose_dir", type=Path, metavar="STORE", help="where the extracted poses are")
    parser.flag("feature_dir", type=Path, metavar="STORE", help="where the extracted features are")
    parser.flag("json_path", type=Path, metavar="FILE", help="WLASL index (video mode)")
    parser.flag("video_dir", type=Path, metavar="DIR", help="its videos (video mode)")
    parser.flag("index", type=Path, metavar="CSV|DIR", help="your own recordings (video mode)")
    parser.flag("override", action="store_true", help="accept a store made by another extractor")
    parser.flag(
        "output_dir", type=Path, metavar="DIR", help="for the reports (default: the run, or beside the model)"
    )
    parser.json_flag()


def run(args: argparse.Namespace) -> int:
    # Read when torch's OpenMP starts: spinning threads make two threads slower than one under any load.
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    from toolkit.errors import require

    require("matplotlib", "train")
    if args.leave_signers_out:
        return _leave_signers_out(args)
    from toolkit.train.report import evaluate_logits, summary, write_report
    from toolkit.train.split import counted

    if args.model.suffix == ".onnx":
        clips, logits, temperature = with_onnx(args)
        folder, name = args.model.parent, args.model.name
    else:
        require("torch", "train")
        clips, logits, temperature = with_run(args)
        folder, name = args.model, str(args.model)
    for reason, count in clips.skipped.items():
        print(f"{counted(count, 'clip')} skipped: {reason}", file=sys.stderr)
    who = f" of {', '.join(args.signers)}" if args.signers else ""
    evaluation = evaluate_logits(logits, clips.labels, clips.glosses, temperature)
    _print_tables(evaluation, f"{name} on split {args.split}{who}")
    for path in write_report(
        evaluation, args.output_dir or folder, args.split, f"{name}, split {args.split}{who}"
    ):
        print(f"wrote {path}", file=sys.stderr)
    if args.json:
        import json

        print(json.dumps(summary(evaluation)))
    return 0


def _leave_signers_out(args: argparse.Namespace) -> int:
    import json

    from rich.table import Table

    from toolkit.cli.console import plain_console
    from toolkit.config import load_settings
    from toolkit.errors import ConfigError, require

    torch = require("torch", "train")
    if not (args.model / "config.yaml").is_file():
        raise ConfigError(
            f"--leave_signers_out needs a run folder, whose settings it trains; {args.model} is none"
        )
    from toolkit.train.allocator import keep_freed_memory
    from toolkit.train.leave_out import Fold, folds_summary, leave_signers_out

    keep_freed_memory()
    settings = load_settings(args.model / "config.yaml", stores(args))
    torch.set_num_threads(settings.training.num_threads)

    def show(fold: Fold) -> None:
        print(f"{fold.signer}: {100 * fold.top1:.1f} % of {fold.n} clips", file=sys.stderr, flush=True)

    folder = (args.output_dir or args.model) / "leave_signers_out"
    folds = leave_signers_out(settings, folder, show)
    found = folds_summary(folds)
    table = Table(
        "signer", "top-1 %", "95 % interval", "top-5 %", "clips", title="each signer left out in turn"
    )
    for fold in folds:
        low, high = fold.interval
        span = f"{100 * low:.1f} to {100 * high:.1f}"
        table.add_row(fold.signer, f"{100 * fold.top1:.1f}", span, f"{100 * fold.top5:.1f}", str(fold.n))
    low, high = found["interval"]
    span = f"{100 * low:.1f} to {100 * high:.1f}"
    table.add_row("mean", f"{100 * found['top1']:.1f}", span, f"{100 * found['top5']:.1f}", str(found["n"]))
    plain_console().print(table)
    path = folder / "signers.json"
    path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"wrote {path}", file=sys.stderr)
    if args.json:
        print(json.dumps(found))
    return 0


def _print_tables(evaluation: Evaluation, title: str) -> None:
    from rich.table import Table
    from rich.text import Text

    from toolkit.calibration import FEWEST
    from toolkit.cli.console import plain_console
    from toolkit.metrics import top5_tells

    figures = Table("figure", "%", "95 % interval", "n", title=title)
    for name, value, (low, high) in (
        ("top-1", evaluation.top1, evaluation.top1_interval),
        ("top-5", evaluation.top5, evaluation.top5_interval),
    ):
        if name == "top-5" and not top5_tells(len(evaluation.glosses)):
            continue
        figures.add_row(name, f"{100 * value:.1f}", f"{100 * low:.1f} to {100 * high:.1f}", str(evaluation.n))
    plain_console().print(figures)
    pairs = ", ".join(f"{a} and {b} {times}" for a, b, times in evaluation.confused(WORST))
    ece = f"calibration error {evaluation.ece:.3f}; " if evaluation.n >= FEWEST else ""
    plain_console().print(Text(f"{ece}most confused pairs: {pairs or 'none'}"))
    worst = Table("gloss", "clips", "correct", "mistaken for", title="glosses with the most to gain")
    for score in evaluation.worst(WORST):
        gloss, mistaken = Text(evaluation.glosses[score.label]), Text(evaluation.mistaken_for(score.label))
        worst.add_row(gloss, str(score.n), str(score.correct), mistaken)
    if worst.row_count:
        plain_console().print(worst)
