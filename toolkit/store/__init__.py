"""The feature store: one fixed-size record per clip, append-only, memory-mapped, crash-safe, resumable.

A store is a folder. `store.json` says what a record is and which extractor made it. `data.bin` holds the
records. `index.jsonl` has one line per clip, written after its record: labels, source file, row and checksum,
or the error that made the clip unusable. Only this package knows these files.

Whatever instant a writer is stopped at, the store stays readable and loses at most the clip in flight: a
record counts only once its index line is complete, a torn last line is ignored and cut off by the next
writer, and a record or line whose bytes never reached the disk is found by its checksum and made again.
"""

from toolkit.store.files import Record
from toolkit.store.reader import FeatureStore
from toolkit.store.spec import StoreSpec
from toolkit.store.writer import StoreWriter

__all__ = ["FeatureStore", "Record", "StoreSpec", "StoreWriter"]
