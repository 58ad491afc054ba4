"""The files of a store: what stands in them, and how damage shows."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from toolkit.errors import StoreError

FORMAT_VERSION = 1
DTYPES = ("float32", "float16")
SPEC_FILE, DATA_FILE, INDEX_FILE, LOCK_FILE = "store.json", "data.bin", "index.jsonl", "writer.lock"

Line = dict[str, Any]
"""One line of the index: id, gloss, split, signer, source, size, mtime_ns, hash, range, and an outcome."""


@dataclass(frozen=True)
class StoreSpec:
    """What every record of a store is.

    mode: "pose" or "features"; item_shape: one frame's values; num_frames: T; layout: landmark layout or "";
    extractor: its fingerprint; dtype: of the stored numbers, "float32" or "float16" (read as float32).
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
    def record_bytes(self) -> int:
        """Size of one record in bytes."""
        return int(np.prod(self.record_shape)) * np.dtype(self.dtype).itemsize

    def differences(self, other: StoreSpec) -> str:
        """What the two disagree on, for an error message: this one's value first."""
        mine, theirs = asdict(self), asdict(other)
        return "; ".join(
            f"{key}: the store has {mine[key]}, this command gives {theirs[key]}"
            for key in mine
            if mine[key] != theirs[key]
        )


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
        texts = {key: str(line[key]) for key in ("id", "gloss", "split", "signer", "source")}
        row, checksum = int(line["row"]), int(line["checksum"])
        return cls(**texts, row=row, checksum=checksum, quality=dict(line["quality"]))


class Index(NamedTuple):
    """lines: the last good one of every clip; whole_bytes: length of all complete lines; damaged: numbers."""

    lines: dict[str, Line]
    whole_bytes: int
    damaged: list[int]


def encode_line(line: Line) -> bytes:
    """One line of JSON whose last member is the CRC-32 of all before it."""
    text = json.dumps(line, ensure_ascii=False)[:-1]
    return f'{text}, "crc": {zlib.crc32(text.encode())}}}\n'.encode()


def decode_line(encoded: bytes) -> Line:
    """The inverse of `encode_line`, without "crc". Raises ValueError when the line is damaged."""
    text, mark, checksum = encoded.rpartition(b', "crc": ')
    if not mark or checksum != f"{zlib.crc32(text)}}}".encode():
        raise ValueError("its checksum differs")
    line = json.loads(text + b"}")
    if "error" not in line:
        Record.from_line(line)
    return dict(line)


def read_index(folder: Path, spec: StoreSpec) -> Index:
    """Read the index. A line whose record lies beyond the end of the data never came into force."""
    index, data = folder / INDEX_FILE, folder / DATA_FILE
    content = index.read_bytes() if index.exists() else b""
    whole_bytes = content.rfind(b"\n") + 1
    rows = data.stat().st_size // spec.record_bytes if data.exists() else 0
    lines: dict[str, Line] = {}
    damaged: list[int] = []
    for number, encoded in enumerate(content[:whole_bytes].split(b"\n")[:-1], start=1):
        try:
            line = decode_line(encoded)
            clip_id = str(line["id"])
        except (ValueError, KeyError, TypeError):
            damaged.append(number)
            continue
        if "error" in line or 0 <= line["row"] < rows:
            lines[clip_id] = line
        else:
            lines.pop(clip_id, None)
    return Index(lines, whole_bytes, damaged)


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
        content = json.loads(path.read_text(encoding="utf-8"))
        version = content.pop("version")
        if version == FORMAT_VERSION:
            content["item_shape"] = tuple(int(size) for size in content["item_shape"])
            spec = StoreSpec(**content)
            if spec.dtype in DTYPES and spec.num_frames >= 1 and min(spec.item_shape) >= 1:
                return spec
            raise ValueError(f"impossible values {content}")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"{path} is damaged ({error}); restore it, or extract into a new folder") from error
    raise StoreError(f"{path} is of format {version!r}, this toolkit reads {FORMAT_VERSION}; extract again")


def write_spec(folder: Path, spec: StoreSpec) -> None:
    """Begin a store."""
    text = json.dumps({"version": FORMAT_VERSION, **asdict(spec)}, indent=1)
    write_whole(folder / SPEC_FILE, text.encode())


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is either the old one or the new one, never a part."""
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
