"""Reading a store; records stay on disk until they are asked for."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.errors import StoreError
from toolkit.store.files import (
    DATA_FILE,
    INDEX_FILE,
    Line,
    Record,
    read_index,
    read_spec,
    why_no_store,
)
from toolkit.store.spec import StoreSpec

IN_THE_MAKING = 1  # record that may lie in the data before its line is in the index
AT_ONCE = 16  # records read in one go while all are checked


class Rows:
    """Some records of a store, read from the disk each time they are asked for.

    What is read stays in the system's file cache as long as there is room, so a data set needs no memory of its own
    here and may be larger than what is free. Item by positions: (B, T, *item_shape) float32.
    """

    def __init__(self, store: FeatureStore, records: Sequence[Record]) -> None:
        self._store, self._records = store, tuple(records)

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, places: Sequence[int] | NDArray[np.integer]) -> NDArray[np.float32]:
        """Raises StoreError when the file is gone or shorter than it was."""
        return self._store.spec.decode(self._raw([self._records[int(place)] for place in places]))

    def checked(self) -> Iterator[NDArray[np.float32]]:
        """All records, one (T, *item_shape) after the other, their checksums compared.

        Raises:
            StoreError: a record is damaged; names it and the cure.
        """
        for first in range(0, len(self._records), AT_ONCE):
            records = self._records[first : first + AT_ONCE]
            for record, raw in zip(records, self._raw(records), strict=True):
                if zlib.crc32(raw.tobytes()) != record.checksum:
                    raise StoreError(_damage(self._store.path, record))
                yield self._store.spec.decode(raw)

    def only(self, wanted: Sequence[bool]) -> Rows:
        """Those of them for which `wanted`, one for each, is true."""
        chosen = [record for record, keep in zip(self._records, wanted, strict=True) if keep]
        return Rows(self._store, chosen)

    def _raw(self, records: Sequence[Record]) -> NDArray[Any]:
        spec, path = self._store.spec, self._store.path / DATA_FILE
        raw = np.empty((len(records), *spec.stored_shape), spec.stored_dtype)
        try:
            with path.open(
                "rb", buffering=0
            ) as file:  # not mapped: that would count as this process's memory
                for record, place in zip(records, raw, strict=True):
                    file.seek(record.row * spec.record_bytes)
                    if file.readinto(place.data.cast("B")) != spec.record_bytes:
                        raise StoreError(_damage(self._store.path, record))
        except OSError as error:
            raise StoreError(
                f"{path} cannot be read ({error.strerror}); is its disk still there, and nobody else at work in it?"
            ) from error
        return raw


class FeatureStore:
    """The usable clips of a store (sorted by id, whatever order they were extracted in), and the failures.

    cut_off: how many records the index names that the data lacks, as after a power cut; unnamed: how many at the end
    of the data no line names, if they are more than the one that may be in the making.
    """

    def __init__(
        self, path: Path, spec: StoreSpec, lines: Mapping[str, Line], cut_off: int = 0, unnamed: int = 0
    ) -> None:
        self.path, self.spec, self.cut_off = path, spec, cut_off
        self.unnamed = unnamed if unnamed > IN_THE_MAKING else 0
        self._records = {
            key: Record.from_line(line) for key, line in sorted(lines.items()) if "error" not in line
        }
        self.failures = {key: str(line["error"]) for key, line in sorted(lines.items()) if "error" in line}

    @classmethod
    def open(cls, path: str | Path) -> FeatureStore:
        """Open a store for reading; also while another process is writing to it.

        Raises:
            StoreError: there is no store, or its description or index is damaged.
        """
        folder = Path(path)
        spec = read_spec(folder)
        if spec is None:
            lost = (folder / DATA_FILE).exists()
            cure = f"make one with: toolkit extract ... --output_dir {folder}, or name another one"
            raise StoreError(why_no_store(folder) + ("" if lost else f"; {cure}"))
        index = read_index(folder, spec)
        if index.damaged:
            raise StoreError(
                f"{folder / INDEX_FILE}: line {index.damaged[0]} is damaged ({len(index.damaged)} in all); run "
                "the same toolkit extract command again, it keeps the good clips and makes the damaged ones anew"
            )
        return cls(folder, spec, index.lines, index.cut_off, index.unnamed)

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of the usable clips, sorted."""
        return tuple(self._records)

    @property
    def records(self) -> tuple[Record, ...]:
        """The usable clips, sorted by id."""
        return tuple(self._records.values())

    def __len__(self) -> int:
        return len(self._records)

    def __contains__(self, clip_id: object) -> bool:
        return clip_id in self._records

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def __getitem__(self, clip_id: str) -> NDArray[np.float32]:
        """The record of a clip: (T, *item_shape) float32. KeyError when it is not in the store."""
        values: NDArray[np.float32] = self.rows([clip_id])[[0]][0]
        return values

    def rows(self, ids: Sequence[str]) -> Rows:
        """These records, to be read when they are needed."""
        return Rows(self, [self._records[clip_id] for clip_id in ids])

    def load(self, ids: Sequence[str]) -> NDArray[np.float32]:
        """Records as one array (len(ids), T, *item_shape) float32, their checksums compared.

        Raises:
            StoreError: a record is damaged; names it and the cure.
        """
        result = np.empty((len(ids), *self.spec.record_shape), np.float32)
        for place, values in enumerate(self.rows(ids).checked()):
            result[place] = values
        return result

    def damaged(self) -> list[str]:
        """Ids whose stored bytes differ from their checksum (reads the whole store)."""
        if not self._records:
            return []
        data = self.path / DATA_FILE
        count = data.stat().st_size // self.spec.record_bytes
        mapped = np.memmap(
            data, dtype=self.spec.stored_dtype, mode="r", shape=(count, *self.spec.stored_shape)
        )
        return [
            clip_id
            for clip_id, record in self._records.items()
            if record.row >= count or zlib.crc32(mapped[record.row].tobytes()) != record.checksum
        ]


def stored_splits(folder: Path) -> dict[str, str]:
    """Id -> split of every clip of a store, unusable ones too; empty where there is no store. Raises StoreError."""
    spec = read_spec(folder)
    return (
        {} if spec is None else {key: line["split"] for key, line in read_index(folder, spec).lines.items()}
    )


def _damage(path: Path, record: Record) -> str:
    return (
        f"{path}: the record of clip {record.id!r} is damaged (its checksum differs); "
        "run the same toolkit extract command again, it makes damaged records anew"
    )
