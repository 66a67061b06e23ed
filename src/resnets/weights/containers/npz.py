"""npz: numpy's arrays in a zip archive, each a header and its numbers; an array of objects is a pickle, and refused.

The header is the .npy format's (numpy.lib.format), of at most `MOST_NPY_HEADER` bytes; the numbers are fetched one
array at a time, and turned where they are big-endian or in Fortran's order.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

from resnets.files.errors import FileError
from resnets.weights.containers.contents import ITEM_BYTES, MOST_TENSORS, Contents, Stored, check_tensor
from resnets.weights.containers.zip_archive import Member, open_archive

MAGIC = b"\x93NUMPY"
MOST_NPY_HEADER = 1 << 14

_HEADER = re.compile(
    r"\{'descr': (?P<descr>.+), 'fortran_order': (?P<order>True|False), 'shape': \((?P<shape>[0-9L, ]*)\),? ?\}\s*"
)
_DTYPE = re.compile(r"'(?P<order>[<>|=])(?P<kind>[a-z][0-9]+)'")
_WORDS = {
    "b1": "BOOL", "u1": "U8", "u2": "U16", "u4": "U32", "u8": "U64", "i1": "I8", "i2": "I16", "i4": "I32", "i8": "I64",
    "f2": "F16", "f4": "F32", "f8": "F64",
}  # fmt: skip


def looks_like(members: dict[str, Member]) -> bool:
    """Say whether a zip archive is an .npz file, by its members."""
    return bool(members) and all(name.endswith(".npy") for name in members)


def read(path: Path) -> Contents:
    """Return the arrays of an .npz file by name; raise `FileError` for what is no such archive, or holds objects."""
    members = open_archive(path)
    try:
        if not members or not looks_like(members):
            raise FileError("it is a zip archive of other things than .npy files")
        if len(members) > MOST_TENSORS:
            raise FileError(f"it has {len(members):,} arrays; at most {MOST_TENSORS:,} are read")
        tensors = {name.removesuffix(".npy"): _array(member) for name, member in members.items()}
    except FileError as error:
        raise FileError(f"{path} is not read as .npz: {error}") from None
    return Contents(container="npz", tensors=tensors)


def _array(member: Member) -> Stored:
    if member.size < 10:
        raise FileError(f"{member.name!r} has {member.size} bytes, and an array's header alone has more")
    start = member.read_range(0, min(12, member.size))
    if start[:6] != MAGIC or start[6] not in (1, 2, 3):
        raise FileError(f"{member.name!r} is no array of numpy, or of a format that is not known yet")
    before = 10 if start[6] == 1 else 12
    size = int.from_bytes(start[8:before], "little")
    if size > min(MOST_NPY_HEADER, member.size - before):
        raise FileError(f"{member.name!r} says its header has {size:,} bytes; at most {MOST_NPY_HEADER:,} are read")
    dtype, shape, is_big, is_fortran = _header(member.name, member.read_range(before, size))
    stored = Stored(dtype, shape, bytes)
    if stored.size != member.size - before - size:
        raise FileError(
            f"{member.name!r} of {dtype} {shape} takes {stored.size:,} bytes, and has {member.size - before - size:,}"
        )
    fetch = partial(member.read_range, before + size, stored.size)
    needs_turning = is_big or (is_fortran and len(shape) > 1)
    return Stored(dtype, shape, partial(_turned, fetch, stored, is_big, is_fortran) if needs_turning else fetch)


def _header(name: str, text: bytes) -> tuple[str, tuple[int, ...], bool, bool]:
    """Return type, shape, and whether it is big-endian and in Fortran's order, from what numpy writes."""
    said = _HEADER.fullmatch(text.decode("latin-1"))
    if said is None:
        raise FileError(f"{name!r} has a header that tells no type, order and shape")
    kind = _DTYPE.fullmatch(said["descr"])
    word = _WORDS.get(kind["kind"]) if kind else None
    if kind is None or word is None:
        raise FileError(
            f"{name!r} holds {said['descr'][:100]}, and not plain numbers; an array of objects is a pickle, never read"
        )
    sides = [side.strip().removesuffix("L") for side in said["shape"].split(",") if side.strip()]  # Python 2 wrote 3L
    if not all(re.fullmatch(r"[0-9]{1,15}", side) for side in sides):
        raise FileError(f"{name!r} has a shape that is not of whole numbers")
    shape = tuple(map(int, sides))
    check_tensor(name, word, shape)
    return word, shape, kind["order"] == ">", said["order"] == "True"


def _turned(fetch: Callable[[], bytes], tensor: Stored, is_big: bool, is_fortran: bool) -> bytes:
    import numpy as np

    numbers = np.frombuffer(fetch(), f"{'>' if is_big else '<'}u{ITEM_BYTES[tensor.dtype]}")
    shaped = numbers.reshape(tensor.shape, order="F" if is_fortran else "C")
    return shaped.astype(shaped.dtype.newbyteorder("<")).tobytes()
