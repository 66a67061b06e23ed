"""Pickle opcodes: cut a stream into opcodes and arguments, never setting aside more than is there and allowed."""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO

from resnets.files.errors import FileError
from resnets.files.pickle_machine import Limits
from resnets.files.pickled_objects import Span


class Reader:
    """A pickle inside a seekable stream, which is read from where it stands, and no further than STOP.

    A string of `span_bytes` or more is left where it is, as a `Span`.
    """

    def __init__(self, stream: BinaryIO, limits: Limits, span_bytes: int | None) -> None:
        self.stream = stream
        self.limits = limits
        self.span_bytes = span_bytes
        self.spent = 0  # bytes of strings and lines
        self.read = stream.read  # what the standard tokeniser asks for, with the line below
        start = stream.tell()
        self.end = stream.seek(0, io.SEEK_END)
        stream.seek(start)

    def readline(self) -> bytes:
        line = self.stream.readline(min(self.limits.line_bytes, self.limits.data_bytes - self.spent + 1))
        self._spend(len(line))
        return line

    def opcodes(self) -> Iterator[tuple[str, Any, int]]:
        """Yield each opcode's name, argument and place; raise `FileError` where the stream is cut short or damaged."""
        read, tell = self.read, self.stream.tell
        while True:
            place = tell()
            code = read(1)
            if not code:
                return
            opcode = _OPCODES.get(code)
            if opcode is None:
                raise FileError(f"it is damaged (0x{code.hex()} is no opcode)")
            argument = None
            try:
                if code in _SIZED:
                    argument = self._sized(*_SIZED[code])
                elif opcode.arg is not None:
                    argument = opcode.arg.reader(self)  # type: ignore[arg-type]
            except FileError:
                raise
            except (ValueError, OverflowError, Warning) as error:  # a Warning: where warnings are made errors
                raise FileError(f"it is cut short or damaged ({str(error)[:100]})") from None
            yield opcode.name, argument, place

    def _sized(self, width: int, kind: str) -> object:
        """Return an argument that states its own length."""
        head = self.read(width)
        size = int.from_bytes(head, "little")
        if len(head) < width or size > self.end - self.stream.tell():
            raise FileError("it is cut short or damaged (a string is longer than the rest)")
        if kind == "number" and size > self.limits.number_bytes:
            raise FileError(f"it holds a whole number of more than {self.limits.number_bytes} bytes")
        if self.span_bytes is not None and size >= self.span_bytes:
            place = self.stream.tell()
            self.stream.seek(size, io.SEEK_CUR)
            return Span(place, size, is_text=kind == "text")
        self._spend(size)
        data = self.read(size)
        if len(data) < size:
            raise FileError("it was changed while it was read")
        return _KINDS[kind](data)

    def _spend(self, count: int) -> None:
        self.spent += count
        if self.spent > self.limits.data_bytes:
            raise FileError(f"its strings have more than {self.limits.data_bytes:,} bytes")


_OPCODES = {opcode.code.encode("latin-1"): opcode for opcode in pickletools.opcodes}

_KINDS: Mapping[str, Callable[[bytes], object]] = {
    "bytes": bytes,
    "bytearray": bytearray,
    "latin-1": lambda data: data.decode("latin-1"),  # Python 2's byte strings
    "text": lambda data: data.decode("utf-8", "surrogatepass"),
    "number": lambda data: int.from_bytes(data, "little", signed=True),
}

_SIZED: Mapping[bytes, tuple[int, str]] = {
    b"\x8a": (1, "number"),  # LONG1
    b"\x8b": (4, "number"),  # LONG4
    b"U": (1, "latin-1"),  # SHORT_BINSTRING
    b"T": (4, "latin-1"),  # BINSTRING
    b"C": (1, "bytes"),  # SHORT_BINBYTES
    b"B": (4, "bytes"),  # BINBYTES
    b"\x8e": (8, "bytes"),  # BINBYTES8
    b"\x96": (8, "bytearray"),  # BYTEARRAY8
    b"\x8c": (1, "text"),  # SHORT_BINUNICODE
    b"X": (4, "text"),  # BINUNICODE
    b"\x8d": (8, "text"),  # BINUNICODE8
}
"""Opcode -> bytes of its length, and what follows. pickletools would set aside whatever the length says."""
