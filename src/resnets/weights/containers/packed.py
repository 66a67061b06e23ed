"""Packed numbers: where the numbers of a repeated protobuf field lie in a file, to be fetched when asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resnets.files import byte_ranges
from resnets.files.errors import FileError
from resnets.files.protobuf import LENGTH, VARINT, Field

if TYPE_CHECKING:
    import numpy as np

MOST_PIECES = 1_000
"""Of one tensor; every writer known makes one."""

MOST_VARINTS = 1 << 24
"""Of one tensor that is written as varints; unpacking takes some forty bytes for each, 0.6 GB in all."""


@dataclass(slots=True)
class Packed:
    """The numbers of one repeated field: packed in one or more pieces, or one by one."""

    wire: int
    pieces: list[tuple[int, int]] = field(default_factory=list)
    singles: bytearray = field(default_factory=bytearray)

    def add(self, found: Field) -> None:
        """Take one occurrence of the field; raise `FileError` where it is of another wire type."""
        if found.wire == LENGTH:
            self.pieces.append((found.start, len(found.view())))
        elif found.wire == self.wire != VARINT and not isinstance(found.value, int):
            self.singles += found.value
        else:
            raise FileError(f"field {found.number} holds numbers of wire type {found.wire}, not {self.wire}")
        if len(self.pieces) > MOST_PIECES or (self.pieces and self.singles):
            raise FileError(f"field {found.number} holds numbers in too many pieces")

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return len(self.singles) + sum(size for _, size in self.pieces)

    def read(self, path: Path) -> bytes:
        """Return the bytes of all numbers, one after another."""
        return bytes(self.singles) + b"".join(byte_ranges.read_range(path, start, size) for start, size in self.pieces)


def unpack_varints(data: bytes, count: int) -> np.ndarray[Any, Any]:
    """Return `count` varints as uint64; raise `FileError` where the bytes hold more or fewer."""
    import numpy as np

    octets = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(octets < 0x80)
    if len(ends) != count or (len(octets) and octets[-1] >= 0x80):
        raise FileError(f"a tensor of {count:,} numbers holds {len(ends):,}")
    starts = np.concatenate([np.zeros(min(count, 1), np.int64), ends[:-1] + 1])
    if count and int((ends - starts).max()) >= 10:
        raise FileError("a number has no end; the file is cut short or damaged")
    numbers = np.zeros(count, np.uint64)
    for first in range(0, count, 1 << 16):
        piece = slice(first, first + (1 << 16))
        for place in range(int((ends[piece] - starts[piece]).max()) + 1):
            longer = starts[piece] + place <= ends[piece]
            part = octets[starts[piece][longer] + place].astype(np.uint64) & np.uint64(0x7F)
            numbers[piece][longer] |= part << np.uint64(7 * place)
    return numbers
