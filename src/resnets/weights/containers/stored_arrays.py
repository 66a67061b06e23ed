"""Stored arrays: numpy's arrays in a pickle as tensors, brought into our byte order and row order when read."""

from __future__ import annotations

from functools import partial
from math import prod
from pathlib import Path

from resnets.files import byte_ranges
from resnets.files.errors import FileError
from resnets.files.pickled_arrays import Array, ArrayInFile
from resnets.weights.containers.contents import ITEM_BYTES, Stored, check_tensor

WORDS = {
    "b1": "BOOL", "u1": "U8", "i1": "I8", "u2": "U16", "i2": "I16", "f2": "F16", "u4": "U32", "i4": "I32",
    "f4": "F32", "u8": "U64", "i8": "I64", "f8": "F64",
}  # fmt: skip
"""numpy's short form -> the word of safetensors."""


def stored(name: str, array: Array | ArrayInFile, path: Path) -> Stored:
    """Return an array of the pickle in the file `path`; raise `FileError` for one that no file here could hold."""
    word = WORDS[array.dtype[1:]]
    check_tensor(name, word, array.shape)
    return Stored(word, array.shape, partial(_read, array, path))


def _read(array: Array | ArrayInFile, path: Path) -> bytes:
    """Return the elements, the last index running fastest, little-endian."""
    data = array.data if isinstance(array, Array) else _fetch(array, path)
    width = ITEM_BYTES[WORDS[array.dtype[1:]]]
    swaps = array.dtype[0] == ">" and width > 1
    if not swaps and (not array.fortran or len(array.shape) < 2):
        return data
    import numpy as np

    elements = np.frombuffer(data, f"{'>' if swaps else '<'}u{width}")
    ordered = elements.reshape(array.shape, order="F" if array.fortran else "C")
    return ordered.astype(f"<u{width}", order="C").tobytes()


def _fetch(array: ArrayInFile, path: Path) -> bytes:
    data = byte_ranges.read_range(path, array.span.offset, array.span.size)
    if not array.span.is_text:
        return data
    try:
        data = data.decode().encode("latin-1")  # how Python 3 writes bytes for Python 2
    except UnicodeError:
        data = b""
    if len(data) != prod(array.shape) * ITEM_BYTES[WORDS[array.dtype[1:]]]:
        raise FileError(f"{path}: an array's bytes are not what its pickle says; fetch it again")
    return data
