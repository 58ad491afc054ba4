"""The real clips that an export is compared and calibrated on: those the run was validated on, by its config.

Knows where a run's clips are, not what is done with them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from toolkit.config import Settings, load_settings
from toolkit.errors import ExportError, StoreError, StoreMismatchError
from toolkit.store import FeatureStore
from toolkit.train.checkpoint import RunInfo
from toolkit.train.dataset import LabelledClips, StoreClips, VideoClips, open_store
from toolkit.train.prepare import indexed_clips

MAX_CLIPS, MAX_VIDEOS = 256, 8  # decoding a video takes longer than all the rest of an export
MAX_LABELLED_VIDEOS = 48  # to calibrate on: 115 MB
BATCH, VIDEO_BATCH = 32, 4
_Item = TypeVar("_Item")


def real_clips(run_dir: Path, info: RunInfo, store: Path | None = None) -> Iterator[NDArray[Any]]:
    """Batches (N, T, *item_shape) of validation clips of the run's glosses, or of training clips if none.

    What is wrong with them is found at once; their values are read batch by batch.

    store: where the run's feature store is now, if it was moved since training; not for mode video.

    Raises:
        ConfigError, IndexFileError: the run's config or index cannot be read.
        StoreError, StoreMismatchError: the store is gone, or holds the output of another extractor.
        ExportError: there is no clip of the run's glosses.
    """
    settings = load_settings(run_dir / "config.yaml")
    if info.spec.mode == "video":
        return _videos(settings, info)
    return _stored(store if store is not None else settings.store_dir, settings, info)


def validation_clips(run_dir: Path, info: RunInfo, store: Path | None = None) -> LabelledClips | None:
    """The clips that the run was validated on, with labels; None where it was validated on none.

    Of many videos MAX_LABELLED_VIDEOS are taken, evenly over all. Arguments and errors as `real_clips`.
    """
    settings = load_settings(run_dir / "config.yaml")
    data = settings.data
    signers = _val_signers(info)
    if not signers and data.val_split in data.train_splits:
        return None
    splits = [*data.train_splits, data.val_split] if signers else [data.val_split]

    def validates(item: Any) -> bool:
        chosen = item.split in splits and (not signers or item.signer in signers)
        return chosen and item.gloss in info.glosses

    if info.spec.mode == "video":
        videos = [clip for clip in indexed_clips(settings) if validates(clip)]
        if not videos:
            return None
        return VideoClips(_spread(videos, MAX_LABELLED_VIDEOS), info.spec.num_frames, info.glosses)
    opened = _opened(store if store is not None else settings.store_dir, info)
    if not any(validates(record) for record in opened.records):
        return None
    of_signer = signers.__contains__ if signers else None
    return StoreClips(opened, splits, info.spec.num_frames, info.glosses, None, of_signer)


def _stored(path: Path, settings: Settings, info: RunInfo) -> Iterator[NDArray[Any]]:
    store = _opened(path, info)
    chosen = _validated([record for record in store.records if record.gloss in info.glosses], settings, info)
    ids = [record.id for record in _spread(chosen, MAX_CLIPS)]
    return (store.load(ids[start : start + BATCH]) for start in range(0, len(ids), BATCH))


def _opened(path: Path, info: RunInfo) -> FeatureStore:
    try:
        store = open_store(path, info.spec.mode)
    except StoreError as error:
        raise StoreError(
            f"an export is compared with torch on the clips of the run, but: {error}. "
            "If the store was moved since training, name it with --store"
        ) from error
    if store.spec.extractor != info.extractor or store.spec.item_shape != info.spec.item_shape:
        raise StoreMismatchError(
            f"{path} is not the store that this run was trained on: trained on {info.extractor}, "
            f"{info.spec.item_shape}; found {store.spec.extractor}, {store.spec.item_shape}. "
            "Name the right one with --store"
        )
    return store


def _videos(settings: Settings, info: RunInfo) -> Iterator[NDArray[Any]]:
    chosen = _validated(
        [clip for clip in indexed_clips(settings) if clip.gloss in info.glosses], settings, info
    )
    clips = VideoClips(_spread(chosen, MAX_VIDEOS), info.spec.num_frames, info.glosses)
    starts = range(0, len(clips), VIDEO_BATCH)
    return (clips.batch(range(start, min(start + VIDEO_BATCH, len(clips)))) for start in starts)


def _val_signers(info: RunInfo) -> frozenset[str]:
    """The signers that the run was validated on and not trained on, named or drawn; none for a split by index."""
    return frozenset(info.training.get("val_signers", ()))


def _validated(items: Sequence[Any], settings: Settings, info: RunInfo) -> Sequence[Any]:
    """Those the run was validated on: of the held-out signers, or of the validation split; or of the training
    splits when there are none."""
    data, signers = settings.data, _val_signers(info)
    every = (*data.train_splits, data.val_split)
    held_out = [item for item in items if item.signer in signers and item.split in every]
    if held_out:
        return held_out
    for splits in ([data.val_split], data.train_splits):
        found = [item for item in items if item.split in splits]
        if found:
            return found
    raise ExportError(
        f"no clip of the run's glosses is left in the splits {settings.data.val_split} and "
        f"{', '.join(settings.data.train_splits)}, so the export cannot be compared with torch; nothing was "
        "written. Extract some of them again"
    )


def _spread(items: Sequence[_Item], most: int) -> list[_Item]:
    """At most so many of them, evenly over the whole list."""
    return [items[int(index)] for index in np.linspace(0, len(items) - 1, min(most, len(items))).round()]
