"""Pickled arrays: numpy's arrays out of a pickle as plain data, without numpy."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from resnets.files.errors import FileError
from resnets.files.pickle_machine import Callables, Draft
from resnets.files.pickled_objects import Named, Span


@dataclass(frozen=True, kw_only=True, slots=True)
class Array:
    """A numpy array as a pickle holds it.

    `dtype` is numpy's own short form with its byte order, such as "|u1" or "<f4"; `data` holds the elements,
    the last index running fastest, or the first where `fortran` is True.
    """

    dtype: str
    shape: tuple[int, ...]
    data: bytes
    fortran: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class ArrayInFile:
    """An `Array` whose elements were left in the file."""

    dtype: str
    shape: tuple[int, ...]
    span: Span
    fortran: bool


class _DtypeDraft(Draft):
    """dtype('u1', 0, 1), whose byte order comes with its state."""

    def __init__(self, kind: object, align: object = False, copy: object = False) -> None:
        if not isinstance(kind, str) or not _KIND.fullmatch(kind):
            raise ValueError("an array's elements are neither numbers nor booleans")
        self.kind = kind

    def build(self, state: object) -> str:
        """Return "|u1" for the state (3, "|", None, None, None, -1, -1, 0)."""
        if not isinstance(state, tuple) or len(state) < 5 or state[1] not in ("<", ">", "|", "="):
            raise ValueError("the state of a dtype starts (version, byte order, ...)")
        if any(part is not None for part in state[2:5]):
            raise ValueError("an array with fields is not read")
        return f"{state[1]}{self.kind}"


class _ArrayDraft(Draft):
    """_reconstruct(ndarray, (0,), b'b'): an empty array, whose contents come with its state."""

    def __init__(self, kind: object, shape: object, code: object) -> None:
        if kind != Named("numpy ndarray"):
            raise ValueError("only a plain ndarray is read")

    def build(self, state: object) -> Array | ArrayInFile:
        """Return the array for the state (version, shape, dtype, is Fortran, data)."""
        if not isinstance(state, tuple) or len(state) != 5:
            raise ValueError("the state of an array is (version, shape, dtype, is Fortran, data)")
        _, shape, dtype, fortran, data = state
        if isinstance(data, str):  # Python 2's byte string
            data = data.encode("latin-1")
        return _array(dtype, shape, data, bool(fortran))


def _from_buffer(data: object, dtype: object, shape: object, order: object) -> Array | ArrayInFile:
    """_frombuffer(data, dtype, shape, order): how protocol 5 writes an array."""
    if order not in ("C", "F"):
        raise ValueError("an array's order is neither C nor F")
    return _array(dtype, shape, bytes(data) if isinstance(data, bytearray) else data, order == "F")


def _array(dtype: object, shape: object, data: object, fortran: bool) -> Array | ArrayInFile:
    if not isinstance(dtype, str) or not _KIND.fullmatch(dtype[1:]):
        raise ValueError("an array's state names no dtype")
    if not isinstance(data, bytes | Span):
        raise ValueError("an array's data are not bytes")
    if not isinstance(shape, tuple) or len(shape) > 32:
        raise ValueError("an array's shape is not a tuple of at most 32 sides")
    itemsize = int(dtype[2:])
    elements, held = _elements(shape), data.size if isinstance(data, Span) else len(data)
    # As text in UTF-8 a byte takes one or two; which, is seen when it is read.
    fits = elements * itemsize <= held <= 2 * elements * itemsize if _is_text(data) else elements * itemsize == held
    if not fits:  # the whole file is bad, even where other things in it are only noted
        raise FileError(f"an array says it has {elements:,} elements of {itemsize} bytes, and has {held:,}")
    if isinstance(data, Span):
        return ArrayInFile(dtype=dtype, shape=shape, span=data, fortran=fortran)
    return Array(dtype=dtype, shape=shape, data=data, fortran=fortran)


def _is_text(data: bytes | Span) -> bool:
    return isinstance(data, Span) and data.is_text


def _elements(shape: tuple[object, ...]) -> int:
    elements = 1
    for side in shape:
        if not isinstance(side, int) or isinstance(side, bool) or not 0 <= side < 1 << 48:
            raise ValueError("a side of an array is not a whole number from 0 on")
        elements *= side
    return elements


_KIND = re.compile(r"b1|[iu][1248]|f[248]")  # booleans, whole numbers and floats, with their bytes


def _encode(text: object, encoding: object) -> bytes | Span:
    """How Python 3 writes bytes for Python 2: as a string, to be encoded again."""
    if not isinstance(text, str | Span) or encoding != "latin1":
        raise ValueError("only a string in latin1 is read")
    if isinstance(text, Span):
        return text
    return text.encode("latin-1")


def _no_bytes() -> bytes:
    """How Python 3 writes b"" for Python 2."""
    return b""


def _never(*_: object) -> object:
    raise ValueError("an ndarray is only read through _reconstruct")


ARRAYS: Callables = {
    "numpy.core.multiarray _reconstruct": _ArrayDraft,
    "numpy._core.multiarray _reconstruct": _ArrayDraft,  # the same since numpy 2
    "numpy.core.numeric _frombuffer": _from_buffer,
    "numpy._core.numeric _frombuffer": _from_buffer,
    "numpy ndarray": _never,
    "numpy dtype": _DtypeDraft,
    "_codecs encode": _encode,
    "__builtin__ bytes": _no_bytes,
}
"""What a pickle of numpy arrays may call."""


def _scalar(dtype: object, data: object) -> bool | int | float:
    """scalar(dtype, bytes): one number of numpy's."""
    if isinstance(data, str):
        data = data.encode("latin-1")
    if not isinstance(dtype, str) or not isinstance(data, bytes) or dtype[1:] not in _SCALARS:
        raise ValueError("only a number is read as numpy's scalar")
    if len(data) != int(dtype[2:]):
        raise ValueError(f"a scalar of {dtype[2:]} bytes has {len(data):,}")
    value: bool | int | float = struct.unpack(dtype[0].replace("|", "=") + _SCALARS[dtype[1:]], data)[0]
    return value


_SCALARS = {
    "b1": "?", "i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "u2": "H", "u4": "I", "u8": "Q",
    "f2": "e", "f4": "f", "f8": "d",
}  # fmt: skip
"""numpy's short form -> struct's."""

SCALARS: Callables = {
    "numpy.core.multiarray scalar": _scalar,
    "numpy._core.multiarray scalar": _scalar,
}
"""What a pickle of numpy's scalars may call, besides a dtype."""
