"""Numbers: the tensors of an identified file, under our names and in our layout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from resnets.spec.plan import Norm, layer_tensors
from resnets.spec.resolve import plan
from resnets.weights.containers.contents import array
from resnets.weights.dialects.deduce import can_default
from resnets.weights.dialects.dialect import Dialect, kind_of_tensor, our_axes
from resnets.weights.identify import Identity, folded

if TYPE_CHECKING:
    from torch import Tensor

FOLDED = {"weight": 1.0, "bias": 0.0, "running_mean": 0.0, "num_batches_tracked": 0.0}
"""What a norm is whose work its convolution does already; its variance is 1 - eps, so that it changes nothing."""


def numbers(identity: Identity) -> dict[str, Tensor]:
    """Return the network's tensors that are in the file or have a stated default: float32, batch counts int64."""
    import torch

    if identity.architecture is None:
        raise ValueError(f"{identity.path}: no network, no numbers")
    network = plan(identity.architecture)
    eps = {layer.name: layer.eps for layer in network.layers() if isinstance(layer, Norm)}
    shapes = {name: shape for layer in network.layers() for name, shape in layer_tensors(layer).items()}
    found: dict[str, Tensor] = {}
    for name, shape in shapes.items():
        dtype = torch.int64 if name.endswith("num_batches_tracked") else torch.float32
        key = identity.match.keys.get(name)
        if key is not None and identity.match.shapes[name] == shape:
            found[name] = torch.from_numpy(_ours(identity, name, key)).to(dtype).reshape(shape)
        elif key is None and can_default(identity.match.dialect, name, folded(identity)):
            layer, _, tensor = name.rpartition(".")
            value = _default(identity.match.dialect, tensor, eps.get(layer, 0.0), folded(identity))
            found[name] = torch.full(shape, value, dtype=dtype)
    return found


def _ours(identity: Identity, name: str, key: str) -> Any:
    import numpy as np

    values = array(identity.tensors[key])
    if values.dtype == np.uint16 or values.dtype == np.uint32 or values.dtype == np.uint64:
        values = values.astype(np.int64)
    axes = our_axes(identity.match.dialect, kind_of_tensor(name), values.ndim)
    return values.transpose(axes).copy() if axes else values


def _default(dialect: Dialect, tensor: str, eps: float, is_folded: bool) -> float:
    if is_folded:
        return 1.0 - eps if tensor == "running_var" else FOLDED[tensor]
    return {"0": 0.0, "1": 1.0, "1 - eps": 1.0 - eps}[dialect.defaults[tensor]]
