"""How a training run looks while it goes (on stderr) and when it is over (on stdout)."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from toolkit.cli.console import plain_console
from toolkit.metrics import top5_tells
from toolkit.train.log import EpochRow
from toolkit.train.run_report import of_few_clips

LINES = 20  # about as many lines for a whole run where there is no terminal


class EpochProgress:
    """A bar with the latest figures on a terminal, some twenty plain lines elsewhere. A context manager."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs
        self._began, self._done = time.perf_counter(), 0
        console = plain_console(stderr=True)
        self._bar: Progress | None = None
        if console.is_terminal:
            columns = (
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.description}"),
            )
            self._bar = Progress(*columns, console=console)

    def __enter__(self) -> EpochProgress:
        if self._bar is not None:
            self._bar.start()
            self._task = self._bar.add_task("first epoch", total=self.epochs)
        return self

    def __call__(self, row: EpochRow) -> None:
        self._done += 1
        if self._bar is not None:
            self._bar.update(self._task, completed=row.epoch, description=_figures(row))
        elif row.epoch in (1, self.epochs) or row.epoch % max(1, self.epochs // LINES) == 0:
            left = (self.epochs - row.epoch) * (time.perf_counter() - self._began) / self._done
            text = f"epoch {row.epoch}/{self.epochs}: {_figures(row)}"
            text += f", about {left:.0f} s left" if row.epoch > 1 and left >= 0.5 else ""
            print(text, file=sys.stderr, flush=True)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()


def print_when_stopped(kept: int, epochs: int, run_dir: Path) -> None:
    """After Ctrl-C or SIGTERM. kept: epochs that are on disk."""
    said = "stopped before the first epoch was over; nothing is kept"
    if kept:
        how = f"Continue with: toolkit train --resume --output_dir {run_dir}"
        said = f"stopped; kept: {kept} of {epochs} epochs. {how}"
    print(f"\n{said}", file=sys.stderr)


def print_summary(
    result: dict[str, Any], interval: tuple[float, float] | None, training_s: float, glosses: int
) -> None:
    """The table at the end of `toolkit train`. interval: 95 % of val_top1, as fractions. glosses: how many.

    training_s: of all epochs, before a --resume too; result["seconds"] is this command's whole time.
    """
    table = Table(show_header=False, title="training")
    best = f"epoch {result['best_epoch']} of {result['epochs']}"
    table.add_row("run", result["run"])
    table.add_row("mode", result["mode"])
    if result["val_top1"] is None or interval is None:
        table.add_row("weights kept", f"{best} (nothing to validate on: the last)")
    else:
        low, high = (100 * limit for limit in interval)
        table.add_row("weights kept", best)
        figures = f"{100 * result['val_top1']:.1f} % (95 %: {low:.1f} to {high:.1f}, n = {result['n_val']})"
        table.add_row("validation top-1", figures)
        if top5_tells(glosses):
            table.add_row("validation top-5", f"{100 * result['val_top5']:.1f} %")
    table.add_row("parameters", f"{result['parameters']:,}")
    table.add_row("clips skipped", str(result["skipped"]))
    table.add_row("time", f"{result['seconds']:.1f} s for this command, {training_s:.1f} s for all epochs")
    table.add_row("peak memory", f"{result['peak_rss_mib']:.0f} MiB")
    console = plain_console()
    console.print(table)
    if interval is not None and (caution := of_few_clips(result["n_val"], interval)):
        console.print(caution, soft_wrap=True)
    console.print(f"next: toolkit export {result['run']} --output model.onnx", soft_wrap=True)


def _figures(row: EpochRow) -> str:
    text = f"loss {row.train_loss:.3f}, train {100 * row.train_top1:.1f} %"
    if row.val_top1 is not None:
        text += f", val {100 * row.val_top1:.1f} %"
    return text
