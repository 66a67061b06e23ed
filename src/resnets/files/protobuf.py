"""Protobuf's wire format: the fields of a message one after another, bounded, without a schema.

The format is https://protobuf.dev/programming-guides/encoding. A message is a view of bytes that stay where
they are; the caller says which fields it knows, and descends into those that are messages.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from resnets.files.errors import FileError

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
"""Wire types; groups (3 and 4), which are deprecated, are refused."""


@dataclass(slots=True)
class Budget:
    """What all messages of one file may still take together; reading them takes from it."""

    fields: int = 1_000_000  # numbers of a packed list count too: each becomes an object of some thirty bytes
    text_bytes: int = 8 << 20
    depth: int = 16  # messages inside messages

    def take_fields(self, count: int) -> None:
        """Count fields; raise `FileError` when there are too many."""
        self.fields -= count
        if self.fields < 0:
            raise FileError("its messages have too many fields")

    def take_text(self, size: int) -> None:
        """Count bytes of text; raise `FileError` when there are too many."""
        self.text_bytes -= size
        if self.text_bytes < 0:
            raise FileError("its messages hold too much text")


@dataclass(frozen=True, slots=True)
class Field:
    """One field: `value` is a number for a varint (0 to 2^64 - 1), else a view of its bytes.

    `start` is where these bytes (of a varint the first) lie in the file.
    """

    number: int
    wire: int
    value: int | memoryview
    start: int
    depth: int
    budget: Budget

    def integer(self) -> int:
        """Return a varint as the signed 64-bit number that int32, int64 and enums are."""
        if not isinstance(self.value, int):
            raise self._other_than("a whole number")
        return _signed(self.value)

    def integers(self) -> list[int]:
        """Return the signed numbers of a repeated field, whether this one holds one of them or packs many."""
        if isinstance(self.value, int):
            return [_signed(self.value)]
        if self.wire != LENGTH:
            raise self._other_than("whole numbers")
        found, at = [], 0
        while at < len(self.value):
            self.budget.take_fields(1)
            number, at = _varint(self.value, at)
            found.append(_signed(number))
        return found

    def floats(self) -> list[float]:
        """Return the numbers of a repeated `float` field, whether this one holds one of them or packs many."""
        if isinstance(self.value, int) or self.wire not in (LENGTH, FIXED32) or len(self.value) % 4:
            raise self._other_than("floats")
        self.budget.take_fields(len(self.value) // 4)
        return [number for (number,) in struct.iter_unpack("<f", self.value)]

    def text(self) -> str:
        """Return a string; raise `FileError` where it is not UTF-8."""
        view = self.view()
        self.budget.take_text(len(view))
        try:
            return str(view, "utf-8")
        except UnicodeDecodeError:
            raise FileError(f"field {self.number} is a text and not UTF-8") from None

    def view(self) -> memoryview:
        """Return the view of a field that has a length."""
        if isinstance(self.value, int) or self.wire != LENGTH:
            raise self._other_than("bytes")
        return self.value

    def message(self) -> Message:
        """Return the message in this field."""
        if self.depth <= 1:
            raise FileError("its messages are too deep")
        return Message(self.view(), self.budget, start=self.start, depth=self.depth - 1)

    def _other_than(self, wanted: str) -> FileError:
        return FileError(f"field {self.number} is of wire type {self.wire}, and holds no {wanted}")


class Message:
    """A view of a message's bytes; to iterate over it is to read its fields in the file's order.

    Iterating raises `FileError` for a field that runs past the message's end, for a varint of more than ten
    bytes, for groups and unknown wire types, and when the budget is spent.
    """

    __slots__ = ("_budget", "_data", "_depth", "_start")

    def __init__(self, data: memoryview, budget: Budget, *, start: int = 0, depth: int | None = None) -> None:
        self._data = data
        self._budget = budget
        self._start = start
        self._depth = budget.depth if depth is None else depth

    def __iter__(self) -> Iterator[Field]:
        data, at, end = self._data, 0, len(self._data)
        while at < end:
            self._budget.take_fields(1)
            tag, at = _varint(data, at)
            number, wire = tag >> 3, tag & 7
            if not 0 < number < 1 << 29:
                raise FileError(f"byte {self._start + at - 1:,} starts a field with the impossible number {number:,}")
            place, value = at, 0
            if wire == VARINT:
                value, at = _varint(data, at)
                yield Field(number, wire, value, self._start + place, self._depth, self._budget)
                continue
            if wire == LENGTH:
                size, place = _varint(data, at)
            elif wire in _FIXED:
                size = _FIXED[wire]
            else:
                raise FileError(f"field {number} is of wire type {wire}; these are read: 0, 1, 2, 5")
            at = place + size
            if at > end:
                raise FileError(
                    f"field {number} says it has {size:,} bytes, and {end - place:,} are left; "
                    "the file is cut short or damaged"
                )
            yield Field(number, wire, data[place:at], self._start + place, self._depth, self._budget)


def outline(head: bytes) -> list[tuple[int, int]]:
    """Return number and wire type of each field that starts in `head`, the first bytes of a file.

    The last one may go on behind the head. The list is empty where these bytes are no fields.
    """
    data, at = memoryview(head), 0
    found: list[tuple[int, int]] = []
    while at < len(data):
        try:
            tag, at = _varint(data, at)
        except FileError:
            return found if len(data) - at < 10 else []
        number, wire = tag >> 3, tag & 7
        if not 0 < number < 1 << 29 or wire not in (VARINT, LENGTH, *_FIXED):
            return []
        found.append((number, wire))
        if wire in _FIXED:
            at += _FIXED[wire]
            continue
        try:
            size, at = _varint(data, at)
        except FileError:
            return found
        at += size if wire == LENGTH else 0
    return found


_FIXED = {FIXED64: 8, FIXED32: 4}


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """Return the number at a place and the place behind it."""
    number = shift = 0
    for place in range(at, min(at + 10, len(data))):
        byte = data[place]
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number & 0xFFFFFFFFFFFFFFFF, place + 1
        shift += 7
    raise FileError("a number has no end; the file is cut short or damaged")


def _signed(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number
