"""Turn a training run into one .onnx file that `toolkit predict` and any ONNX runtime can use.

The file takes raw landmarks, features or frames of any length and gives one score per gloss; all that a program
needs to know about it stands inside. It is compared with torch on real clips and on edge cases before it is
written: a difference above 1e-4 or a changed best gloss refuses it.

examples:
  toolkit export runs/pose
  toolkit export runs/pose --output model.onnx --json

--json prints, as the last line, one object {"path", "size_bytes", "parameters", "max_difference", "clips",
"cases", "opset"}.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.cli.flags import Parser

if TYPE_CHECKING:
    from export.classifier import ExportReport

SUMMARY = "write a trained run as one self-describing .onnx file"


def add_flags(parser: Parser) -> None:
    parser.add_argument("run", type=Path, metavar="RUN", help="a run directory written by toolkit train")
    parser.flag("output", type=Path, help="the file to write (default: RUN/model.onnx)")
    parser.flag("store", type=Path, help="the run's feature store, if it was moved since training")
    parser.json_flag()


def run(args: argparse.Namespace) -> int:
    import json
    from dataclasses import asdict

    from toolkit.errors import require

    for module in ("torch", "onnx", "onnxscript"):
        require(module, "train")
    from export.classifier import export_run

    print("exporting, and comparing with torch", file=sys.stderr)
    report = export_run(args.run, args.output, args.store)
    _print_table(report)
    if args.json:
        print(json.dumps(asdict(report) | {"path": str(report.path)}))
    return 0


def _print_table(report: ExportReport) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(show_header=False)
    rows = {
        "file": str(report.path),
        "size": f"{report.size_bytes / 1e6:.2f} MB",
        "parameters": f"{report.parameters:,}",
        "largest difference to torch": f"{report.max_difference:.1e} on the logits (1e-4 allowed)",
        "compared on": f"{report.clips} real clips, {report.cases} edge cases; every best gloss the same",
        "opset": str(report.opset),
    }
    for name, value in rows.items():
        table.add_row(name, Text(value, overflow="fold"))
    Console().print(table)
