"""Protobuf's wire format, written: enough to make the files that the readers of ONNX and Caffe are tested with."""

from __future__ import annotations

import struct
from collections.abc import Iterable

Value = int | float | str | bytes


def varint(number: int) -> bytes:
    """A number as a varint; a negative one as protobuf writes it, in ten bytes."""
    number %= 1 << 64
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def tag(number: int, wire: int) -> bytes:
    return varint(number << 3 | wire)


def field(number: int, *values: Value) -> bytes:
    """A field once for each value: a whole number as a varint, a float in 32 bits, text and bytes with their length."""
    return b"".join(_field(number, value) for value in values)


def _field(number: int, value: Value) -> bytes:
    if isinstance(value, float):
        return tag(number, 5) + struct.pack("<f", value)
    if isinstance(value, int):
        return tag(number, 0) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return tag(number, 2) + varint(len(data)) + data


def packed(number: int, numbers: Iterable[int]) -> bytes:
    """Whole numbers packed into one field."""
    return field(number, b"".join(map(varint, numbers)))
