"""torch's legacy files: what `torch.save` wrote from 0.1.10 to 1.5, and still does where it is asked to.

Pickles in a row: a magic number, a protocol, facts of the machine, the value, and the keys of its storages; behind
them every storage in that order, a count of elements and the elements, always little-endian
(torch/serialization.py, `_legacy_save`).
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from resnets.files import byte_ranges
from resnets.files.errors import FileError
from resnets.files.pickle_machine import Limits
from resnets.files.pickled_objects import Span
from resnets.files.unpickle import load
from resnets.weights.containers.checkpoint import LIMITS, contents
from resnets.weights.containers.contents import Contents
from resnets.weights.containers.tensor_views import Storage
from resnets.weights.containers.torch_objects import TORCH, storage_type
from resnets.weights.containers.torch_types import TYPES

Fetch = Callable[[int, int], bytes]

MAGIC = 0x1950A86A20F9469CFC6C

PROTOCOL = 1001


_MAGIC_BYTES = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."

STORAGE_LIMITS = Limits(steps=200, data_bytes=4096, line_bytes=4096, memory_bytes=1 << 18)
"""What a file that is one storage may ask for."""


def looks_like(head: bytes) -> bool:
    """Return whether a file that begins so was written by torch's legacy format, in protocol 2 or later."""
    return _MAGIC_BYTES in head[:32]


def read(path: Path) -> Contents:
    """Return the tensors of a legacy torch file, whose bytes stay in the file until they are asked for.

    Raises `FileError` where it is no such file, is damaged, or asks for too much; nothing in it is run.
    """
    with byte_ranges.opened(path) as file:
        outside: dict[str, None] = {}
        try:
            value = _value(file, partial(byte_ranges.read_range, path), LIMITS, outside)
        except FileError as error:
            raise FileError(f"{path} is not read as a file of torch: {error}") from None
        return contents("torch legacy", path, value, outside, byte_ranges.length(file))


def storage_in(path: Path, held: object) -> Storage:
    """Return the storage that a plain pickle holds as the bytes of a legacy file, or as their span in `path`."""
    if isinstance(held, Span) and not held.is_text:
        with byte_ranges.opened(path) as file:
            file.seek(held.offset)
            value = _value(file, partial(byte_ranges.read_range, path), STORAGE_LIMITS, {})
    elif isinstance(held, bytes):
        value = _value(io.BytesIO(held), lambda start, size: held[start : start + size], STORAGE_LIMITS, {})
    else:
        raise FileError("a storage is made of what are no bytes")
    if not isinstance(value, Storage):
        raise FileError("what should be a storage is something else")
    return value


def _value(file: BinaryIO, fetch: Fetch, limits: Limits, outside: dict[str, None]) -> Any:
    """Return the value of the legacy file at which a stream stands, whose bytes are fetched by `fetch(start, size)`."""
    if load(file, {}, limits) != MAGIC:
        raise FileError("it does not begin with torch's magic number")
    protocol = load(file, {}, limits)
    if protocol != PROTOCOL:
        raise FileError(f"it is of protocol {str(protocol)[:20]}; {PROTOCOL} is read")
    load(file, {}, limits)  # byte order and sizes of the machine that wrote it, which change nothing
    storages = _Storages(fetch)
    value = load(file, TORCH, limits, outside=outside, persistent=storages.find)
    storages.place(file, load(file, {}, limits))
    return value


class _Storages:
    """The storages that the value names, whose places are known only when it has been read."""

    def __init__(self, fetch: Fetch) -> None:
        self.fetch = fetch
        self.elements: dict[str, int] = {}
        self.types: dict[str, str] = {}
        self.places: dict[str, int] = {}

    def find(self, identity: object) -> object:
        """Return what stands for a persistent id.

        It is ('storage', class, key, location, elements, view), where a view is (key, offset, elements), or
        ('module', class, file, source code) for the class of a whole pickled module.
        """
        if isinstance(identity, tuple) and len(identity) == 4 and identity[0] in ("module", b"module"):
            return identity[1]
        if not isinstance(identity, tuple) or len(identity) != 6 or identity[0] not in ("storage", b"storage"):
            raise FileError("it refers to something outside itself that is no storage")
        _, kind, key, _, elements, view = identity
        if not isinstance(key, str) or type(elements) is not int or not 0 <= elements < 1 << 48:
            raise FileError("the key of a storage is no string, or its length no whole number")
        word = storage_type(kind)
        width = TYPES[word][1]
        if self.elements.setdefault(key, elements) != elements or self.types.setdefault(key, word) != word:
            raise FileError(f"storage {key[:100]!r} is said to have two lengths or types")
        offset = 0
        if view is not None:
            offset, elements = _part(view, elements)
        return Storage(word, width * elements, self._reader(key, width * offset))

    def _reader(self, key: str, start: int) -> Fetch:
        return lambda at, size: self.fetch(self.places[key] + start + at, size)

    def place(self, file: BinaryIO, keys: object) -> None:
        """Note where each storage lies, from where the file stands on."""
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise FileError("the keys of its storages are no list of strings")
        at = file.tell()
        end = file.seek(0, io.SEEK_END)
        for key in keys:
            if key not in self.elements or key in self.places:
                raise FileError(f"storage {key[:100]!r} belongs to nothing, or comes twice")
            elements, width = self.elements[key], TYPES[self.types[key]][1]
            if at + 8 + width * elements > end:
                raise FileError(f"storage {key[:100]!r} ends behind the file, which is cut short; fetch it again")
            file.seek(at)
            count = int.from_bytes(file.read(8), "little", signed=True)
            if count != elements:
                raise FileError(f"storage {key[:100]!r} has {count:,} elements, and should have {elements:,}")
            self.places[key] = at + 8
            at += 8 + width * elements
        missing = [key for key in self.elements if key not in self.places]
        if missing:
            raise FileError(f"storage {missing[0][:100]!r} is not among those behind the value")


def _part(view: object, elements: int) -> tuple[int, int]:
    """Return the offset and the length, in elements, of a storage that is a part of another."""
    if isinstance(view, tuple) and len(view) == 3:
        _, offset, count = view
        if type(offset) is int and type(count) is int and 0 <= offset <= offset + count <= elements:
            return offset, count
    raise FileError("a storage is said to be a part of another that it is not inside")
