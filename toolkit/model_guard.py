"""Looks through an ONNX file before onnxruntime gets it, and refuses what could harm: models come from strangers.

onnxruntime would follow a path in the file and read other files ("external data"), would reserve whatever memory
a tensor claims, and runs loops without end. This module walks the file's protobuf fields, a few thousand for
the networks here, without an ONNX package; numbers of messages and fields are those of onnx.proto.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Callable, Iterator
from pathlib import Path

from toolkit.errors import ModelFileError

LARGEST_MODEL = 2**31  # bytes; what protobuf itself can hold
DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")
"""Whose operators onnxruntime brings along; all others need somebody's program code."""
ENDLESS = ("Loop", "Scan", "SequenceMap")  # none of our models has one
DEEPEST = 16  # graphs within graphs

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_VALUE_BITS = {1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64, 14: 64, 15: 128,
               16: 16, 17: 8, 18: 8, 19: 8, 20: 8, 21: 4, 22: 4, 23: 4, 24: 8, 25: 2, 26: 2}  # fmt: skip
"""TensorProto.DataType -> bits of one value; 8, text, has none."""
_TEXT = 8
_EXTERNAL = 1  # TensorProto.DataLocation
_PACKED_VALUES = (4, 5, 7, 10, 11)  # float_data, int32_data, int64_data, double_data, uint64_data

Span = tuple[int, int]
Field = tuple[int, int | Span]
"""A field's number, and its value: a whole number, or where its bytes begin and end."""


def check_model_file(path: Path, weights_beside: bool = False) -> None:
    """Refuse a file that is no ONNX model, or one that reads other files, claims memory or asks for code.

    weights_beside: allow weights in files of the same folder, as torch writes them for large networks.

    What it does not do: bound the time and memory of running a model whose operators are all allowed.

    Raises:
        ModelFileError: what was found, and what to do.
    """
    cure = "Export it again" if weights_beside else _CURE
    try:
        size = path.stat().st_size
        if path.is_dir():
            raise ModelFileError(
                f"{path} is a folder, not a model; of a run make one with: toolkit export {path} --output model.onnx"
            )
        if not path.is_file() or not 0 < size <= LARGEST_MODEL:
            raise _Malformed("it must be a file of 1 byte to 2 GiB")
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            _Guard(content, size, weights_beside).check()
    except OSError as error:
        raise ModelFileError(
            f"the model {path} cannot be opened: {error.strerror}; check the path"
        ) from error
    except _Malformed as error:
        raise ModelFileError(f"{path} cannot be opened as an ONNX model: {error}. {cure}") from error
    except _Refused as error:
        raise ModelFileError(f"{path} is refused: {error}. {cure}") from error


_CURE = "Give a file written by: toolkit export RUN --output model.onnx"


class _Malformed(Exception):
    pass


class _Refused(Exception):
    pass


class _Guard:
    def __init__(self, content: mmap.mmap | bytes, size: int, weights_beside: bool) -> None:
        self._content, self._size, self._weights_beside = content, size, weights_beside

    def check(self) -> None:
        if self._content[4:8] == b"ORTM":
            raise _Refused("it is in onnxruntime's own format, not ONNX")
        graphs = 0
        for number, value in self._fields((0, self._size)):
            if number == 7:
                graphs += 1
                self._graph(_span(value), 0)
            elif number == 8:
                self._domain(self._text_of(value, 1))
            elif number == 20:
                raise _Refused("it holds training information, which no exported model has")
            elif number == 25:
                for inner, node in self._fields(_span(value)):
                    if inner == 7:
                        self._node(_span(node), 0)
                    elif inner == 11:
                        self._attribute(_span(node), 0)
        if graphs != 1:
            raise _Malformed(f"it holds {graphs} graphs")

    def _graph(self, span: Span, depth: int) -> None:
        if depth > DEEPEST:
            raise _Refused(f"graphs are nested more than {DEEPEST} deep")
        for number, value in self._fields(span):
            if number == 1:
                self._node(_span(value), depth)
            elif number == 5:
                self._tensor(_span(value))
            elif number == 15:
                self._sparse(_span(value))

    def _node(self, span: Span, depth: int) -> None:
        for number, value in self._fields(span):
            if number == 4:
                kind = self._read(_span(value))
                if kind in ENDLESS:
                    raise _Refused(f"the operator {kind} may run without end")
            elif number == 5:
                self._attribute(_span(value), depth)
            elif number == 7:
                self._domain(self._read(_span(value)))

    def _attribute(self, span: Span, depth: int) -> None:
        checks: dict[int, Callable[[Span], None]] = {
            5: self._tensor, 10: self._tensor, 22: self._sparse, 23: self._sparse,
            6: lambda inner: self._graph(inner, depth + 1), 11: lambda inner: self._graph(inner, depth + 1),
        }  # fmt: skip
        single = set[int]()
        for number, value in self._fields(span):
            if number in checks:
                if number in (5, 6) and number in single:  # would be merged into one
                    raise _Malformed("an attribute has two values")
                single.add(number)
                checks[number](_span(value))

    def _sparse(self, span: Span) -> None:
        raise _Refused("it holds a sparse tensor, which may claim any size")

    def _tensor(self, span: Span) -> None:
        dims: list[int] = []
        kind, held, outside = 0, 0, False
        for number, value in self._fields(span):
            if number == 1:
                dims += [value] if isinstance(value, int) else self._packed(value)
            elif number == 2:
                kind = value if isinstance(value, int) else -1
            elif number == 13 or (number == 14 and value == _EXTERNAL):
                outside = True
                if number == 13 and self._weights_beside:
                    self._location(_span(value))
            elif number == 9:
                start, end = _span(value)
                held += 8 * (end - start)
            elif number == 6:
                held += 8
            elif number in _PACKED_VALUES:  # a varint of one byte may stand for 8
                held += 64 if isinstance(value, int) else 64 * (value[1] - value[0])
        if outside and not self._weights_beside:
            raise _Refused("its weights are said to lie in another file (external data), which is not read")
        if any(size >= 2**63 for size in dims):
            raise _Refused(f"a tensor has the impossible shape {dims[:8]}")
        bits = 8 if kind == _TEXT else _VALUE_BITS.get(kind, 1)
        if not outside and math.prod(dims) * bits > held:
            raise _Refused(
                f"a tensor claims the shape {dims[:8]} but holds {held // 8} bytes: the file is damaged or a trap"
            )

    def _location(self, entry: Span) -> None:
        name = self._text_of(entry, 2)
        plain = name not in ("", ".", "..") and not set(name) & set("/\\:")
        if self._text_of(entry, 1) == "location" and not plain:
            raise _Refused(f"it keeps weights in {name[:60]!r}, outside of its folder")

    def _domain(self, name: str) -> None:
        if name not in DOMAINS:
            raise _Refused(f"it uses operators of {name[:60]!r}, which are no part of onnxruntime")

    def _text_of(self, value: int | Span, wanted: int) -> str:
        """The last text of a field within a message; "" where there is none."""
        texts = [self._read(_span(text)) for number, text in self._fields(_span(value)) if number == wanted]
        return texts[-1] if texts else ""

    def _read(self, span: Span) -> str:
        return self._content[span[0] : min(span[1], span[0] + 1000)].decode("utf-8", "replace")

    def _packed(self, span: Span) -> list[int]:
        numbers, place = [], span[0]
        while place < span[1]:
            value, place = self._varint(place, span[1])
            numbers.append(value)
            if len(numbers) > 64:
                raise _Refused("a tensor has more than 64 axes")
        return numbers

    def _fields(self, span: Span) -> Iterator[Field]:
        place, end = span
        while place < end:
            key, place = self._varint(place, end)
            number, wire = key >> 3, key & 7
            if wire == _VARINT:
                value, place = self._varint(place, end)
                yield number, value
                continue
            if wire == _BYTES:
                length, place = self._varint(place, end)
            else:
                length = {_FIXED64: 8, _FIXED32: 4}.get(wire, -1)
            if length < 0 or place + length > end or not number:
                raise _Malformed(f"a field at byte {place} is cut off or of an unknown kind")
            yield number, (place, place + length)
            place += length

    def _varint(self, place: int, end: int) -> tuple[int, int]:
        value = shift = 0
        while place < end and shift < 70:
            byte = self._content[place]
            place += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value, place
            shift += 7
        raise _Malformed(f"a number at byte {place} does not end")


def _span(value: int | Span) -> Span:
    if isinstance(value, int):
        raise _Malformed("a number stands where a message is expected")
    return value
