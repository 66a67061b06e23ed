"""Freezing: which stages learn, and what batch normalisation does meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from resnets.net.layers import BatchNorm
from resnets.net.network import ResNet
from resnets.spec.levels import levels

TRAIN_BN: dict[bool | None, tuple[bool, bool | None, bool | None]] = {
    # (gamma and beta trained, batch statistics used, running statistics updated); None follows the mode
    True: (True, True, True),
    None: (True, None, None),
    False: (True, False, False),
}
"""The notes' `train_bn`, which Keras takes as the call's `training`: True holds even at inference."""


def freeze(network: ResNet, up_to: str) -> None:
    """Stop everything up to a level from learning, in place; its norms use and keep their running statistics.

    `up_to` is a level: "C1" freezes the stem, "C3" the stem, conv2_x and conv3_x. It holds through later
    calls of `train()`. Raises `ValueError` for a level the network does not have.
    """
    names = [name for name in levels(network.plan) if name != "conv1"]
    if up_to not in names:
        raise ValueError(f"up_to={up_to!r} is no level of {network.architecture.name}; allowed: {', '.join(names)}")
    parts = [network.stem, *list(network.stages)[: names.index(up_to)]]
    if up_to == names[-1] and network.norm is not None:
        parts.append(network.norm)  # the last level of a pre-activation network comes after it
    for part in parts:
        part.requires_grad_(False)
        batch_norm_mode(part, trained=False, batch_statistics=False, update_statistics=False)


def thaw(network: ResNet) -> bool:
    """Let everything learn again, norms by the mode, in place; say whether anything was frozen."""
    frozen = [parameter for parameter in network.parameters() if not parameter.requires_grad]
    for parameter in frozen:
        parameter.requires_grad_(True)
    if frozen:
        batch_norm_mode(network)
    return bool(frozen)


@contextmanager
def at_rest(network: nn.Module) -> Iterator[None]:
    """Let every norm use its running statistics, and move none of them, while the block runs."""
    before = [(norm, norm.batch_statistics, norm.update_statistics) for norm in _norms(network)]
    for norm, _, _ in before:
        norm.batch_statistics = norm.update_statistics = False
    try:
        yield
    finally:
        for norm, batch, update in before:
            norm.batch_statistics, norm.update_statistics = batch, update


def batch_norm_mode(
    network: nn.Module,
    *,
    trained: bool = True,
    batch_statistics: bool | None = None,
    update_statistics: bool | None = None,
) -> None:
    """Set the three switches of every batch norm, in place.

    `trained`: gamma and beta learn. `batch_statistics`: the batch's own mean and variance normalise.
    `update_statistics`: the running ones move. None follows `train()` and `eval()`.
    """
    for norm in _norms(network):
        norm.weight.requires_grad_(trained)
        norm.bias.requires_grad_(trained)
        norm.batch_statistics = batch_statistics
        norm.update_statistics = update_statistics


def train_bn(network: nn.Module, value: bool | None) -> None:
    """Set every batch norm as the notes' `train_bn` argument does (Matterport's BatchNorm), in place.

    True: batch statistics always, even at inference. None: by mode. False: running statistics always; gamma
    and beta stay trainable, since Matterport's flag never froze them.
    """
    trained, batch, update = TRAIN_BN[value]
    batch_norm_mode(network, trained=trained, batch_statistics=batch, update_statistics=update)


def _norms(network: nn.Module) -> Iterator[BatchNorm]:
    return (module for module in network.modules() if isinstance(module, BatchNorm))
