"""torch's tar files: what `torch.save` wrote before 0.1.10, and `torch.load` still reads.

Four members: `sys_info`; `storages`, a count and for each storage a pickle of (key, location, class) and its elements,
then a pickle of the views; `tensors`, a count and for each tensor a pickle of (key, storage, class) and its
shape; `pickle`, the value, whose persistent ids are these keys (torch/serialization.py, `legacy_load`).
Files called `.pth.tar` are hardly ever of this kind.
"""

from __future__ import annotations

import struct
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from resnets.files import byte_ranges
from resnets.files.errors import FileError
from resnets.files.unpickle import load
from resnets.weights.containers.checkpoint import LIMITS, contents
from resnets.weights.containers.contents import MOST_TENSORS, Contents
from resnets.weights.containers.tensor_views import NotRead, Storage, TensorView, view
from resnets.weights.containers.torch_objects import TORCH, storage_type
from resnets.weights.containers.torch_types import TYPES

Parts = dict[int, Storage | TensorView | NotRead]


def read(path: Path) -> Contents:
    """Return the tensors of a torch tar file, whose bytes stay in the file until they are asked for.

    Raises `FileError` where it is no such file, is damaged, or asks for too much; nothing in it is run.
    """
    with byte_ranges.opened(path) as file:
        outside: dict[str, None] = {}
        try:
            places = _members(file)
            missing = [name for name in ("storages", "tensors", "pickle") if name not in places]
            if missing:
                raise FileError(
                    f"it is a tar archive without {missing[0]!r}; unpack it, and give the file of weights in it"
                )
            file.seek(places["storages"])
            parts = _storages(file, path)
            file.seek(places["tensors"])
            _add_tensors(file, parts)
            file.seek(places["pickle"])
            value = load(file, TORCH, LIMITS, outside=outside, persistent=partial(_find, parts))
        except FileError as error:
            raise FileError(f"{path} is not read as a file of torch: {error}") from None
        return contents("torch tar", path, value, outside, byte_ranges.length(file))


_BLOCK = 512


def _members(file: BinaryIO) -> dict[str, int]:
    """Return where the bytes of each member start (POSIX ustar)."""
    places: dict[str, int] = {}
    at, end = 0, byte_ranges.length(file)
    while at + _BLOCK <= end and len(places) < 100:
        header = byte_ranges.read_at(file, at, _BLOCK)
        if not header.strip(b"\0"):
            break
        digits = header[124:136].strip(b" \0")
        if header[257:262] != b"ustar" or not digits.isdigit() or set(digits) & set(b"89"):
            raise FileError(f"there is no header of a tar archive at byte {at:,}")
        name = header[:100].rstrip(b"\0").decode("latin-1")
        if header[156:157] in b"0\0":
            places[name.removeprefix("./")] = at + _BLOCK
        at += _BLOCK + -(-int(digits, 8) // _BLOCK) * _BLOCK
    return places


def _pickle(file: BinaryIO) -> Any:
    return load(file, TORCH, LIMITS)


def _count(file: BinaryIO) -> int:
    count = _pickle(file)
    if type(count) is not int or not 0 <= count <= MOST_TENSORS:
        raise FileError(f"it says it has {str(count)[:20]} tensors or storages; at most {MOST_TENSORS:,} are read")
    return count


def _entry(file: BinaryIO, size: int) -> tuple[Any, ...]:
    entry = _pickle(file)
    if not isinstance(entry, tuple) or len(entry) != size or type(entry[0]) is not int:
        raise FileError("the entry of a tensor or storage is not what it should be")
    return entry


def _storages(file: BinaryIO, path: Path) -> Parts:
    parts: Parts = {}
    for _ in range(_count(file)):
        key, _, kind = _entry(file, 3)
        word = storage_type(kind)
        (elements,) = _numbers(file, "<q")
        size = elements * TYPES[word][1]
        start = file.tell()
        if not 0 <= size <= byte_ranges.length(file) - start:
            raise FileError(f"a storage says it has {elements:,} elements, more than there are")
        parts[key] = Storage(word, size, partial(_read, path, start))
        file.seek(start + size)
    views = _pickle(file)
    if not isinstance(views, list) or len(views) > MOST_TENSORS:
        raise FileError("the views of its storages are no list, or too many")
    whole = dict(parts)  # a view is of a storage, never of another view
    for entry in views:
        if not isinstance(entry, tuple) or len(entry) != 4 or not all(type(part) is int for part in entry):
            raise FileError("a view of a storage is not what it should be")
        target, root, offset, elements = entry
        parts[target] = _view(whole.get(root), offset, elements)
    return parts


def _view(root: object, offset: int, elements: int) -> Storage:
    if isinstance(root, Storage) and root.read is not None:
        width = TYPES[root.type][1]
        if 0 <= offset <= offset + elements <= root.size // width:
            fetch, start = root.read, offset * width
            return Storage(root.type, elements * width, lambda at, size: fetch(start + at, size))
    raise FileError("a storage is said to be a part of another that it is not inside")


def _add_tensors(file: BinaryIO, parts: Parts) -> None:
    for _ in range(_count(file)):
        key, storage, _ = _entry(file, 3)
        (dimensions, _) = _numbers(file, "<2i")  # the second was the upper half of the first
        if not 0 <= dimensions <= 8:
            raise FileError(f"a tensor says it has {dimensions:,} dimensions; at most 8 are read")
        shape, strides = _numbers(file, f"<{dimensions}q"), _numbers(file, f"<{dimensions}q")
        (offset,) = _numbers(file, "<q")
        parts[key] = view(parts.get(storage), None, offset, shape, strides)


def _numbers(file: BinaryIO, form: str) -> tuple[Any, ...]:
    return struct.unpack(form, byte_ranges.read_at(file, file.tell(), struct.calcsize(form)))


def _read(path: Path, start: int, at: int, size: int) -> bytes:
    return byte_ranges.read_range(path, start + at, size)


def _find(parts: Parts, identity: object) -> object:
    """Return what stands for a persistent id: a key in digits, or (class, file, source code) of a module."""
    if isinstance(identity, tuple) and len(identity) == 3:
        return identity[0]
    key = int(identity) if isinstance(identity, str) and identity.isdecimal() and len(identity) < 20 else identity
    if type(key) is not int or key not in parts:
        raise FileError("it refers to something outside itself that is no tensor")
    return parts[key]
