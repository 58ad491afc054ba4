"""Turn a training run into one .onnx file that `toolkit predict` and any ONNX runtime can use.

The file takes raw landmarks, features or frames of any length and gives one score per gloss; all that a program
needs to know about it stands inside. It is compared with torch on real clips and on edge cases before it is
written: a difference above 1e-4 or a changed best gloss refuses it.

examples:
  toolkit export runs/pose
  toolkit export runs/pose --output model.onnx --json
  toolkit export runs/pose --output model.onnx --precision int8
  toolkit export runs/pose --output model.onnx --bundle for_my_friend.zip
  toolkit export model.onnx --bundle for_my_friend

--bundle packs the model, the networks that it needs and the program into a folder or .zip for a PC that has
nothing but Python; of a model that was exported before it needs no torch.

--precision int8 stores the network's weights in 8 bits, if top-1 of the validation clips falls by no more than 0.5
points and the file is smaller or faster on this machine; otherwise fp32 is written and the reason printed.

Validation clips also give the file its temperature (so that a score of 0.8 is right in 8 of 10 cases; ECE is what is
left of the difference) and the score below which `toolkit live` says that it does not know.

--json prints, as the last line, one object {"path", "size_bytes", "parameters", "max_difference", "clips", "cases",
"opset", "precision", "reason", "comparison": {"fp32": {"top1", "size_bytes", "latency_ms"}, "int8", "agreement",
"clips"}, "temperature", "ece", "ece_uncalibrated", "threshold", "validated"};
with --bundle also "bundle": {"path", "size_bytes", "files", "networks"}.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.cli.flags import Parser

if TYPE_CHECKING:
    from export.classifier import ExportReport

SUMMARY = "write a trained run as one self-describing .onnx file"


def add_flags(parser: Parser) -> None:
    parser.add_argument(
        "run",
        type=Path,
        metavar="RUN",
        help="a run directory of toolkit train; for --bundle also a model file",
    )
    parser.flag("output", type=Path, metavar="FILE", help="the file to write (default: RUN/model.onnx)")
    parser.flag(
        "store", type=Path, metavar="STORE", help="the run's feature store, if it was moved since training"
    )
    parser.flag("precision", choices=["fp32", "int8"], default="fp32", help="of the weights (default: fp32)")
    parser.flag(
        "bundle", type=Path, metavar="DIR|FILE.zip", help="also pack all that another PC needs to run it"
    )
    parser.json_flag()


def run(args: argparse.Namespace) -> int:
    import json
    from dataclasses import asdict

    from toolkit.errors import ConfigError, require

    if not args.run.is_file():
        from toolkit.train.run_files import checkpoint_file

        checkpoint_file(args.run)  # before torch is imported, which takes seconds
    if args.bundle is not None:
        from export.bundle import check_target

        check_target(args.bundle)  # before the work of an export
    if args.run.is_file():
        if args.bundle is None or args.output is not None:
            raise ConfigError(
                f"{args.run} is a file; give a run directory to export it, or the file and --bundle to pack it"
            )
        return _bundle(args.run, args.bundle, args.json, {"path": str(args.run)})
    for module in ("torch", "onnx", "onnxscript"):
        require(module, "train")
    from export.classifier import export_run

    print("exporting, and comparing with torch", file=sys.stderr)
    report = export_run(args.run, args.output, args.store, args.precision)
    _print_table(report)
    facts = asdict(report) | {"path": str(report.path)}
    if args.bundle is not None:
        return _bundle(report.path, args.bundle, args.json, facts)
    print(f"next: toolkit predict {report.path} clip.mp4")
    if args.json:
        print(json.dumps(facts))
    return 0


def _bundle(model: Path, target: Path, as_json: bool, facts: dict[str, Any]) -> int:
    import json
    from dataclasses import asdict

    from export.bundle import write_bundle

    made = write_bundle(model, target)
    print(f"bundle: {made.path}, {made.size_bytes / 1e6:.2f} MB, {made.files} files, run and compared")
    if as_json:
        print(json.dumps(facts | {"bundle": asdict(made) | {"path": str(made.path)}}))
    return 0


def _print_table(report: ExportReport) -> None:
    from rich.table import Table
    from rich.text import Text

    from toolkit.calibration import too_few
    from toolkit.cli.console import plain_console

    table = Table(show_header=False)
    rows = {
        "file": str(report.path),
        "size": f"{report.size_bytes / 1e6:.2f} MB",
        "parameters": f"{report.parameters:,}",
        "largest difference to torch": f"{report.max_difference:.1e} on the logits (1e-4 allowed)"
        + (", before rounding to int8" if report.precision == "int8" else ""),
        "compared on": f"{report.clips} real clips, {report.cases} edge cases; every best gloss the same",
        "opset": str(report.opset),
        "precision": f"{report.precision}: {report.reason}" if report.reason else report.precision,
    }
    if report.temperature is not None:
        fitted = (
            f"temperature {report.temperature:.3g}, error (ECE) {report.ece:.3f}, was "
            f"{report.ece_uncalibrated:.3f} ({report.validated} validation clips)"
        )
        if (
            report.ece is not None
            and report.ece_uncalibrated is not None
            and report.ece > report.ece_uncalibrated
        ):
            fitted += (
                ", no better here: the temperature makes the right answers likelier, not this error smaller"
            )
        reason = too_few(report.validated) or fitted
        rows["calibration"] = f"{reason}; answers count from a score of {report.threshold:.2f}"
    if report.comparison is not None:
        for name, figures in (("fp32", report.comparison.fp32), ("int8", report.comparison.int8)):
            rows[f"in {name}"] = (
                f"top-1 {100 * figures.top1:.1f} %, {figures.size_bytes / 1e6:.2f} MB, "
                f"{figures.latency_ms:.2f} ms per clip"
            )
        rows["same best gloss"] = (
            f"{100 * report.comparison.agreement:.1f} % of {report.comparison.clips} validation clips"
        )
    for name, value in rows.items():
        table.add_row(name, Text(value, overflow="fold"))
    plain_console().print(table)
