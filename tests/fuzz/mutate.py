"""Inputs made from good ones by a seeded chance: bytes changed, and values of a JSON document exchanged."""

from __future__ import annotations

import json
import random
from copy import deepcopy
from typing import Any

PIECES = (
    b"", b"\0", b"\xff", b"\x80", b"\xef\xbb\xbf", b"\n", b"\r", b",", b'"', b"'", b"{", b"}", b"[", b"]", b":",
    b"- ", b"\\", b"&a ", b"*a", b"!!python/name:os.system ", b"!!int ", b"!!float ", b"!!binary ", b"!!set ",
    b"!!timestamp ",
    b"<<: ", b"? ", b"| ", b"> ", b"%YAML 9.9\n", b"---\n", b"...\n", b"#", b"null", b"true", b"NaN", b"Infinity",
    b"-1", b"0", b"1e-4", b"1e999", b"0x", b"0b1", b"0o7", b"._", b"1:60:99", b"2024-99-99", b"9" * 5000,
    b"../" * 9, b"/etc/passwd", b"\x1b[2J", b"\xed\xa0\x80", b"\\ud800", b"\xf0\x9f\x98\x80", b"[" * 2000,
    b'{"a":' * 500,
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"\x80" * 11, b"\x70\x01", b"\x6a\x00",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 2**31, 2**53, 2**63, -(2**63), 10**400, 0.0, -0.0, 0.5, 1e308, float("inf"),
    float("nan"), "", "a", "train", "val", "\0", "\x1b[2J", "\ud800", "../x", "/etc/passwd", "漢字", "x" * 5000,
    [], {},
    [[]], [{}], {"": ""}, ["a", "a"], [1, 2], [33, 4], "pose", "body", "1e-4",
)  # fmt: skip


def change_bytes(chance: random.Random, content: bytes) -> bytes:
    """One to eight changes: a bit, a byte, a cut, a piece put in, a part doubled or moved."""
    data = bytearray(content)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        place = chance.randrange(len(data) + 1)
        kind = chance.randrange(7)
        if kind == 0 and place < len(data):
            data[place] ^= 1 << chance.randrange(8)
        elif kind == 1 and place < len(data):
            data[place] = chance.randrange(256)
        elif kind == 2:
            del data[place : place + chance.choice((1, 2, 8, 64, len(data)))]
        elif kind == 3:
            data[place:place] = chance.choice(PIECES)
        elif kind == 4:
            piece = chance.choice(PIECES)
            data[place : place + len(piece)] = piece
        elif kind == 5:
            part = data[place : place + chance.randrange(1, 40)]
            data[place:place] = part * chance.choice((1, 2, 50))
        else:
            other = chance.randrange(len(data) + 1)
            data[other:other] = data[place : place + chance.randrange(1, 40)]
    return bytes(data)


def change_values(chance: random.Random, document: Any) -> Any:
    """A copy of a JSON document with one to three of its values or keys exchanged, taken away or added."""
    copy = json.loads(json.dumps(document))
    for _ in range(chance.choice((1, 1, 2, 3))):
        holders = [(None, None), *_places(copy)]
        holder, key = chance.choice(holders)
        value = _value(chance)
        if holder is None:
            if chance.random() < 0.05:
                copy = value
        elif chance.random() < 0.2:
            del holder[key]
        elif isinstance(holder, dict) and chance.random() < 0.15:
            holder[chance.choice(("x", "", "error", "row", "crc", "id", "ids"))] = value
        else:
            holder[key] = value
    return copy


def _value(chance: random.Random) -> Any:
    if chance.random() < 0.03:
        nested: Any = deepcopy(chance.choice(VALUES))
        for _ in range(chance.choice((3, 30, 200))):
            nested = [nested] if chance.random() < 0.5 else {"a": nested}
        return nested
    return deepcopy(chance.choice(VALUES))


def _places(document: Any) -> list[tuple[Any, Any]]:
    """(container, key) of every value in a document."""
    found: list[tuple[Any, Any]] = []
    waiting = [document]
    while waiting:
        holder = waiting.pop()
        items = (
            holder.items()
            if isinstance(holder, dict)
            else enumerate(holder)
            if isinstance(holder, list)
            else ()
        )
        for key, value in items:
            found.append((holder, key))
            if isinstance(value, dict | list):
                waiting.append(value)
    return found


def to_json(document: Any) -> bytes:
    """JSON text of any document, half surrogates and infinities included."""
    return json.dumps(document, ensure_ascii=True).encode()
