"""Contents: what a container holds, named numbers that are read on demand and the plain facts beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import prod
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from resnets.files.errors import FileError

if TYPE_CHECKING:
    import numpy as np

ITEM_BYTES: Mapping[str, int] = MappingProxyType(
    {
        "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "U16": 2, "I16": 2, "F16": 2, "BF16": 2,
        "U32": 4, "I32": 4, "F32": 4, "U64": 8, "I64": 8, "F64": 8,
    }
)  # fmt: skip
"""Bytes of one element of each type, in the words of safetensors."""

MOST_TENSORS = 10_000
"""In one file; ResNet-1202 has 7,214 with its batch counts."""

MOST_HEADER_BYTES = 8 << 20
"""Of names, types and shapes in one file; ten thousand tensors need about one megabyte."""

MOST_TENSOR_BYTES = 4 << 30
"""Of one tensor; the largest of the family, ResNeXt-101 32x32d's, stay below 0.1 GB."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One tensor of a file: its type in the words of safetensors, its shape, and how to fetch its bytes.

    `read()` returns `prod(shape)` elements, the last index running fastest, little-endian; it raises
    `FileError` when the file no longer holds them.
    """

    dtype: str
    shape: tuple[int, ...]
    read: Callable[[], bytes] = field(repr=False, compare=False)

    @property
    def size(self) -> int:
        """Bytes."""
        return prod(self.shape) * ITEM_BYTES[self.dtype]


@dataclass(frozen=True, kw_only=True, slots=True)
class Contents:
    """What a file holds.

    `container` is the name of the format ("safetensors", "torch zip", ...). `tensors` are in the file's order;
    nested names are joined by a point ("state_dict.module.conv1.weight"), by a slash in HDF5. `facts` are the
    plain values beside them (an epoch, a Keras model's `model_config`). `not_run` names whatever the file
    asks to import or call that is not needed for its numbers; none of it was.
    """

    container: str
    tensors: Mapping[str, Stored]
    facts: Mapping[str, Any] = field(default_factory=dict)
    not_run: tuple[str, ...] = ()


def check_tensor(name: str, dtype: str, shape: tuple[int, ...]) -> None:
    """Raise `FileError` for a tensor that no file of this family could hold."""
    if dtype not in ITEM_BYTES:
        raise FileError(f"tensor {name[:100]!r} has type {dtype[:20]!r}; these are read: {', '.join(ITEM_BYTES)}")
    if len(shape) > 8 or any(not 0 <= side < 1 << 40 for side in shape):
        raise FileError(f"tensor {name[:100]!r} has the impossible shape {str(shape)[:100]}")
    if prod(shape) * ITEM_BYTES[dtype] > MOST_TENSOR_BYTES:
        raise FileError(
            f"tensor {name[:100]!r} of shape {shape} says it has {prod(shape) * ITEM_BYTES[dtype]:,} bytes; "
            f"at most {MOST_TENSOR_BYTES:,} are read"
        )


def array(tensor: Stored) -> np.ndarray[Any, Any]:
    """Return a tensor as a numpy array of its own; bfloat16 comes as float32, which holds it exactly."""
    import numpy as np

    data = tensor.read()
    if len(data) != tensor.size:
        raise FileError(f"a tensor of {tensor.size:,} bytes was read as {len(data):,}; was the file changed?")
    if tensor.dtype == "BF16":
        upper = np.frombuffer(data, "<u2").astype(np.uint32)
        return (upper << 16).view(np.float32).reshape(tensor.shape)
    if tensor.dtype not in _NUMPY:
        raise FileError(f"numpy has no type for {tensor.dtype}")
    return np.frombuffer(data, _NUMPY[tensor.dtype]).reshape(tensor.shape).copy()


_NUMPY = {
    "BOOL": "|b1", "U8": "|u1", "I8": "|i1", "U16": "<u2", "I16": "<i2", "F16": "<f2", "U32": "<u4",
    "I32": "<i4", "F32": "<f4", "U64": "<u8", "I64": "<i8", "F64": "<f8",
}  # fmt: skip
