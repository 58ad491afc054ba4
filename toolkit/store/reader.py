"""Reading a store; records stay on disk and are mapped into memory when they are asked for."""

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
    SPEC_FILE,
    Line,
    Record,
    StoreSpec,
    read_index,
    read_spec,
)


class FeatureStore:
    """The usable clips of a store (sorted by id, whatever order they were extracted in), and the failures."""

    def __init__(self, path: Path, spec: StoreSpec, lines: Mapping[str, Line]) -> None:
        self.path, self.spec = path, spec
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
            raise StoreError(
                f"{folder} is no feature store (no {SPEC_FILE}); make one with: toolkit extract, or name another one"
            )
        index = read_index(folder, spec)
        if index.damaged:
            raise StoreError(
                f"{folder / INDEX_FILE}: line {index.damaged[0]} is damaged ({len(index.damaged)} in all); run "
                "the same toolkit extract command again, it keeps the good clips and makes the damaged ones anew"
            )
        return cls(folder, spec, index.lines)

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
        return self.spec.decode(self._mapped()[self._records[clip_id].row])

    def load(self, ids: Sequence[str]) -> NDArray[np.float32]:
        """Records as one array (len(ids), T, *item_shape) float32, their checksums compared.

        Raises:
            StoreError: a record is damaged; names it and the cure.
        """
        result = np.empty((len(ids), *self.spec.record_shape), np.float32)
        mapped = self._mapped() if ids else None
        for place, clip_id in enumerate(ids):
            assert mapped is not None
            record = self._records[clip_id]
            if not _intact(mapped, record):
                raise StoreError(
                    f"{self.path}: the record of clip {clip_id!r} is damaged (its checksum differs); "
                    "run the same toolkit extract command again, it makes damaged records anew"
                )
            result[place] = self.spec.decode(mapped[record.row])
        return result

    def damaged(self) -> list[str]:
        """Ids whose stored bytes differ from their checksum (reads the whole store)."""
        if not self._records:
            return []
        mapped = self._mapped()
        return [clip_id for clip_id, record in self._records.items() if not _intact(mapped, record)]

    def _mapped(self) -> NDArray[Any]:
        data = self.path / DATA_FILE
        rows = data.stat().st_size // self.spec.record_bytes
        return np.memmap(data, dtype=self.spec.stored_dtype, mode="r", shape=(rows, *self.spec.stored_shape))


def _intact(mapped: NDArray[Any], record: Record) -> bool:
    return record.row < len(mapped) and zlib.crc32(mapped[record.row].tobytes()) == record.checksum
