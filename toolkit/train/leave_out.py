"""How well a recipe does on people it has never seen: train once per signer on all others, measure on that one.

Knows nothing about the terminal.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit.config import load_settings
from toolkit.errors import ConfigError
from toolkit.metrics import t_interval, wilson_interval
from toolkit.train.dataset import open_store
from toolkit.train.learnt_clips import learnt_already
from toolkit.train.loop import Trainer
from toolkit.train.prepare import Prepared, indexed_clips, prepare
from toolkit.train.settings import Settings
from toolkit.train.split import signers_of
from toolkit.untrusted import listed
from toolkit.whole_file import write_whole


@dataclass(frozen=True)
class Fold:
    """One signer, who was left out. top1, top5: fractions of n clips; interval: 95 %, Wilson, of top1."""

    signer: str
    n: int
    train_clips: int
    top1: float
    top5: float
    interval: tuple[float, float]


def leave_signers_out(settings: Settings, folder: Path, on_fold: Callable[[Fold], None]) -> list[Fold]:
    """One fold per signer, in runs of their own below `folder`; a second call continues.

    All clips of the training and validation splits take part. The last weights count: the best epoch could only
    be chosen by the very signer it is measured on.

    Raises:
        ConfigError: clips name no signers, or fewer than two. TrainingError: as Trainer.
    """
    data = settings.data
    splits = [*data.train_splits, *({data.val_split} - set(data.train_splits))]
    if settings.mode == "video":
        signers = signers_of([clip for clip in indexed_clips(settings) if clip.split in splits])
    else:
        store = open_store(settings.store_dir, settings.mode)
        signers = signers_of([record for record in store.records if record.split in splits])
    folds = []
    for number, signer in enumerate(signers, 1):
        own = _for_signer(settings, signer, splits)
        run_dir = folder / f"fold-{number}"  # a signer's name may be no file name
        run_dir.mkdir(parents=True, exist_ok=True)
        config, text = run_dir / "config.yaml", own.to_yaml()
        begun = config.is_file() and config.read_text(encoding="utf-8") == text
        resume = begun and (run_dir / "last.safetensors").is_file()
        prepared = prepare(own)
        _refuse_learnt(own, prepared)
        if prepared.val is None:
            raise ConfigError(f"no clip of signer '{signer}' shows a gloss that the others show too")
        write_whole(config, text.encode())
        trainer = Trainer(
            own,
            prepared.spec,
            prepared.train,
            prepared.val,
            run_dir,
            prepared.extractor,
            prepared.facts,
            resume,
            prepared.start,
        )
        metrics = trainer.run(lambda row: None).metrics
        n = len(prepared.val)
        interval = wilson_interval(metrics["val_top1"], n)
        fold = Fold(signer, n, len(prepared.train), metrics["val_top1"], metrics["val_top5"], interval)
        folds.append(fold)
        on_fold(fold)
    return folds


def folds_summary(folds: list[Fold]) -> dict[str, Any]:
    """As JSON values: top1, top5 (means over signers), interval (of the mean of top1, Student's t over signers,
    which are what differs), n clips, signers: name -> {top1, top5, n, interval}."""
    top1 = [fold.top1 for fold in folds]
    low, high = t_interval(top1)
    return {
        "top1": statistics.fmean(top1),
        "top5": statistics.fmean(fold.top5 for fold in folds),
        "n": sum(fold.n for fold in folds),
        "interval": [max(0.0, low), min(1.0, high)],
        "signers": {
            fold.signer: {"top1": fold.top1, "top5": fold.top5, "n": fold.n, "interval": list(fold.interval)}
            for fold in folds
        },
    }


def _refuse_learnt(settings: Settings, prepared: Prepared) -> None:
    """Raise ConfigError where the run that is started from has learnt clips of the signer who is left out."""
    before = [clip for clip in prepared.clips if clip.part == "before"]
    if again := learnt_already([clip for clip in prepared.clips if clip.part == "val"], before):
        raise ConfigError(
            f"training.start_from: {settings.training.start_from} has learnt {len(again)} clips of the signer "
            f"'{settings.data.val_signers[0]}' ({listed(again, 3)}), so this person would be no stranger. "
            "Evaluate a run that starts at random, or from one on other clips"
        )


def _for_signer(settings: Settings, signer: str, splits: list[str]) -> Settings:
    changes: dict[str, Any] = {
        "data.val_signers": [signer],
        "data.split_by": "index",
        "data.train_splits": splits,
        "training.choose": "last",
        "training.patience": 0,
        "training.validate_every": settings.training.epochs,
    }
    given = settings.model_dump(mode="json")
    flat = {f"{section}.{key}": value for section, keys in given.items() for key, value in keys.items()}
    return load_settings(None, flat | changes)
