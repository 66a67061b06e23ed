"""Numbers: the tensors of an identified file, under our names and in our layout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from resnets.spec.plan import Norm
from resnets.spec.resolve import plan
from resnets.weights.containers.contents import array
from resnets.weights.dialects.deduce import can_default, is_folded
from resnets.weights.dialects.dialect import kind_of_tensor, our_axes
from resnets.weights.dialects.match import Match
from resnets.weights.identify import Identity

if TYPE_CHECKING:
    from torch import Tensor

AT_REST = {"weight": 1.0, "bias": 0.0, "running_mean": 0.0, "num_batches_tracked": 0.0}
"""What a norm is whose work its convolution does already; its variance is 1 - eps, so that it changes nothing."""


def numbers(identity: Identity) -> dict[str, Tensor]:
    """Return the network's tensors that are in the file or have a stated default: float32, batch counts int64."""
    import torch

    if identity.architecture is None:
        raise ValueError(f"{identity.path}: no network, no numbers")
    network = plan(identity.architecture)
    eps = {layer.name: layer.eps for layer in network.layers() if isinstance(layer, Norm)}
    match = identity.match
    found: dict[str, Tensor] = {}
    for name, shape in network.tensors().items():
        dtype = torch.int64 if name.endswith("num_batches_tracked") else torch.float32
        if name in match.keys and match.shapes[name] == shape:
            found[name] = torch.from_numpy(_ours(identity, name)).to(dtype).reshape(shape)
        elif name not in match.keys and can_default(match, name):
            value = _default(match, name, eps.get(name.rpartition(".")[0], 0.0))
            found[name] = torch.full(shape, value, dtype=dtype)
    return found


def _ours(identity: Identity, name: str) -> Any:
    """A tensor as a numpy array that torch can take, in our axes."""
    import numpy as np

    match = identity.match
    values = array(identity.found.tensors[match.keys[name]])
    if values.dtype in (np.uint16, np.uint32, np.uint64):
        values = values.astype(np.int64)
    if name in match.turns:
        return match.turns[name].turned(values).copy()
    axes = our_axes(match.dialect, kind_of_tensor(name), values.ndim)
    return values.transpose(axes).copy() if axes else values


def _default(match: Match, name: str, eps: float) -> float:
    if name in match.filled:
        return match.filled[name]
    tensor = name.rpartition(".")[2]
    if is_folded(match):
        return 1.0 - eps if tensor == "running_var" else AT_REST[tensor]
    return {"0": 0.0, "1 - eps": 1.0 - eps}[match.dialect.defaults[tensor]]
