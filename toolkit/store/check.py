"""Looking a whole store over: every index line and every record against its checksum. Changes nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from toolkit.errors import StoreError
from toolkit.store.files import read_index, read_spec, why_no_store
from toolkit.store.reader import FeatureStore
from toolkit.store.spec import StoreSpec


@dataclass(frozen=True)
class StoreCheck:
    """What was found. clips: usable ones, damaged records included; unusable: known from extraction;
    damaged_lines: numbers of index lines; damaged_records: ids of clips whose stored bytes changed; cut_off:
    records that the index names and the data lacks; unnamed: records at the end of the data that no line names, where
    they are more than the one that may be in the making."""

    spec: StoreSpec
    clips: int
    unusable: int
    damaged_lines: list[int] = field(default_factory=list)
    damaged_records: list[str] = field(default_factory=list)
    cut_off: int = 0
    unnamed: int = 0

    @property
    def sound(self) -> bool:
        """Nothing is damaged."""
        return not (self.damaged_lines or self.damaged_records or self.cut_off or self.unnamed)


def check_store(path: str | Path) -> StoreCheck:
    """Read the whole store and compare all checksums; also while another process is writing to it.

    Raises:
        StoreError: there is no store, or its description is damaged.
    """
    folder = Path(path)
    spec = read_spec(folder)
    if spec is None:
        raise StoreError(why_no_store(folder))
    index = read_index(folder, spec)
    store = FeatureStore(folder, spec, index.lines, index.cut_off, index.unnamed)
    return StoreCheck(
        spec, len(store), len(store.failures), index.damaged, store.damaged(), store.cut_off, store.unnamed
    )
