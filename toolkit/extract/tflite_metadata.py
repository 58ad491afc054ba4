"""Gives a .tflite network the metadata that says how its input image is scaled.

MediaPipe Tasks refuses a network without it. The networks were published before that rule, so the metadata
is added here: a new root table, with the metadata, goes in front of the file, and refers to the parts of the
old file, which follows it byte for byte. FlatBuffers point forwards with relative offsets, so nothing inside
the old file has to change, and the result depends on no library version. This module knows the two schemas
(slot numbers below) as far as it needs them; it knows neither MediaPipe nor where networks come from.

Sources: the FlatBuffers binary format, TensorFlow Lite's schema.fbs (identifier TFL3) and
metadata_schema.fbs (identifier M001).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from toolkit.errors import WeightsError

ALIGNMENT_BYTES = 64  # of the old file inside the new one: more than any tensor asks for (16)

# schema.fbs, table Model
VERSION, OPERATOR_CODES, SUBGRAPHS, DESCRIPTION, BUFFERS, METADATA_BUFFER, METADATA, SIGNATURE_DEFS = range(8)
BUFFER_DATA = 0  # table Buffer
METADATA_NAME, METADATA_BUFFER_INDEX = 0, 1  # table Metadata
METADATA_ENTRY = "TFLITE_METADATA"  # the name under which readers look for the metadata

# metadata_schema.fbs
SUBGRAPH_METADATA = 3  # table ModelMetadata
INPUT_TENSOR_METADATA = 2  # table SubGraphMetadata
PROCESS_UNITS = 4  # table TensorMetadata
OPTIONS_TYPE, OPTIONS = 0, 1  # table ProcessUnit
NORMALIZATION_OPTIONS = 1  # union ProcessUnitOptions
MEAN, STD = 0, 1  # table NormalizationOptions


@dataclass(frozen=True)
class _Old:
    """A table or vector that stays where it is: its position in the old file."""

    position: int


@dataclass(frozen=True)
class _Table:
    """Slot number -> value. An int is written as a 32-bit scalar (a smaller one reads its low bytes)."""

    fields: Mapping[int, _Value]


_Value = int | str | bytes | _Old | _Table | Sequence["float | _Old | _Table"]


def add_normalization(network: bytes, mean: float, std: float) -> bytes:
    """The same network, saying that pixels 0..255 enter as (pixel - mean) / std.

    Raises:
        WeightsError: the bytes are not a TensorFlow Lite network, or it already has metadata.
    """
    if network[4:8] != b"TFL3":
        raise WeightsError(f"not a TensorFlow Lite network: it starts with {network[:8]!r}")
    root = _read_offset(network, 0)
    slots = {slot: position for slot in range(8) if (position := _field(network, root, slot))}
    names = [_name(network, entry) for entry in _entries(network, slots.get(METADATA))]
    if METADATA_ENTRY in names:
        raise WeightsError("this TensorFlow Lite network already has metadata; use it as it is")

    units = _Table({OPTIONS_TYPE: NORMALIZATION_OPTIONS, OPTIONS: _Table({MEAN: [mean], STD: [std]})})
    inputs = _Table({INPUT_TENSOR_METADATA: [_Table({PROCESS_UNITS: [units]})]})
    metadata = _write(_Table({SUBGRAPH_METADATA: [inputs]}), b"M001", b"")

    buffers = _entries(network, slots[BUFFERS])
    entry = _Table({METADATA_NAME: METADATA_ENTRY, METADATA_BUFFER_INDEX: len(buffers)})
    model: dict[int, _Value] = {VERSION: struct.unpack_from("<I", network, slots[VERSION])[0]}
    for slot in (OPERATOR_CODES, SUBGRAPHS, DESCRIPTION, METADATA_BUFFER, SIGNATURE_DEFS):
        if slot in slots:
            model[slot] = _Old(_read_offset(network, slots[slot]))
    model[BUFFERS] = [*buffers, _Table({BUFFER_DATA: metadata})]
    model[METADATA] = [*_entries(network, slots.get(METADATA)), entry]
    return _write(_Table(model), b"TFL3", network)


def _read_offset(data: bytes, position: int) -> int:
    return position + int(struct.unpack_from("<I", data, position)[0])


def _field(data: bytes, table: int, slot: int) -> int | None:
    """Position of a table's field, None when it is not set."""
    vtable = table - int(struct.unpack_from("<i", data, table)[0])
    if 4 + 2 * slot >= struct.unpack_from("<H", data, vtable)[0]:
        return None
    offset = int(struct.unpack_from("<H", data, vtable + 4 + 2 * slot)[0])
    return table + offset if offset else None


def _entries(data: bytes, field: int | None) -> list[_Old]:
    """The tables in the vector that a field points to."""
    if field is None:
        return []
    vector = _read_offset(data, field)
    count = struct.unpack_from("<I", data, vector)[0]
    return [_Old(_read_offset(data, vector + 4 + 4 * i)) for i in range(count)]


def _name(data: bytes, entry: _Old) -> str:
    field = _field(data, entry.position, METADATA_NAME)
    if field is None:
        return ""
    text = _read_offset(data, field)
    length = struct.unpack_from("<I", data, text)[0]
    return data[text + 4 : text + 4 + length].decode()


def _write(root: _Table, identifier: bytes, old: bytes) -> bytes:
    """A FlatBuffer of new tables, followed by the old file that some of them refer to."""
    out = bytearray(4) + identifier
    links: list[tuple[int, int]] = []  # (slot in the new part, position in the old file)
    struct.pack_into("<I", out, 0, _append(out, root, links))
    out += bytes(-len(out) % ALIGNMENT_BYTES if old else -len(out) % 4)
    for slot, position in links:
        struct.pack_into("<I", out, slot, len(out) + position - slot)
    return bytes(out) + old


def _append(out: bytearray, value: _Value, links: list[tuple[int, int]]) -> int:
    """Write one value and then, behind it, what it points to. Returns its position."""
    out += bytes(-len(out) % 4)
    pending: list[tuple[int, _Value]] = []
    if isinstance(value, _Table):
        count = max(value.fields) + 1
        offsets = [0] * count
        for rank, slot in enumerate(sorted(value.fields)):
            offsets[slot] = 4 + 4 * rank
        vtable = struct.pack(f"<{2 + count}H", 4 + 2 * count, 4 + 4 * len(value.fields), *offsets)
        out += bytes(-(len(out) + len(vtable)) % 4)
        start = len(out) + len(vtable)
        out += vtable + struct.pack("<i", len(vtable))
        for slot in sorted(value.fields):
            field = value.fields[slot]
            if not isinstance(field, int):
                pending.append((len(out), field))
            out += struct.pack("<I", field if isinstance(field, int) else 0)
    elif isinstance(value, bytes):
        out += bytes(-(len(out) + 4) % 16)  # schema.fbs: Buffer.data (force_align: 16)
        start = len(out)
        out += struct.pack("<I", len(value)) + value
    elif isinstance(value, str):
        start = len(out)
        out += struct.pack("<I", len(value.encode())) + value.encode() + b"\0"
    elif isinstance(value, Sequence):
        start = len(out)
        out += struct.pack("<I", len(value))
        for item in value:
            if not isinstance(item, float):
                pending.append((len(out), item))
            out += struct.pack("<f", item if isinstance(item, float) else 0.0)
    else:
        raise TypeError(f"cannot write {value!r} on its own")
    for slot, child in pending:
        if isinstance(child, _Old):
            links.append((slot, child.position))
        else:
            struct.pack_into("<I", out, slot, _append(out, child, links) - slot)
    return start
