"""Train the recogniser on extracted poses or features, or on videos decoded while training.

Settings come from a YAML file (the guide's keys: model, efficiency; further sections: data, training,
augmentation) and can be changed one by one with flags or --set. Everything a run makes lies in one folder:
config.yaml, clips.csv, best and last checkpoint, log.jsonl, curves.png, confusion-val.png, report.md and report.html.

examples:
  toolkit train --config small_config --epochs 50       the guide's (what ships goes by its name)
  toolkit train --config signs                          body and hands: recognises most signs
  toolkit train --config my_config.yaml --pose_dir dataset/poses --batch_size 2 --num_frames 8
  toolkit train --input_type features --feature_dir dataset/features
  toolkit train --set training.learning_rate=5e-4 --set augmentation.enabled=false
  toolkit train --start_from runs/signs --pose_dir my_poses      new glosses, few takes: on what it knows
  toolkit train --resume --output_dir runs/pose            continue after Ctrl-C, with the run's own settings

Defaults below hold where no --config says otherwise.

--json prints as the last line {"run", "mode", "epochs", "best_epoch", "val_top1", "val_top5", "n_val",
"parameters", "skipped", "seconds", "peak_rss_mib"}; top1 and top5 are fractions, null without validation clips.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.cli.flags import Parser
from toolkit.cli.train_settings import (
    free_run_dir,
    overrides_of,
    refuse_other_store,
    settings_of_new,
    settings_of_resumed,
)

if TYPE_CHECKING:
    from toolkit.config import Settings
    from toolkit.run_log import EventLog
    from toolkit.train.loop import Outcome, Trainer
    from toolkit.train.prepare import Prepared

HINTS = {"--lr": "--learning_rate", "--bs": "--batch_size", "--threads": "--num_threads",
         "--layers": "--set model.num_layers=N", "--depth": "--set model.num_layers=N", "--mode": "--input_type",
         "--dropout": "--set model.dropout=SHARE", "--pretrained": "--start_from", "--checkpoint": "--start_from",
         "--weights": "--start_from", "--finetune": "--start_from", "--init_from": "--start_from"}  # fmt: skip
"""What other programs call a flag, and what it is here."""
SUMMARY = "train a recogniser on extracted poses, features, or videos"


def add_flags(parser: Parser) -> None:
    parser.flag("config", type=Path, metavar="FILE",
                help="YAML settings, or what ships: signs, small_config, features, video")  # fmt: skip
    parser.flag("epochs", type=int, metavar="N", help="passes over the training clips (default: 50)")
    parser.flag("batch_size", type=int, metavar="N", help="clips per training step (default: 32)")
    parser.flag("num_frames", type=int, metavar="N", help="frames per clip (default: all that the store has)")
    parser.flag("learning_rate", type=float, metavar="RATE",
                help="the highest, for batches of 32; others scale it (default: 0.002)")  # fmt: skip
    parser.flag(
        "seed", type=int, metavar="N", help="of everything random: the same gives the same (default: 0)"
    )
    parser.flag("num_threads", type=int, metavar="N", help="CPU threads for the network (default: 1)")
    parser.flag(
        "input_type",
        choices=["pose", "features", "video"],
        help="sets the config's three mode keys at once (default: pose)",
    )
    parser.flag("pose_dir", metavar="STORE",
                help="where `toolkit extract --mode pose` wrote (default: dataset/poses)")  # fmt: skip
    parser.flag("feature_dir", metavar="STORE",
                help="where `toolkit extract --mode features` wrote (default: dataset/features)")  # fmt: skip
    parser.flag(
        "json_path",
        metavar="FILE",
        help="WLASL index, with --video_dir: needed for videos, else to count skipped clips",
    )
    parser.flag("video_dir", metavar="DIR", help="its videos")
    parser.flag(
        "class_list",
        metavar="FILE",
        help="videos: keep only these glosses (poses, features: extract with it); others are named",
    )
    parser.flag("index", metavar="CSV|DIR", help="your own recordings instead of --json_path")
    parser.flag(
        "val_signers", nargs="+", metavar="NAME", help="validate on these signers, train on the others"
    )
    parser.flag(
        "split_by", choices=["index", "signer"], help="signer: validate on signers that training does not see"
    )
    parser.flag("set", action="append", default=[], metavar="KEY.SUB=VALUE",
                help="change any setting, as often as you like; toolkit config --print lists them")  # fmt: skip
    parser.flag("start_from", metavar="RUN",
                help="begin with what this run learnt of other glosses: few takes then suffice")  # fmt: skip
    parser.flag("output_dir", type=Path, metavar="DIR", help="the run's folder (default: a new one in runs/)")
    parser.flag("resume", action="store_true", help="continue the run in --output_dir")
    for wrong, right in HINTS.items():
        parser.hint(wrong, right)
    parser.hints["--device"] = " Training runs on the CPU"
    parser.log_flag()
    parser.json_flag()


def run(args: argparse.Namespace) -> int:
    # Read when torch's OpenMP starts: spinning threads make two threads slower than one under any load.
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    from toolkit.errors import require

    for module in ("torch", "safetensors", "pydantic", "yaml"):
        require(module, "train")
    if find_spec("matplotlib") is None:  # imported when training is over and its memory free
        require("matplotlib", "train")
    from toolkit.run_log import EventLog

    overrides = overrides_of(args)
    if args.resume:
        run_dir, settings = settings_of_resumed(args, overrides)
    else:
        settings = settings_of_new(args, overrides)
        refuse_other_store(args, settings.mode)
        run_dir = free_run_dir(args, settings.mode)
    facts = {"run": str(run_dir), "resume": args.resume} | settings.model_dump(mode="json")
    with EventLog(args.log_file, "train", facts) as log, ExitStack() as held:

        def claim() -> Path:
            from toolkit.train.run_files import claimed

            return held.enter_context(claimed(run_dir, settings.mode, args.output_dir is None, args.resume))

        result = _train(settings, claim, args.resume, log)
    if isinstance(result, int):
        return result
    if args.json:
        import json

        print(json.dumps(result))
    return 0


def _train(
    settings: Settings, claim: Callable[[], Path], resume: bool, log: EventLog
) -> dict[str, Any] | int:
    """The summary of the finished run; the exit status when it was stopped with Ctrl-C or SIGTERM.

    claim: makes the run's folder.
    """
    import time
    from dataclasses import asdict

    import torch

    from toolkit.cli.main import Terminated
    from toolkit.cli.train_progress import EpochProgress, print_summary, print_when_stopped
    from toolkit.process_memory import forget_start
    from toolkit.train.allocator import keep_freed_memory
    from toolkit.train.learnt_clips import write_clips
    from toolkit.train.log import EpochRow
    from toolkit.train.loop import Trainer
    from toolkit.train.out_of_memory import cured_memory_errors
    from toolkit.train.prepare import prepare
    from toolkit.train.run_report import of_high_loss
    from toolkit.train.split import counted
    from toolkit.whole_file import write_whole

    began = time.perf_counter()
    keep_freed_memory()
    forget_start()  # what importing torch ran
    torch.set_num_threads(settings.training.num_threads)
    with cured_memory_errors(settings):
        prepared = prepare(settings, resume)
    run_dir = claim()  # not before: what fails until here leaves no empty folder
    for note in prepared.notes:
        print(note, file=sys.stderr)
    spec, n_val = prepared.spec, 0 if prepared.val is None else len(prepared.val)
    print(
        f"{spec.mode}: {counted(len(prepared.train), 'training clip')} and {counted(n_val, 'validation clip')} of "
        f"{spec.num_classes} glosses, {counted(spec.num_frames, 'frame')} each; run folder {run_dir}",
        file=sys.stderr,
    )
    log("data ready", train_clips=len(prepared.train), val_clips=n_val, glosses=spec.num_classes,
        num_frames=spec.num_frames, clips=prepared.facts["clips"], notes=prepared.notes)  # fmt: skip
    with cured_memory_errors(settings):
        trainer = Trainer(
            settings, spec, prepared.train, prepared.val, run_dir, prepared.extractor, prepared.facts, resume,
            prepared.start,
        )  # fmt: skip
    forget_start()
    if resume:
        log("resumed", after_epoch=trainer.epoch)
        if trainer.epoch >= trainer.settings.training.epochs:
            print(f"all {trainer.epoch} epochs were done before; more with --epochs", file=sys.stderr)
    write_whole(run_dir / "config.yaml", settings.to_yaml().encode())
    if not resume:
        write_clips(run_dir, prepared.clips)
    try:
        with EpochProgress(trainer.settings.training.epochs) as show:
            first = trainer.epoch + 1

            def on_epoch(row: EpochRow) -> None:
                if row.epoch == first:
                    forget_start()
                show(row)
                log("epoch", **asdict(row))

            outcome = trainer.run(on_epoch)
    except KeyboardInterrupt as stop:
        terminated, kept = isinstance(stop, Terminated), trainer.keeper.written
        log("stopped", reason="SIGTERM" if terminated else "Ctrl-C", epochs=kept)
        print_when_stopped(kept, trainer.settings.training.epochs, run_dir)
        return 143 if terminated else 130
    training_s = sum(row.seconds for row in trainer.log.rows)
    peak_mib, paths = _reports(trainer, outcome, prepared)
    for path in paths:
        print(f"wrote {path}", file=sys.stderr)
    result = {
        "run": str(run_dir),
        "mode": spec.mode,
        "epochs": outcome.epochs,
        "best_epoch": outcome.best_epoch,
        "val_top1": outcome.metrics["val_top1"],
        "val_top5": outcome.metrics["val_top5"],
        "n_val": n_val,
        "parameters": outcome.parameters,
        "skipped": sum(prepared.skipped.values()),
        "seconds": round(time.perf_counter() - began, 2),
        "peak_rss_mib": round(peak_mib, 1),
    }
    log("finished", **result)
    print_summary(result, outcome.metrics["val_top1_interval"], training_s, spec.num_classes)
    if warning := of_high_loss(trainer.log.rows[-1].train_loss, spec.num_classes):
        print(warning, file=sys.stderr)
    return result


def _reports(trainer: Trainer, outcome: Outcome, prepared: Prepared) -> tuple[float, list[Path]]:
    """Write the run's reports, with the kept weights measured on the validation clips: (peak_rss_mib, paths).

    The peak is that of the whole run, pictures included, and of the processes that it was resumed from.
    """
    from toolkit.train.checkpoint import load_run
    from toolkit.train.log import peak_rss_mib
    from toolkit.train.report import draw_confusion, evaluate_logits
    from toolkit.train.run_report import write_run_report
    from toolkit.train.validate import compute_logits

    evaluation, run_dir, val = None, trainer.run_dir, trainer.val
    if val is not None:
        model, _ = load_run(run_dir)
        temperature = outcome.metrics.get("temperature", 1.0)
        evaluation = evaluate_logits(compute_logits(model, val), val.labels, val.glosses, temperature)
        draw_confusion(evaluation, run_dir / "confusion-val.png", "validation")
    settings, rows = trainer.settings, trainer.log.rows
    peak_mib = max(peak_rss_mib(), *(row.peak_rss_mib for row in rows))
    metrics, best = outcome.metrics, outcome.best_epoch
    return peak_mib, write_run_report(
        run_dir, settings, trainer.facts, metrics, rows, best, evaluation, peak_mib, prepared.notes
    )
