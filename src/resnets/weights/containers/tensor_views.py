"""Tensor views: torch's tensors as its files describe them, an offset and strides into a storage elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import prod

from resnets.files.errors import FileError
from resnets.weights.containers.contents import Stored, check_tensor
from resnets.weights.containers.torch_types import TYPES


@dataclass(frozen=True, eq=False, slots=True)
class Storage:
    """Numbers in a row: torch's word for their type, their `size` in bytes, and how to fetch some of the bytes.

    `read(start, size)` is given bytes. `read` is None where the file holds none (a tensor on the device `meta`).
    """

    type: str
    size: int
    read: Callable[[int, int], bytes] | None
    is_big_endian: bool = False


@dataclass(frozen=True, eq=False, slots=True)
class TensorView:
    """A tensor as a file describes it; `offset` and `strides` count elements. Nothing of it is checked yet."""

    storage: Storage
    type: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True, eq=False, slots=True)
class NotRead:
    """A value with numbers that are not read, and why."""

    what: str


def view(storage: object, kind: str | None, offset: object, shape: object, strides: object) -> TensorView | NotRead:
    """Return a tensor for the arguments that torch rebuilds it from; `kind` is None for the storage's own type."""
    if not isinstance(storage, Storage) or not isinstance(offset, int):
        raise FileError("a tensor is made of what is no storage")
    if not _is_counts(shape) or not _is_counts(strides):
        raise FileError("the shape and the strides of a tensor are not tuples of whole numbers")
    kind = kind or storage.type
    word, _ = TYPES.get(kind, ("", 0))
    if not word:
        return NotRead(f"a tensor of type {kind[:40]}")
    if storage.read is None:
        return NotRead(f"a tensor on the device meta, which has no numbers, of type {kind}")
    return TensorView(storage, kind, offset, shape, strides)  # type: ignore[arg-type]


def stored(name: str, tensor: TensorView) -> Stored:
    """Return a tensor whose elements lie inside its storage; raise `FileError` for one whose elements do not."""
    word, width = TYPES[tensor.type]
    check_tensor(name, word, tensor.shape)
    if len(tensor.strides) != len(tensor.shape) or min((tensor.offset, *tensor.strides)) < 0:
        raise FileError(f"tensor {name[:100]!r} has impossible strides")
    if width * (tensor.offset + _reach(tensor)) > tensor.storage.size:
        raise FileError(
            f"tensor {name[:100]!r} of shape {tensor.shape} reaches outside its storage of "
            f"{tensor.storage.size:,} bytes; the file is damaged or made up"
        )
    return Stored(word, tensor.shape, partial(_read, tensor))


def _is_counts(value: object) -> bool:
    return isinstance(value, tuple) and all(type(part) is int for part in value)


def _reach(tensor: TensorView) -> int:
    """Elements from the first to the last one, both included, as they lie in the storage."""
    if not prod(tensor.shape):
        return 0
    return 1 + sum((side - 1) * stride for side, stride in zip(tensor.shape, tensor.strides, strict=True))


def _is_row_major(tensor: TensorView) -> bool:
    following = 1
    for side, stride in zip(reversed(tensor.shape), reversed(tensor.strides), strict=True):
        if side != 1 and stride != following:
            return False
        following *= side
    return True


def _read(tensor: TensorView) -> bytes:
    """Return the elements, the last index running fastest, little-endian."""
    assert tensor.storage.read is not None
    width = TYPES[tensor.type][1]
    reach = _reach(tensor)
    if not reach:
        return b""
    data = tensor.storage.read(width * tensor.offset, width * reach)
    swaps = tensor.storage.is_big_endian and width > 1
    if _is_row_major(tensor) and not swaps:
        return data
    import numpy as np

    elements = np.frombuffer(data, f"{'>' if swaps else '<'}u{width}")
    strides = tuple(width * stride for stride in tensor.strides)
    return np.lib.stride_tricks.as_strided(elements, tensor.shape, strides).astype(f"<u{width}", order="C").tobytes()
