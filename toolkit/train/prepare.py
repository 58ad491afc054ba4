"""From settings to what training and evaluation need: clips with labels, the model's spec, where they are from."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor

from toolkit.class_list import read_class_list
from toolkit.clips import Clip, read_wlasl
from toolkit.errors import ConfigError, TrainingError
from toolkit.recordings import read_index
from toolkit.store import FeatureStore, Record
from toolkit.train.dataset import LabelledClips, StoreClips, VideoClips, count_without_features, open_store
from toolkit.train.few_clips import for_few_clips
from toolkit.train.learnt_clips import KnownClip, known_clips
from toolkit.train.model import ModelSpec
from toolkit.train.settings import Settings
from toolkit.train.split import (
    check_signers,
    choose_val_signers,
    counted,
    warn_of_class_list,
    warn_of_duplicates,
    warn_of_few,
    warn_of_seen_signers,
)
from toolkit.train.start import read_start

Taken = TypeVar("Taken", Clip, Record)


@dataclass(frozen=True)
class Prepared:
    """Everything a Trainer takes. val is None where no clip of the validation split is there; notes: for people.

    skipped: reason -> how many clips were left out, both splits together. start: weights to begin with, None for
    random ones; clips: what clips.csv is to say.
    """

    train: LabelledClips
    val: LabelledClips | None
    spec: ModelSpec
    extractor: dict[str, str | int | float]
    facts: dict[str, Any]
    skipped: dict[str, int]
    notes: tuple[str, ...]
    start: Mapping[str, Tensor] | None
    clips: tuple[KnownClip, ...]


def prepare(settings: Settings, resume: bool = False) -> Prepared:
    """Read the clips that the settings name. resume: for a run that goes on, and needs no other run to start from.

    Raises:
        ConfigError: settings and clips contradict each other, or the run to start from does not fit.
        StoreError, IndexFileError: the store or index cannot be used.
        TrainingError: there are no training clips, or of one gloss only.
    """
    data = settings.data
    splits, notes = data.train_splits, list[str]()
    unseen = frozenset(data.val_signers)
    train: StoreClips | VideoClips
    val: StoreClips | VideoClips | None = None
    if data.split_by == "signer":
        splits = [*splits, *({data.val_split} - set(splits))]
        unseen = frozenset(_drawn_signers(settings, splits))
        notes.append(f"validated on signers that training does not see: {', '.join(sorted(unseen))}")
    val_splits = [*splits, data.val_split] if unseen else [data.val_split]
    if settings.mode == "video":
        clips = indexed_clips(settings)
        check_signers(unseen, [clip for clip in clips if clip.split in val_splits])
        signer_of = {clip.id: clip.signer for clip in clips}
        there = Counter(clip.split for clip in clips)
        chosen = [clip for clip in clips if clip.split in splits and clip.signer not in unseen]
        workers, cache = data.decode_workers, data.cache_mib
        train = VideoClips(chosen, data.num_frames, None, workers, data.max_glosses, cache)
        val_clips = [clip for clip in _validated(clips, val_splits, unseen) if clip.gloss in train.glosses]
        if val_clips and (unseen or data.val_split not in splits):
            val = VideoClips(val_clips, data.num_frames, train.glosses, workers, cache_mib=cache)
        extractor: dict[str, str | int | float] = {}
        layout, skipped = "", merged(train, val)
    else:
        store = open_store(settings.store_dir, settings.mode)
        check_signers(unseen, [record for record in store.records if record.split in val_splits])
        signer_of = {record.id: record.signer for record in store.records}
        there = Counter(record.split for record in store.records)
        seen = (lambda signer: signer not in unseen) if unseen else None
        train = StoreClips(store, splits, data.num_frames, None, data.max_glosses, seen)
        if (unseen or data.val_split not in splits) and any(
            record.gloss in train.glosses for record in _validated(store.records, val_splits, unseen)
        ):
            held_out = unseen.__contains__ if unseen else None
            val = StoreClips(store, val_splits, data.num_frames, train.glosses, None, held_out)
        extractor, layout = store.spec.extractor, store.spec.layout
        skipped = merged(train, val) | _without_features(settings, store)
    if len(train.glosses) < 2:
        raise TrainingError(
            f"the training clips show only the gloss '{train.glosses[0]}'; 2 or more are needed"
        )
    if layout == "body" and settings.augmentation.hand_rotation:
        notes.append(
            "these settings are for hands (augmentation.hand_rotation), and the store has none: with "
            "toolkit extract --landmarks body_hands --num_frames 32 more signs are recognised"
        )
    notes += warn_of_few(train.glosses[label] for label in train.labels)
    if data.class_list is not None:
        notes += warn_of_class_list(read_class_list(Path(data.class_list)), train.glosses)
    learnt = known_clips("train", train)
    validated = [] if val is None else known_clips("val", val)
    if val is not None:
        notes += warn_of_duplicates(
            *({clip.id: clip.content for clip in part if clip.content} for part in (learnt, validated))
        )
        notes += warn_of_seen_signers(*([signer_of[name] for name in part.ids] for part in (train, val)))
    else:
        what = f"signers {', '.join(sorted(unseen))}" if unseen else f"split '{data.val_split}'"
        others = ", ".join(f"{split} ({there[split]})" for split in sorted({*there} - {*splits, ""}))
        notes.append(
            f"no clips of {what} to validate on: the last epoch counts as the best, and how good it is stays unknown"
            + (
                f". Others that there are: {others}: --set data.val_split=NAME"
                if others and not unseen
                else ""
            )
        )
    notes += [f"{counted(count, 'clip')} skipped: {reason}" for reason, count in skipped.items()]
    as_run = for_few_clips(settings, len(train))
    if as_run != settings:
        size, epochs = as_run.training.batch_size, as_run.training.epochs
        notes.append(
            f"{counted(len(train), 'training clip')} are few, so that the network sees them more often: batches of "
            f"{size} and {epochs} epochs instead of {settings.training.batch_size} and {settings.training.epochs} "
            "(training.min_steps)"
        )
    model = settings.model
    spec = ModelSpec(
        mode=settings.mode,
        item_shape=train.item_shape,
        layout=layout,
        num_frames=train.num_frames,
        num_classes=len(train.glosses),
        embed_dim=model.embed_dim,
        num_heads=model.num_heads,
        num_layers=model.num_layers,
        ff_dim=model.ff_dim,
        dropout=model.dropout,
        normalization=model.normalization,
        features=settings.features.on,
        both_ways=model.both_ways,
    )
    known, start, started_from = [*learnt, *validated], None, {}
    if settings.training.start_from is not None and not resume:
        found = read_start(Path(settings.training.start_from), spec, extractor, validated)
        notes += found.notes
        known += found.learnt or []
        start = found.weights
        started_from = {"started_from": {"train_clips": found.train_clips, "glosses": found.glosses}}
    facts = {
        "train_splits": list(splits),
        "train_clips": len(train),
        "val_split": ", ".join(val_splits),
        "val_signers": sorted(unseen),
        "val_clips": 0 if val is None else len(val),
        "clips": {"train": _digest(train), "val": _digest(val)},
        "skipped": skipped,
        "settings": as_run.model_dump(mode="json", include={"model", "training", "features", "augmentation"}),
        **started_from,
    }
    return Prepared(train, val, spec, extractor, facts, skipped, tuple(notes), start, tuple(known))


def _drawn_signers(settings: Settings, splits: Sequence[str]) -> tuple[str, ...]:
    """The signers to validate on, drawn by the run's seed among those of the splits."""
    if settings.mode == "video":
        return choose_val_signers(
            [clip for clip in indexed_clips(settings) if clip.split in splits], settings.training.seed
        )
    store = open_store(settings.store_dir, settings.mode)
    return choose_val_signers(
        [record for record in store.records if record.split in splits], settings.training.seed
    )


def _validated(clips: Sequence[Taken], splits: Sequence[str], signers: frozenset[str]) -> list[Taken]:
    """Those of the splits; of the signers only, if any are named."""
    return [clip for clip in clips if clip.split in splits and (not signers or clip.signer in signers)]


def indexed_clips(settings: Settings) -> Sequence[Clip]:
    """The clips of the index that the settings name, of all splits, with the video file there.

    Raises:
        ConfigError: the settings name none. IndexFileError: it cannot be used.
    """
    data = settings.data
    if data.index is not None:
        return read_index(Path(data.index)).limited(data.max_videos).clips
    if data.json_path is None or data.video_dir is None:
        raise ConfigError("no index is named: set data.json_path and data.video_dir, or data.index")
    class_list = None if data.class_list is None else Path(data.class_list)
    subset = None if data.subset is None else Path(data.subset)
    index = read_wlasl(Path(data.json_path), Path(data.video_dir), class_list, None, subset)
    return index.limited(data.max_videos).clips


def merged(*clips: LabelledClips | None) -> dict[str, int]:
    """What several data sets left out, added up by reason."""
    total: dict[str, int] = {}
    for part in clips:
        for reason, count in ({} if part is None else part.skipped).items():
            total[reason] = total.get(reason, 0) + count
    return total


def _digest(clips: LabelledClips | None) -> str:
    """Number of clips and a hash of their ids and glosses: the same only for the very same data set."""
    if clips is None:
        return "0"
    text = json.dumps(
        [[name, clips.glosses[label]] for name, label in zip(clips.ids, clips.labels, strict=True)]
    )
    return f"{len(clips)}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _without_features(settings: Settings, store: FeatureStore) -> dict[str, int]:
    """Clips that training asks for and the store lacks; without an index, those that extraction gave up on."""
    if settings.data.json_path is None and settings.data.index is None:
        return {"extraction could not use the video": len(store.failures)} if store.failures else {}
    splits = {*settings.data.train_splits, settings.data.val_split}
    asked = [clip for clip in indexed_clips(settings) if clip.split in splits]
    missing = count_without_features(store, asked)
    return {"no features in the store": missing} if missing else {}
