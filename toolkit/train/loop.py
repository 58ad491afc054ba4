"""The training loop: one mode-blind loop over epochs, with checkpoints it can continue from bit for bit.

Every epoch seeds torch's generator from (seed, epoch), so the state between two epochs is weights, averaged
weights and the optimiser, and nothing else. Knows nothing about the terminal: a callback gets every epoch.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from toolkit.errors import TrainingError
from toolkit.metrics import top5_tells
from toolkit.process_memory import forget_start, give_back_memory
from toolkit.train.allocator import without_cycle_search
from toolkit.train.augment import make_augmentation
from toolkit.train.checkpoint import RunInfo, read_checkpoint
from toolkit.train.dataset import LabelledClips, VideoClips
from toolkit.train.few_clips import for_few_clips
from toolkit.train.keep import Keeper
from toolkit.train.log import EpochRow, RunLog, draw_curves, peak_rss_mib
from toolkit.train.model import ModelSpec, SignClassifier
from toolkit.train.optimizer import Average, FlatAdamW, learning_rate
from toolkit.train.out_of_memory import cured_memory_errors
from toolkit.train.same_data import Data, what_changed
from toolkit.train.settings import Settings
from toolkit.train.stems import PoseStem
from toolkit.train.validate import EVAL_BATCH, NOT_VALIDATED, validate


@dataclass(frozen=True)
class Outcome:
    """How a run ended. metrics: validation figures of the best epoch (see Trainer)."""

    epochs: int
    best_epoch: int
    metrics: dict[str, Any]
    parameters: int


class Trainer:
    """Trains one model in one run directory.

    val None: there is nothing to choose by, so the best epoch is the last one. extractor: the store's
    fingerprint; facts: what the checkpoint should say about its training, with facts["clips"] naming the very
    clips. resume: continue from last.safetensors, on the same clips only. start: weights to begin with in place of
    random ones (train/start); of no account where a run is continued. Metrics of a checkpoint: val_top1,
    val_top5 (fractions), val_loss, n_val, val_top1_interval (95 %, Wilson); None without validation clips. Beside
    them, where the epoch was validated: temperature, fitted on the validation clips, what logits are to be divided
    by, and ece_uncalibrated and ece, the expected calibration error (0..1) on them before and after.

    Raises:
        TrainingError: the loss is not finite (names epoch, batch and clips), memory ran out (says what to lower),
            or resume with other clips.
        ConfigError: resume without a checkpoint.
    """

    def __init__(
        self,
        settings: Settings,
        spec: ModelSpec,
        train: LabelledClips,
        val: LabelledClips | None,
        run_dir: Path,
        extractor: dict[str, str | int | float],
        facts: dict[str, Any],
        resume: bool = False,
        start: Mapping[str, Tensor] | None = None,
    ) -> None:
        settings = for_few_clips(settings, len(train))
        self.settings, self.spec, self.train, self.val = settings, spec, train, val
        self.run_dir, self.extractor, self.facts = run_dir, extractor, facts
        self.augment = make_augmentation(spec.mode, settings.augmentation, spec.layout)
        torch.manual_seed(settings.training.seed)
        self.model = SignClassifier(spec)
        self.optimizer = FlatAdamW(self.model, settings.training)
        before: tuple[RunInfo, RunInfo] | None = None
        if resume:
            self.average = Average(self.model, self.optimizer, settings.training.ema)
            before = self._continue()
        else:
            if start is None:
                self.model.fit_normalization(self._augmented_batches())
            else:  # the figures to standardise by are among them
                self.model.load_state_dict({**self.model.state_dict(), **start})
            self.average = Average(self.model, self.optimizer, settings.training.ema)
        self.log = RunLog(run_dir, 0 if before is None else before[0].epoch)
        choosing = val is not None and settings.training.choose == "best"
        self.keeper = Keeper(run_dir, self.log, self.model, self.optimizer, self.average, choosing, before)

    def run(self, on_epoch: Callable[[EpochRow], None]) -> Outcome:
        """Train to the last epoch. A KeyboardInterrupt passes through, with the last whole epoch on disk."""
        self._since = time.perf_counter()
        try:
            while self.epoch < self.settings.training.epochs and not self._hopeless():
                self.keeper.begin_epoch()
                with cured_memory_errors(self.settings, self.spec.num_frames), without_cycle_search():
                    row, validation = self._one_epoch(self.epoch + 1)
                self.log.append(row)
                self.keeper.end_epoch(self._info(row, validation))
                on_epoch(row)
        finally:
            self.keeper.flush()
        best = self.keeper.best
        assert best is not None, "a run has at least one epoch"
        give_back_memory()  # of the steps, before pictures are drawn
        forget_start()
        draw_curves(self.log.rows, self.run_dir / "curves.png", best.epoch, top5_tells(self.spec.num_classes))
        return Outcome(self.epoch, best.epoch, best.metrics, self.model.num_parameters)

    @property
    def epoch(self) -> int:
        """The last whole epoch (1-based), 0 before the first."""
        return self.keeper.epoch

    def _hopeless(self) -> bool:
        """Whether training.patience is over: the last epochs brought no better top-1 on validation clips."""
        patience = self.settings.training.patience
        if not patience or self.val is None or not self.epoch:
            return False
        known = [row for row in self.log.rows if row.val_top1 is not None]
        best = max(known, key=lambda row: (row.val_top1, -row.epoch), default=None)
        return best is not None and self.epoch - best.epoch >= patience

    def _one_epoch(self, epoch: int) -> tuple[EpochRow, dict[str, Any]]:
        """Its row, and the metrics of validate."""
        training = self.settings.training
        torch.manual_seed((training.seed << 20) + epoch)
        self.model.train()
        batches = torch.split(torch.randperm(len(self.train)), training.batch_size)
        first_step, all_steps = (epoch - 1) * len(batches), training.epochs * len(batches)
        loss_sum, hits, rate = 0.0, 0, 0.0
        for number, indices in enumerate(batches):
            rate = learning_rate(first_step + number, all_steps, training)
            if isinstance(self.train, VideoClips) and number + 1 < len(batches):
                self.train.prefetch([*indices.tolist(), *batches[number + 1].tolist()])
            loss, correct = self._step(indices, rate, first_step + number)
            if not math.isfinite(loss):
                raise TrainingError(
                    f"the loss became {loss} in epoch {epoch}, batch {number + 1} of {len(batches)}: lower "
                    f"training.learning_rate (it is {training.learning_rate}), or look for broken clips; those of "
                    f"the batch: {', '.join(self.train.ids[int(index)] for index in indices)}"
                )
            loss_sum += loss * len(indices)
            hits += correct
        due = epoch % training.validate_every == 0 or epoch == training.epochs
        validation = NOT_VALIDATED
        if due and self.val is not None:
            with self.average.in_place():
                validation = validate(self.model, self.val)
        began, self._since = self._since, time.perf_counter()
        row = EpochRow(
            epoch=epoch,
            train_loss=loss_sum / len(self.train),
            train_top1=hits / len(self.train),
            val_loss=validation["val_loss"],
            val_top1=validation["val_top1"],
            val_top5=validation["val_top5"],
            learning_rate=rate,
            seconds=round(self._since - began, 4),
            peak_rss_mib=round(peak_rss_mib(), 1),
        )
        return row, validation

    def _step(self, indices: Tensor, rate: float, step: int) -> tuple[float, int]:
        """One batch: (loss, how many were right)."""
        training = self.settings.training
        clips = torch.from_numpy(self.train.batch(indices.numpy()))
        labels = torch.from_numpy(self.train.labels)[indices]
        if self.augment is not None:
            clips = self.augment(clips)
        stem, augmentation = self.model.stem, self.settings.augmentation
        features = stem.features(clips)  # never in low precision: distances are differences
        if isinstance(stem, PoseStem) and augmentation.enabled and augmentation.drop_piece:
            features = stem.drop_pieces(features, augmentation.drop_piece)
        with torch.autocast("cpu", torch.bfloat16, enabled=training.precision == "bf16"):
            logits, loss = self._loss(features, labels)
        self.optimizer.step(loss, rate)
        self.average.update(step)
        return float(loss.detach()), int((logits.argmax(1) == labels).sum())

    def _loss(self, features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """(logits, loss) of a batch; with mixup each clip is blended with another one, and so are the labels."""
        training = self.settings.training
        embeddings = self.model.stem.embed(features)
        share, other = None, labels
        if training.mixup:
            share = torch.distributions.Beta(training.mixup, training.mixup).sample((len(labels),))
            share = torch.maximum(share, 1 - share)  # the larger share is the clip that hits are counted for
            order = torch.randperm(len(labels))
            embeddings = torch.lerp(embeddings[order], embeddings, share[:, None, None].to(embeddings.dtype))
            other = labels[order]
        logits = self.model.classify(embeddings)
        smoothing = training.label_smoothing
        if share is None:
            return logits, nn.functional.cross_entropy(logits, labels, label_smoothing=smoothing)
        first, second = (
            nn.functional.cross_entropy(logits, wanted, label_smoothing=smoothing, reduction="none")
            for wanted in (labels, other)
        )
        return logits, (share * first + (1 - share) * second).mean()

    def _info(self, row: EpochRow, validation: dict[str, Any]) -> RunInfo:
        metrics = validation | {"n_val": 0 if self.val is None else len(self.val)}
        return RunInfo(self.spec, self.train.glosses, self.extractor, self.facts, metrics, row.epoch)

    def _continue(self) -> tuple[RunInfo, RunInfo]:
        """Take up where last.safetensors stops: (what it is, what best.safetensors is)."""
        info, weights, resume = read_checkpoint(self.run_dir, "last")
        before = Data(info.training["clips"], info.glosses, info.extractor, asdict(info.spec))
        now = Data(self.facts["clips"], self.train.glosses, self.extractor, asdict(self.spec))
        if changes := what_changed(before, now):
            raise TrainingError(
                f"{self.run_dir} cannot be continued, because a run is continued on the very same clips only. What "
                f"changed: {'; '.join(changes)}. Leave --resume out and give another --output_dir for a new run"
            )
        if (began := info.training.get("started_from")) is not None:
            self.facts = self.facts | {"started_from": began}
        raw = {
            name.removeprefix("raw."): tensor for name, tensor in resume.items() if name.startswith("raw.")
        }
        self.model.load_state_dict(raw or weights)
        self.average.load(weights)
        self.optimizer.restore(resume)
        return info, read_checkpoint(self.run_dir, "best")[0]

    def _augmented_batches(self) -> Iterator[Tensor]:
        """Training clips as the model will see them, for the standardisation figures."""
        for indices in torch.split(torch.arange(len(self.train)), EVAL_BATCH[self.spec.mode]):
            clips = torch.from_numpy(self.train.batch(indices.numpy()))
            yield clips if self.augment is None else self.augment(clips)
