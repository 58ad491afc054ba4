"""What every record of a store is: its mode, shape, numbers, and what made it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.store.packing import VALUES, pack, unpack
from toolkit.untrusted import MIB, shown

DTYPES = ("float32", "float16", "packed")
LARGEST_RECORD = 1024 * MIB
"""In bytes; a record of 32 frames and 75 landmarks has 38 400."""


@dataclass(frozen=True)
class StoreSpec:
    """What every record of a store is.

    mode: "pose" or "features"; item_shape: one frame's values; num_frames: T; layout: landmark layout or "";
    extractor: its fingerprint; dtype: how numbers are stored, "float32", "float16" or, for landmarks, "packed"
    (toolkit/store/packing); all are read as float32.
    """

    mode: str
    item_shape: tuple[int, ...]
    num_frames: int
    layout: str
    extractor: dict[str, str | int | float]
    dtype: str = "float32"

    @property
    def record_shape(self) -> tuple[int, ...]:
        """(T, *item_shape)."""
        return (self.num_frames, *self.item_shape)

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """Of a record on disk: as `record_shape`, but a packed landmark is one word."""
        return self.record_shape[:-1] if self.dtype == "packed" else self.record_shape

    @property
    def stored_dtype(self) -> np.dtype[Any]:
        """Of a record on disk."""
        return np.dtype("<u4" if self.dtype == "packed" else self.dtype)

    @property
    def record_bytes(self) -> int:
        """Size of one record in bytes."""
        return math.prod(self.stored_shape) * self.stored_dtype.itemsize

    def encode(self, values: NDArray[np.float32]) -> bytes:
        """(T, *item_shape) -> a record as it lies on the disk."""
        if self.dtype == "packed":
            return pack(values).tobytes()
        return np.ascontiguousarray(values, dtype=self.stored_dtype).tobytes()

    def decode(self, record: NDArray[Any]) -> NDArray[np.float32]:
        """(*stored_shape) as mapped from the disk -> (T, *item_shape) float32."""
        return unpack(record) if self.dtype == "packed" else np.asarray(record, dtype=np.float32)

    def refusal(self) -> str:
        """Why records cannot be stored like this; "" if they can."""
        if self.dtype not in DTYPES:
            return f"records cannot be stored as {self.dtype!r}; choose one of: {', '.join(DTYPES)}"
        if self.dtype == "packed" and (self.mode != "pose" or self.item_shape[-1] != VALUES):
            return (
                f"only poses can be packed, and these are {self.mode} of {self.item_shape} a frame; use float16, "
                "which takes half the disk of float32"
            )
        if self.record_bytes > LARGEST_RECORD:
            return (
                f"num_frames {self.num_frames} makes records of {self.record_bytes // MIB} MiB a clip; they may "
                f"have {LARGEST_RECORD // MIB} (the usual 16 frames have KB)"
            )
        return ""

    def differences(self, other: StoreSpec) -> str:
        """What the two disagree on, for an error message: this one's value first."""
        mine, theirs = _flat(asdict(self)), _flat(asdict(other))
        for key in ("mode", "layout"):  # the first of these settles the others
            if mine[key] != theirs[key]:
                mine, theirs = {key: mine[key]}, {key: theirs[key]}
                break
        return "; ".join(
            f"{key}: the store has {shown(mine.get(key), 200)}, this command gives {shown(theirs.get(key), 200)}"
            for key in mine | theirs
            if mine.get(key) != theirs.get(key)
        )


def _flat(nested: dict[str, Any]) -> dict[str, Any]:
    """{"extractor": {"landmarks": "body"}} -> {"extractor.landmarks": "body"}."""
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        flat |= (
            {f"{key}.{inner}": one for inner, one in value.items()}
            if isinstance(value, dict)
            else {key: value}
        )
    return flat
