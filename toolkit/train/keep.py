"""What of a run is kept, and when it is written: the last whole epoch and the best one.

An epoch of a few clips takes milliseconds, a checkpoint on a disk that is asked to have written takes as long as
ten of them. So whole epochs are kept in memory and written every few seconds, and at the end, however it comes.
Knows nothing about losses or clips.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from toolkit.train.checkpoint import RunInfo, save_checkpoint
from toolkit.train.log import RunLog
from toolkit.train.model import SignClassifier
from toolkit.train.optimizer import Average, FlatAdamW

KEEP_EVERY = 5.0  # seconds between two checkpoints at least: what a power cut or SIGKILL can cost


@dataclass(frozen=True)
class _Kept:
    """One attribute of Keeper, so that an interrupt finds either the old epoch or the new one, never a mixture.

    best_weights: None where the best epoch is this one, or is on disk. live: the model's own numbers are still
    those of the epoch, otherwise the copy is.
    """

    last: RunInfo
    best: RunInfo
    best_weights: dict[str, Tensor] | None
    live: bool = True


class Keeper:
    """Keeps a run's last whole epoch and its best one.

    The first epoch of a process is written at once (a full disk shows then, not minutes later), others when
    KEEP_EVERY seconds have passed since, the latest of all by flush. choosing: better validation figures make the
    best epoch; otherwise it is the last one. before: (last, best) of a run that is continued.
    """

    def __init__(
        self,
        run_dir: Path,
        log: RunLog,
        model: SignClassifier,
        optimizer: FlatAdamW,
        average: Average,
        choosing: bool,
        before: tuple[RunInfo, RunInfo] | None = None,
    ) -> None:
        self._run_dir, self._log, self._choosing = run_dir, log, choosing
        self._model, self._optimizer, self._average = model, optimizer, average
        self._copy = _Copy([*optimizer.tensors, *average.tensors])
        self._kept = None if before is None else _Kept(*before, best_weights=None)
        self.written, self._best_written = (0, 0) if before is None else (before[0].epoch, before[1].epoch)
        self._due = 0.0

    @property
    def epoch(self) -> int:
        """The last whole epoch (1-based), 0 before the first."""
        return 0 if self._kept is None else self._kept.last.epoch

    @property
    def best(self) -> RunInfo | None:
        return None if self._kept is None else self._kept.best

    def begin_epoch(self) -> None:
        """From now on the model's numbers are those of no whole epoch."""
        if self._kept is not None:
            self._kept = replace(self._kept, live=False)

    def end_epoch(self, info: RunInfo) -> None:
        """Take in an epoch that is over, and write it if it is time."""
        kept = self._kept
        if kept is None or not self._choosing or _rank(info) >= _rank(kept.best):
            kept = _Kept(info, info, self._average.weights() if self._choosing else None)
        else:
            kept = replace(kept, last=info, live=True)
        self._kept = kept
        if time.monotonic() >= self._due:
            self._write(kept)
        else:
            self._copy.take()

    def flush(self) -> None:
        """Write the last whole epoch, if it is not on disk yet, with the model set back to it."""
        kept = self._kept
        if kept is None or self.written == kept.last.epoch:
            return
        if not kept.live:
            self._copy.put_back()
            self._kept = kept = replace(kept, live=True)
        self._write(kept)

    def _write(self, kept: _Kept) -> None:
        """The best before the last: whoever continues from an older last meets the best epoch again."""
        weights = self._average.weights()
        self._log.sync()
        if kept.best.epoch != self._best_written:
            own = weights if kept.best_weights is None else kept.best_weights
            save_checkpoint(self._run_dir, "best", own, kept.best)
            self._best_written = kept.best.epoch
        resume = self._optimizer.state()
        if self._average.decay:
            resume |= {f"raw.{name}": tensor.clone() for name, tensor in self._model.state_dict().items()}
        save_checkpoint(self._run_dir, "last", weights, kept.last, resume)
        self.written = kept.last.epoch
        self._kept = replace(kept, best_weights=None)
        self._due = time.monotonic() + KEEP_EVERY


class _Copy:
    """A second set of the numbers that training changes; made when first needed, which long epochs never do."""

    def __init__(self, live: Sequence[Tensor]) -> None:
        self._live = live
        self._own: list[Tensor] | None = None

    def take(self) -> None:
        if self._own is None:
            self._own = [torch.empty_like(tensor) for tensor in self._live]
        for own, live in zip(self._own, self._live, strict=True):
            own.copy_(live)

    def put_back(self) -> None:
        assert self._own is not None, "an epoch that was not written was copied"
        for own, live in zip(self._own, self._live, strict=True):
            live.copy_(own)


def _rank(info: RunInfo) -> tuple[float, float]:
    """Higher is better: top-1, then lower loss; an epoch that was not validated is the worst."""
    top1, loss = info.metrics["val_top1"], info.metrics["val_loss"]
    return (-1.0, 0.0) if top1 is None else (top1, -loss)
