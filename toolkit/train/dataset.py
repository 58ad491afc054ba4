"""Clips with labels, gathered by index: from a feature store or decoded from videos, both on the fly.

Both classes look the same to training. Order is by clip id, so a result does not depend on the order in which
clips were extracted. Knows nothing about torch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from itertools import compress
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from toolkit.clips import Clip
from toolkit.errors import ConfigError, StoreError, TrainingError
from toolkit.store import FeatureStore
from toolkit.store.files import DATA_FILE, INDEX_FILE
from toolkit.train.split import counted

VIDEO_SIZE = (224, 224)  # width, height in pixels: the guide's frame size
VIDEO_FRAMES = 16  # the guide's --num_frames
HASHED_BYTES = 2**20


class LabelledClips(Protocol):
    """What training and evaluation need of a data set.

    ids, labels (N,) int64 and glosses belong together: labels index glosses. skipped: reason -> how many
    clips were left out.
    """

    ids: tuple[str, ...]
    labels: NDArray[np.int64]
    glosses: tuple[str, ...]
    skipped: dict[str, int]
    num_frames: int
    item_shape: tuple[int, ...]

    def batch(self, indices: Sequence[int] | NDArray[np.integer]) -> NDArray[Any]:
        """(B, num_frames, *item_shape) of the clips at these positions."""

    def __len__(self) -> int: ...


class StoreClips:
    """The clips of some splits of a feature store, read batch by batch after one look through all of them.

    glosses: the label order; None takes the sorted glosses of these clips (the first max_glosses of them), and
    leaves out clips in which nothing at all was found (they teach nothing). With glosses given, as for
    validation, such clips stay: they count as mistakes; clips of other glosses are left out and counted.
    of_signer: whether to take a signer's clips, by name; None takes all.

    Raises:
        ConfigError: num_frames is larger than the store's.
        TrainingError: no clip is left.
    """

    def __init__(
        self,
        store: FeatureStore,
        splits: Sequence[str],
        num_frames: int | None = None,
        glosses: tuple[str, ...] | None = None,
        max_glosses: int | None = None,
        of_signer: Callable[[str], bool] | None = None,
    ) -> None:
        stored = store.spec.num_frames
        self.num_frames = stored if num_frames is None else num_frames
        self.item_shape = store.spec.item_shape
        if self.num_frames > stored:
            raise ConfigError(
                f"num_frames {self.num_frames} is more than the {stored} frames per clip in the store: use "
                f"--num_frames {stored} or less, or extract again with --num_frames {self.num_frames}"
            )
        chosen = [
            record
            for record in store.records
            if record.split in splits and (of_signer is None or of_signer(record.signer))
        ]
        self.skipped: dict[str, int] = {}
        training = glosses is None
        if glosses is None:
            glosses = tuple(sorted({record.gloss for record in chosen})[:max_glosses])
        known = [record for record in chosen if record.gloss in glosses]
        if not training:
            _count(self.skipped, "gloss is not among the trained ones", len(chosen) - len(known))
        rows = store.rows([record.id for record in known])
        digests = [_digest(values) for values in rows.checked()]
        wanted = [not training or bool(digest) for digest in digests]
        _count(self.skipped, "nothing was found in any frame", wanted.count(False))
        chosen = list(compress(known, wanted))
        if training:
            glosses = tuple(sorted({record.gloss for record in chosen}))
        if not chosen:
            there = ", ".join(sorted({record.split or "(none)" for record in store.records})) or "no clips"
            raise TrainingError(
                f"no usable clip of split {' or '.join(splits)} in the store, which has: {there}. Extract them "
                f"with: toolkit extract ... --split {splits[0]}"
            )
        self._frames: list[int] | None = None
        if self.num_frames != stored:
            from toolkit.video_order import wanted_indices

            self._frames = list(wanted_indices(stored, self.num_frames))
        self._rows, self._digests = rows.only(wanted), list(compress(digests, wanted))
        self.ids = tuple(record.id for record in chosen)
        self.glosses = glosses
        self.labels = _labels([record.gloss for record in chosen], glosses)

    def batch(self, indices: Sequence[int] | NDArray[np.integer]) -> NDArray[np.float32]:
        """(B, num_frames, *item_shape) float32."""
        values = self._rows[indices]
        return values if self._frames is None else values.take(self._frames, axis=1)

    def contents(self) -> dict[str, str]:
        """id -> text that is equal only for clips of equal values; clips in which nothing was found are left out."""
        return {name: digest for name, digest in zip(self.ids, self._digests, strict=True) if digest}

    def __len__(self) -> int:
        return len(self.ids)


def _digest(values: NDArray[np.float32]) -> str:
    """The same only for equal values; "" where nothing was found."""
    return hashlib.sha256(values.tobytes()).hexdigest() if np.isfinite(values).any() else ""


class VideoClips:
    """Videos, decoded by worker processes, those used last kept in memory. Those that give no frame are left out.

    workers: processes; cache_mib: MiB of decoded clips that are kept (the longest unused goes first).

    Raises:
        TrainingError: no clip is left.
        WorkerError: a worker died, most likely because memory ran out.
    """

    def __init__(
        self,
        clips: Iterable[Clip],
        num_frames: int | None = None,
        glosses: tuple[str, ...] | None = None,
        workers: int = 2,
        max_glosses: int | None = None,
        cache_mib: int = 96,
    ) -> None:
        from toolkit.train.decoder import Decoder  # brings the video libraries: 45 MiB that stores do without

        self.num_frames = num_frames or VIDEO_FRAMES
        self.item_shape: tuple[int, ...] = (VIDEO_SIZE[1], VIDEO_SIZE[0], 3)
        self.skipped: dict[str, int] = {}
        chosen = sorted(clips, key=lambda clip: clip.id)
        if glosses is None:
            glosses = tuple(sorted({clip.gloss for clip in chosen})[:max_glosses])
        elif len(known := [clip for clip in chosen if clip.gloss in glosses]) < len(chosen):
            _count(self.skipped, "gloss is not among the trained ones", len(chosen) - len(known))
        chosen = [clip for clip in chosen if clip.gloss in glosses]
        self._decoder = Decoder(workers, self.num_frames, VIDEO_SIZE, cache_mib)
        readable = self._decoder.readable(chosen)
        _count(self.skipped, "the video gives no frame", readable.count(False))
        self._clips = [clip for clip, reads in zip(chosen, readable, strict=True) if reads]
        if not self._clips:
            raise TrainingError(
                "no readable video of these splits and glosses: check the index and --video_dir"
            )
        self.ids = tuple(clip.id for clip in self._clips)
        self.glosses = glosses
        self.labels = _labels([clip.gloss for clip in self._clips], glosses)

    def batch(self, indices: Sequence[int] | NDArray[np.integer]) -> NDArray[np.uint8]:
        """(B, num_frames, 224, 224, 3) uint8 RGB.

        Raises:
            VideoReadError: a video that was readable before is not any more.
        """
        return self._decoder.batch([self._clips[int(index)] for index in indices])

    def prefetch(self, indices: Sequence[int] | NDArray[np.integer]) -> None:
        """Have the clips of a later batch decoded in the meantime."""
        self._decoder.start([self._clips[int(index)] for index in indices])

    def contents(self) -> dict[str, str]:
        """id -> text that is equal only for the same part of files with the same bytes."""
        sizes = {clip.id: clip.path.stat().st_size for clip in self._clips}
        return {
            clip.id: f"{sizes[clip.id]}-{_head_hash(clip.path)}-{clip.frame_start}-{clip.frame_end}"
            for clip in self._clips
        }

    def __len__(self) -> int:
        return len(self.ids)


def count_without_features(store: FeatureStore, asked: Iterable[Clip]) -> int:
    """How many of the clips that an index asks for have no record in the store."""
    return sum(clip.id not in store for clip in asked)


def _head_hash(path: Path) -> str:
    """Of the first and last MiB: whole files would take as long as decoding them."""
    with path.open("rb") as file:
        digest = hashlib.sha256(file.read(HASHED_BYTES))
        file.seek(max(0, path.stat().st_size - HASHED_BYTES))
        digest.update(file.read(HASHED_BYTES))
    return digest.hexdigest()


def _labels(names: Sequence[str], glosses: tuple[str, ...]) -> NDArray[np.int64]:
    order = {gloss: label for label, gloss in enumerate(glosses)}
    return np.array([order[name] for name in names], dtype=np.int64)


def _count(skipped: dict[str, int], reason: str, clips: int) -> None:
    if clips:
        skipped[reason] = clips


def open_store(path: Path, mode: str) -> FeatureStore:
    """Open a store and make sure that it holds what the mode needs.

    Raises:
        ConfigError: it holds another mode's clips.
        StoreError: there is no store, or it is damaged, or clips are cut off (nobody should learn fewer unawares).
    """
    store = FeatureStore.open(path)
    for lost, file, what in (
        (store.cut_off, DATA_FILE, "that the index names are cut off or gone"),
        (store.unnamed, INDEX_FILE, "have no line in it"),
    ):
        if lost:
            raise StoreError(
                f"{path / file} is not whole: {counted(lost, 'record')} {what}; run the same toolkit extract command "
                "again, it keeps the others and makes these anew"
            )
    if store.spec.mode != mode:
        flag, right = ("pose_dir", "feature_dir") if mode == "pose" else ("feature_dir", "pose_dir")
        raise ConfigError(
            f"{path} holds clips of mode '{store.spec.mode}', not '{mode}': give --{flag} a store made with "
            f"`toolkit extract --mode {mode}`, or train on this one with --input_type {store.spec.mode} --{right} "
            f"{path} (in a config: efficiency.{flag}, model.input_type)"
        )
    return store
