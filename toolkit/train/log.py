"""What a training run leaves to look at: log.jsonl with one line per epoch, and curves.png drawn from it."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from toolkit.whole_file import write_whole

FEW_EPOCHS = 12  # whose points are marked in a picture


@dataclass(frozen=True)
class EpochRow:
    """Figures of one epoch (1-based). top1, top5 are fractions; val_* are None without validation clips.

    train_top1 is counted while training, on augmented clips and with dropout, so it lies below what the
    finished model would reach on the same clips. seconds: since the epoch before was over (the first: since the
    training began), so they count what is written between two epochs, and their sum is the time of the training.
    """

    epoch: int
    train_loss: float
    train_top1: float
    val_loss: float | None
    val_top1: float | None
    val_top5: float | None
    learning_rate: float
    seconds: float
    peak_rss_mib: float


class RunLog:
    """log.jsonl of a run. Continuing after epoch n keeps n lines; anything later was never checkpointed."""

    def __init__(self, run_dir: Path, keep_epochs: int) -> None:
        self.path = run_dir / "log.jsonl"
        self.rows = [row for row in read_log(run_dir) if row.epoch <= keep_epochs]
        write_whole(self.path, "".join(_line(row) for row in self.rows).encode())

    def append(self, row: EpochRow) -> None:
        self.rows.append(row)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(_line(row))

    def sync(self) -> None:
        """Have the system write what was appended: no checkpoint may be on disk without its lines."""
        with self.path.open("a", encoding="utf-8") as file:
            os.fsync(file.fileno())


def read_log(run_dir: Path) -> list[EpochRow]:
    """The epochs of a run so far; a line torn by a stop ends the reading."""
    path = run_dir / "log.jsonl"
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        try:
            rows.append(EpochRow(**json.loads(line)))
        except (ValueError, TypeError):
            break
    return rows


def draw_curves(rows: list[EpochRow], path: Path, best_epoch: int, top5: bool = True) -> None:
    """Loss and accuracy over epochs, as a picture. top5: with the validation's top-5, which few glosses make idle."""
    from matplotlib.figure import Figure  # Figure alone draws without a display

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    epochs = [row.epoch for row in rows]
    with_val = [row for row in rows if row.val_top1 is not None]
    # Few points are marked, or a single one would not be seen; nothing is cut off at the edge of 100 %.
    marked, marked_val = ("o" if len(drawn) < FEW_EPOCHS else None for drawn in (rows, with_val))
    loss.plot(epochs, [row.train_loss for row in rows], label="train", marker=marked)
    train_top1 = [100 * row.train_top1 for row in rows]
    accuracy.plot(epochs, train_top1, label="train top-1", marker=marked, clip_on=False)
    if with_val:
        at, style = [row.epoch for row in with_val], {"marker": marked_val, "clip_on": False, "zorder": 3}
        loss.plot(at, [row.val_loss for row in with_val], label="val", marker=marked_val)
        if top5:  # dashed and on top, so that both show where both are 100 %
            dashed = style | {"linestyle": "--", "zorder": 4}
            accuracy.plot(at, [100 * (row.val_top5 or 0.0) for row in with_val], label="val top-5", **dashed)
        accuracy.plot(at, [100 * (row.val_top1 or 0.0) for row in with_val], label="val top-1", **style)
    accuracy.axvline(best_epoch, color="0.7", linewidth=1, label=f"kept: epoch {best_epoch}")
    for axes, title, unit in ((loss, "Loss", "cross-entropy"), (accuracy, "Accuracy", "% of clips")):
        axes.set(title=title, xlabel="epoch", ylabel=unit)
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    accuracy.set_ylim(0, 106)  # a line at 100 % is to be seen
    accuracy.set_yticks(range(0, 101, 20))
    figure.savefig(path, dpi=110)


def peak_rss_mib() -> float:
    """The most memory this process has held so far, in MiB.

    Linux: VmHWM, because ru_maxrss is inherited over exec; Windows: the peak working set; else: getrusage.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    if sys.platform == "win32":
        import psutil

        return float(psutil.Process().memory_info().peak_wset) / 2**20
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def _line(row: EpochRow) -> str:
    return json.dumps(asdict(row), allow_nan=False) + "\n"
