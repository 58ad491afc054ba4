"""The files of a store: what stands in them, and how damage shows."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from toolkit.errors import StoreError
from toolkit.store.spec import DTYPES, LARGEST_RECORD, StoreSpec
from toolkit.untrusted import MIB, parse_json, read_bounded, shown
from toolkit.whole_file import write_whole

FORMAT_VERSION = 1
SPEC_FILE, DATA_FILE, INDEX_FILE, LOCK_FILE = "store.json", "data.bin", "index.jsonl", "writer.lock"

LARGEST_SPEC, LARGEST_INDEX = MIB, 1024 * MIB
"""In bytes. An index has about 400 bytes per clip."""
MODES = ("pose", "features")
_SUM = ',\n "crc": '
_LABELS = ("id", "gloss", "split", "signer", "source")

Line = dict[str, Any]
"""One line of the index: id, gloss, split, signer, source, size, mtime_ns, hash, range, and an outcome."""


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


def why_no_store(folder: Path) -> str:
    """What to say of a folder without a description; one that has lost it is told from one that never was a store."""
    if not (folder / DATA_FILE).exists():
        return f"{folder} is no feature store (no {SPEC_FILE})"
    return (
        f"{folder} has lost its {SPEC_FILE}; the records are there: copy the {SPEC_FILE} that the same toolkit "
        "extract command makes in a new folder (--max_videos 1 is enough), or extract anew"
    )


def write_spec(folder: Path, spec: StoreSpec) -> None:
    """Begin a store."""
    text = json.dumps({"version": FORMAT_VERSION, **asdict(spec)}, indent=1).removesuffix("\n}")
    write_whole(folder / SPEC_FILE, f"{text}{_SUM}{zlib.crc32(text.encode())}\n}}".encode())
