"""Writing a store: append a record, then the line that makes it count."""

from __future__ import annotations

import hashlib
import os
import time
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from toolkit.clips import Clip, file_state
from toolkit.errors import StoreError, StoreLockedError, StoreMismatchError
from toolkit.store.files import (
    DATA_FILE,
    INDEX_FILE,
    LOCK_FILE,
    Line,
    encode_line,
    read_index,
    read_spec,
    why_no_store,
    write_index,
    write_spec,
)
from toolkit.store.reader import FeatureStore
from toolkit.store.spec import StoreSpec

SYNC_EVERY_S = 10.0  # what a power cut may cost; the system's own write-back may take half a minute


class StoreWriter:
    """Append to a store, or begin one; only one writer at a time. Use as a context manager."""

    def __init__(self, path: str | Path, spec: StoreSpec) -> None:
        """Take the lock, check that the store is of the same kind, and drop what a crash left half-written.

        Raises:
            StoreMismatchError: the folder holds the output of another command.
            StoreLockedError: another process is writing.
            StoreError: the folder cannot be used.
        """
        self.path, self.spec = Path(path), spec
        if refusal := spec.refusal():
            raise StoreError(refusal)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"the store folder {self.path} cannot be made: {error}") from error
        self._lock = FileLock(self.path / LOCK_FILE)
        self._holder = self.path / f"{LOCK_FILE}.pid"
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            pid = self._holder.read_text() if self._holder.exists() else "unknown"
            raise StoreLockedError(
                f"{self.path} is being written by process {pid}; wait for it, or stop it and try again"
            ) from error
        try:
            self._holder.write_text(str(os.getpid()))
            self._begin()
        except OSError as error:
            self._lock.release()
            raise self._unwritable(error) from error
        except BaseException:
            self._lock.release()
            raise

    def _begin(self) -> None:
        held = read_spec(self.path)
        if held is None:
            if (self.path / DATA_FILE).exists():
                raise StoreError(why_no_store(self.path))
            write_spec(self.path, self.spec)
        elif held != self.spec and not self._holds_records():
            write_index(self.path, ())  # what failed before may not fail now
            write_spec(self.path, self.spec)
        elif held != self.spec:
            raise StoreMismatchError(
                f"{self.path} was made by another command and is left as it is; give another --output_dir, or the "
                "flags that it was made with to continue it. " + held.differences(self.spec)
            )
        index = read_index(self.path, self.spec)
        self._lines = index.lines
        lost = FeatureStore(self.path, self.spec, self._lines).damaged()
        for clip_id in lost:
            del self._lines[clip_id]
        rows = [line["row"] for line in self._lines.values() if "error" not in line]
        self._next_row = max(rows, default=-1) + 1
        whole = self._next_row * self.spec.record_bytes
        data = self.path / DATA_FILE
        # Superseded lines may name the records that are cut off below: they go first.
        longer = data.exists() and data.stat().st_size > whole
        mended = bool(index.damaged or index.cut_off or lost or longer)
        if mended:
            write_index(self.path, self._lines.values())
        # Unbuffered, so that a full disk cannot leave bytes behind that a later flush writes in the wrong place.
        self._index: BinaryIO = (self.path / INDEX_FILE).open("ab", buffering=0)
        if not mended:
            self._index.truncate(index.whole_bytes)
        self._data: BinaryIO = data.open("r+b" if data.exists() else "w+b", buffering=0)
        self._data.truncate(whole)  # what no line names
        self._synced = time.monotonic()

    def _holds_records(self) -> bool:
        data = self.path / DATA_FILE
        return data.exists() and data.stat().st_size > 0

    def holds(self, clip: Clip) -> bool:
        """Whether the clip is done, or known to be unusable, and its video is still the same.

        A changed label is noted at once, without making the record anew.
        """
        line = self._lines.get(clip.id)
        if (
            line is None
            or line["range"] != [clip.frame_start, clip.frame_end]
            or not _same_file(clip.path, line)
        ):
            return False
        if any(line[key] != value for key, value in _labels(clip).items()):
            self._write_line(line | _labels(clip))
        return True

    def append(
        self,
        clip: Clip,
        values: NDArray[np.float32],
        quality: Mapping[str, float],
        seen: tuple[int, int] | None = None,
    ) -> None:
        """Store the record of a clip; an earlier one of the same id is superseded.

        values: (T, *item_shape) float32, NaN for missing. quality: fractions, kept to four digits. seen: the
        file's state (`clips.file_state`) before it was read; if it is another one now, the clip is made again
        by the next run.

        Raises:
            StoreError: the disk is full or fails; what was stored before is intact.
        """
        if values.shape != self.spec.record_shape:
            raise StoreError(
                f"{clip.id!r}: values {values.shape} do not fit records {self.spec.record_shape}"
            )
        record = self.spec.encode(values)
        self._data.seek(self._next_row * self.spec.record_bytes)
        self._write(self._data, record)
        outcome = {
            "row": self._next_row,
            "checksum": zlib.crc32(record),
            "quality": {name: round(float(value), 4) for name, value in quality.items()},
        }
        self._write_line(_labels(clip) | _source(clip, seen) | outcome)
        self._next_row += 1
        if time.monotonic() - self._synced > SYNC_EVERY_S:
            self._sync()

    def fail(self, clip: Clip, error: str, seen: tuple[int, int] | None = None) -> None:
        """Note why a clip is unusable, so that it is not tried again until its file changes (see `append`)."""
        self._write_line(_labels(clip) | _source(clip, seen) | {"error": error})

    @property
    def ids(self) -> set[str]:
        """Ids of the usable clips in the store."""
        return {clip_id for clip_id, line in self._lines.items() if "error" not in line}

    def forget_failures(self) -> None:
        """Have the unusable clips tried again."""
        self._lines = {key: line for key, line in self._lines.items() if "error" not in line}

    @property
    def failures(self) -> dict[str, str]:
        """Id -> why the clip is unusable."""
        return {key: line["error"] for key, line in self._lines.items() if "error" in line}

    def _write_line(self, line: Line) -> None:
        self._write(self._index, encode_line(line))
        self._lines[line["id"]] = line

    def _write(self, file: BinaryIO, content: bytes) -> None:
        try:
            written = 0
            while written < len(content):
                written += file.write(content[written:])
        except OSError as error:
            raise self._unwritable(error) from error

    def _sync(self) -> None:
        """Make what was written durable: records first, then the lines that make them count."""
        try:
            for file in (self._data, self._index):
                os.fsync(file.fileno())
        except OSError as error:
            raise self._unwritable(error) from error
        self._synced = time.monotonic()

    def _unwritable(self, error: OSError) -> StoreError:
        return StoreError(
            f"{self.path}: cannot be written ({error}); free some space and run the same command again, "
            "what is done is kept"
        )

    def close(self) -> None:
        """Make what was written durable and give the lock back."""
        try:
            self._sync()
        finally:
            self._data.close()
            self._index.close()
            self._holder.unlink(missing_ok=True)
            self._lock.release()

    def __enter__(self) -> StoreWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _labels(clip: Clip) -> dict[str, str]:
    return {"id": clip.id, "gloss": clip.gloss, "split": clip.split, "signer": clip.signer}


def _source(clip: Clip, seen: tuple[int, int] | None) -> Line:
    state = file_state(clip.path)
    # A file that changed, vanished or came back while it was read is none that a later run could recognise.
    size, mtime_ns = state if seen in (None, state) else (-1, -1)
    return {
        "source": clip.path.name,
        "range": [clip.frame_start, clip.frame_end],
        "size": size,
        "mtime_ns": mtime_ns,
        "hash": _hash(clip.path) if size >= 0 else "",
    }


def _same_file(path: Path, line: Mapping[str, Any]) -> bool:
    """Same size, and either untouched since or, after a copy that renewed its time, of the same content."""
    size, mtime_ns = file_state(path)
    return bool(size == line["size"] and (mtime_ns == line["mtime_ns"] or _hash(path) == line["hash"]))


def _hash(path: Path) -> str:
    """Of the content; "" for what has none to read: a pipe, a device, a folder, a file without permission."""
    if not path.is_file():
        return ""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=8)).hexdigest()
    except OSError:
        return ""
