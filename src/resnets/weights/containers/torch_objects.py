"""torch's own names in a checkpoint's pickle: tensors are described, never made (torch/_utils.py)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from resnets.files.errors import FileError
from resnets.files.pickle_machine import Callables
from resnets.files.pickled_arrays import Array
from resnets.files.pickled_objects import Named
from resnets.weights.containers.carriers import CARRIERS
from resnets.weights.containers.stored_arrays import WORDS
from resnets.weights.containers.tensor_views import NotRead, TensorView, view
from resnets.weights.containers.torch_types import STORAGES, TYPES


def type_of(name: object) -> str:
    """Return torch's word for a type that a stream names as "torch float32"."""
    if not isinstance(name, Named) or not name.name.startswith("torch "):
        raise FileError("the type of a tensor is not a name of torch's")
    return name.name.removeprefix("torch ")


def storage_type(kind: object) -> str:
    """Return torch's word for the elements of a class of storages that a stream names."""
    word = STORAGES.get(kind.name.rpartition(" ")[2]) if isinstance(kind, Named) else None
    if word is None:
        raise FileError("a storage is of a class that torch does not have")
    return word


def _tensor(*arguments: object) -> TensorView | NotRead:
    """(storage, offset, shape, strides, requires_grad, hooks): the last two came with version 2."""
    return view(_given(arguments, 0), None, *(_given(arguments, place) for place in (1, 2, 3)))


def _tensor_v3(*arguments: object) -> TensorView | NotRead:
    """As version 2, with the type in the seventh place, for a storage of bytes."""
    return view(_given(arguments, 0), type_of(_given(arguments, 6)), *(_given(arguments, place) for place in (1, 2, 3)))


def _given(arguments: tuple[object, ...], place: int) -> object:
    if place >= len(arguments):
        raise FileError(f"a tensor is rebuilt from only {len(arguments)} things")
    return arguments[place]


def _from_array(data: object, kind: object, *_: object) -> object:
    """How tensors of devices without storages (XLA) are written."""
    if not isinstance(data, Array) or WORDS[data.dtype[1:]] != TYPES.get(type_of(kind), ("", 0))[0]:
        return NotRead("a tensor of a device whose numbers are of another type in the file")
    return data


def _first(value: object, *_: object) -> object:
    """A parameter is its tensor, a tensor of another device its copy on the CPU."""
    return value


def _from_type(function: object, _kind: object, arguments: object, *_: object) -> object:
    """A tensor of a class derived from torch's is the plain tensor."""
    if not isinstance(function, Named) or function.name not in _REBUILD or not isinstance(arguments, tuple):
        raise ValueError("it is rebuilt by what is not known")
    return _REBUILD[function.name](*arguments)


def _sparse(*_: object) -> object:
    raise FileError("it holds a sparse tensor, which is not read; save it dense, with tensor.to_dense()")


def _not_read(what: str) -> Callable[..., NotRead]:
    return lambda *_: NotRead(what)


def _never(*_: object) -> Any:
    raise ValueError("it is a name only")


_REBUILD: Callables = {
    "torch._utils _rebuild_tensor": _tensor,
    "torch._utils _rebuild_tensor_v2": _tensor,
    "torch._utils _rebuild_tensor_v3": _tensor_v3,
    "torch._utils _rebuild_parameter": _first,
    "torch._utils _rebuild_parameter_with_state": _first,
    "torch._utils _rebuild_device_tensor_from_cpu_tensor": _first,
    "torch._utils _rebuild_device_tensor_from_numpy": _from_array,
    "torch._utils _rebuild_xla_tensor": _from_array,
    "torch._utils _rebuild_sparse_tensor": _sparse,
    "torch._utils _rebuild_sparse_csr_tensor": _sparse,
    "torch._utils _rebuild_qtensor": _not_read("a quantised tensor"),
    "torch._utils _rebuild_nested_tensor": _not_read("a nested tensor"),
    "torch._utils _rebuild_meta_tensor_no_storage": _not_read("a tensor on the device meta, which has no numbers"),
    # As torch 0.1 to 0.3 wrote them.
    "torch.nn.parameter Parameter": _first,
    "torch.autograd.variable Variable": _first,
}

_NAMES = (
    *(f"{module} {name}" for module in ("torch", "torch.cuda", "torch.storage") for name in STORAGES),
    *(f"torch {name}" for name in TYPES),
    *(f"torch {name}" for name in ("strided", "sparse_coo", "contiguous_format", "channels_last", "preserve_format")),
    *(f"torch {name}" for name in ("per_tensor_affine", "per_channel_affine", "per_channel_affine_float_qparams")),
    *(f"torch {name}" for name in ("Tensor", "FloatTensor")),
    "torch.nn.parameter Buffer",
)

TORCH: Callables = {
    **CARRIERS,
    **dict.fromkeys(_NAMES, _never),
    **_REBUILD,
    "torch._tensor _rebuild_from_type": _from_type,
    "torch._tensor _rebuild_from_type_v2": _from_type,
    "torch.tensor _rebuild_from_type": _from_type,
    **{f"torch.jit._pickle build_{kind}list": _first for kind in ("int", "double", "bool", "tensor")},
    "torch.jit._pickle restore_type_tag": _first,
}
"""What a pickle of torch's may call."""
