"""The files of a store: what stands in them, and how damage shows."""

from __future__ import annotations

import json
import math
import os
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from toolkit.errors import StoreError
from toolkit.store.packing import VALUES, pack, unpack
from toolkit.untrusted import MIB, parse_json, read_bounded, shown

FORMAT_VERSION = 1
DTYPES = ("float32", "float16", "packed")
SPEC_FILE, DATA_FILE, INDEX_FILE, LOCK_FILE = "store.json", "data.bin", "index.jsonl", "writer.lock"

LARGEST_SPEC, LARGEST_INDEX, LARGEST_RECORD = MIB, 1024 * MIB, 1024 * MIB
"""In bytes. An index has about 400 bytes per clip, a record of 32 frames and 75 landmarks has 38 400."""
MODES = ("pose", "features")
_SUM = ',\n "crc": '
_LABELS = ("id", "gloss", "split", "signer", "source")

Line = dict[str, Any]
"""One line of the index: id, gloss, split, signer, source, size, mtime_ns, hash, range, and an outcome."""


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


@dataclass(frozen=True)
class Record:
    """One usable clip. source: the video's file name; quality: fractions that the extractor measured."""

    id: str
    gloss: str
    split: str
    signer: str
    source: str
    row: int
    checksum: int
    quality: dict[str, float] = field(default_factory=dict)

    @classmethod
    def from_line(cls, line: Line) -> Record:
        """Raises KeyError, ValueError or TypeError when the line is not of this format."""
        row, checksum, quality = line["row"], line["checksum"], line["quality"]
        if type(row) is not int or type(checksum) is not int or row < 0:
            raise TypeError("row and checksum are whole numbers")
        if not all(type(value) in (int, float) for value in quality.values()):
            raise TypeError("quality holds numbers")
        return cls(**{key: line[key] for key in _LABELS}, row=row, checksum=checksum, quality=dict(quality))


class Index(NamedTuple):
    """lines: the last good one of every clip; whole_bytes: length of all complete lines; damaged: numbers of
    lines; cut_off: records that lines name beyond the end of the data; unnamed: records after the last that a line
    names, one of which may be in the making."""

    lines: dict[str, Line]
    whole_bytes: int
    damaged: list[int]
    cut_off: int
    unnamed: int


def encode_line(line: Line) -> bytes:
    """One line of JSON whose last member is the CRC-32 of all before it."""
    text = json.dumps(line, ensure_ascii=False)[:-1]
    return f'{text}, "crc": {zlib.crc32(text.encode())}}}\n'.encode()


def decode_line(encoded: bytes) -> Line:
    """The inverse of `encode_line`, without "crc". Raises ValueError when the line is damaged."""
    text, mark, checksum = encoded.rpartition(b', "crc": ')
    if not mark or checksum != f"{zlib.crc32(text)}}}".encode():
        raise ValueError("its checksum differs")
    line: Line = parse_json(text.decode() + "}")
    texts = [line[key] for key in (*_LABELS, "hash")] + [line.get("error", "")]
    numbers = [line["size"], line["mtime_ns"], *line["range"]]
    if not all(type(one) is str for one in texts) or not all(type(one) is int for one in numbers):
        raise TypeError("labels are texts; size, mtime_ns and range are whole numbers")
    if "error" not in line:
        Record.from_line(line)
    return line


def read_index(folder: Path, spec: StoreSpec) -> Index:
    """Read the index, also while a writer is at work. A line whose record lies beyond the end of the data never came
    into force.

    Raises:
        StoreError: it cannot be read or is too large to be one.
    """
    index, data = folder / INDEX_FILE, folder / DATA_FILE

    def records() -> int:
        return data.stat().st_size // spec.record_bytes if data.exists() else 0

    before = records()  # a writer adds the record first and then its line
    try:
        content = read_bounded(index, LARGEST_INDEX) if index.exists() else b""
    except OSError as error:
        raise StoreError(
            f"{index} cannot be read: {error}; restore it, or extract into a new folder"
        ) from error
    whole_bytes = content.rfind(b"\n") + 1
    rows = records()
    lines: dict[str, Line] = {}
    damaged: list[int] = []
    named = 0  # rows that lines speak of
    for number, encoded in enumerate(content[:whole_bytes].split(b"\n")[:-1], start=1):
        try:
            line = decode_line(encoded)
            clip_id = line["id"]
        except (ValueError, KeyError, TypeError, AttributeError):
            damaged.append(number)
            continue
        if "error" not in line:
            named = max(named, line["row"] + 1)
        if "error" in line or line["row"] < rows:
            lines[clip_id] = line
        else:
            lines.pop(clip_id, None)
    return Index(lines, whole_bytes, damaged, max(0, named - rows), max(0, before - named))


def write_index(folder: Path, lines: Iterable[Line]) -> None:
    """Replace the whole index at once."""
    write_whole(folder / INDEX_FILE, b"".join(encode_line(line) for line in lines))


def read_spec(folder: Path) -> StoreSpec | None:
    """What the store holds; None where there is no store.

    Raises:
        StoreError: the description is damaged or of another version.
    """
    path = folder / SPEC_FILE
    if not path.is_file():
        return None
    try:
        text = read_bounded(path, LARGEST_SPEC).decode()
        content = parse_json(text)
        version = content.pop("version")
        if version == FORMAT_VERSION:
            _check_spec_sum(text, content.pop("crc", None))
            content["item_shape"] = tuple(content["item_shape"])
            spec = StoreSpec(**content)
            if _possible(spec):
                return spec
            raise ValueError(f"impossible values {shown(content, 200)}")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(
            f"{path} is damaged ({error}); the records are not: copy the {SPEC_FILE} that the same toolkit extract "
            "command makes in a new folder, or extract anew"
        ) from error
    raise StoreError(
        f"{path} is of format {shown(version)}, this toolkit reads {FORMAT_VERSION}; extract again"
    )


def _check_spec_sum(text: str, named: object) -> None:
    """Raise ValueError unless the last member is the CRC-32 of the text before it; older stores have none."""
    before, _, last = text.rpartition(_SUM)
    if named is not None and last != f"{zlib.crc32(before.encode())}\n}}":
        raise ValueError("its checksum differs")


def _possible(spec: StoreSpec) -> bool:
    """Whether all values have their types and a record its bounds."""
    sizes = (spec.num_frames, *spec.item_shape)
    return (
        spec.mode in MODES
        and spec.dtype in DTYPES
        and type(spec.layout) is str
        and all(type(size) is int and size >= 1 for size in sizes)
        and 1 <= len(spec.item_shape) <= 4
        and spec.record_bytes <= LARGEST_RECORD
        and not spec.refusal()
        and type(spec.extractor) is dict
        and all(type(value) in (str, int, float) for value in spec.extractor.values())
    )


def write_spec(folder: Path, spec: StoreSpec) -> None:
    """Begin a store."""
    text = json.dumps({"version": FORMAT_VERSION, **asdict(spec)}, indent=1).removesuffix("\n}")
    write_whole(folder / SPEC_FILE, f"{text}{_SUM}{zlib.crc32(text.encode())}\n}}".encode())


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is either the old one or the new one, never a part."""
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
