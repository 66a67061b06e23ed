"""Adapting a trained network to another task: other classes, other input channels, a stem for small pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from resnets.net.initialise import initialise
from resnets.net.network import ResNet


def with_classes(
    network: ResNet,
    num_classes: int,
    *,
    keep: dict[int, int] | None = None,
    generator: torch.Generator | None = None,
) -> ResNet:
    """Return a network with the same trunk, weight for weight, and a head for `num_classes`.

    The head is freshly drawn, but for the classes in `keep` (new index -> old index), whose rows of the last layer
    stay; a hidden layer before it stays where any row does. A network without a head gets a linear one. The given
    network is left as it is; nothing is shared.
    """
    old = network.architecture
    head = "linear" if old.head == "none" else old.head
    adapted = _copy(network, head=head, num_classes=num_classes, drawn="head.", generator=generator)
    if keep and network.head is not None and adapted.head is not None:
        new_rows, old_rows = torch.tensor(list(keep)), torch.tensor(list(keep.values()))
        with torch.no_grad():
            for name, parameter in adapted.head.named_parameters():
                before = network.head.get_parameter(name)
                if name.startswith("linear"):
                    parameter[new_rows] = before[old_rows].to(parameter)
                else:
                    parameter.copy_(before)
    return adapted


def same_names(old: Sequence[str], new: Sequence[str]) -> dict[int, int]:
    """Return new index -> old index of the classes that both lists name."""
    at = {name: index for index, name in enumerate(old)}
    return {index: at[name] for index, name in enumerate(new) if name in at}


def with_in_channels(network: ResNet, in_channels: int) -> ResNet:
    """Return a network that takes another number of input channels, its first convolution adapted by rule.

    To one channel: the sum over the old ones, so that a grey picture gives what three equal channels gave. To any
    other number: the old ones in turn, over and over, scaled by old / new, so that a picture whose channels are all
    alike gives what it gave (timm's `adapt_input_conv` has the same rule). Everything else stays, weight for weight.
    """
    old = network.architecture.in_channels
    if in_channels == old:
        return network
    name = "stem.conv1.weight"
    adapted = _copy(network, in_channels=in_channels, drawn=name, generator=None)
    weight = network.get_parameter(name).detach()
    if in_channels == 1:
        new = weight.sum(dim=1, keepdim=True)
    else:
        new = weight[:, [index % old for index in range(in_channels)]] * (old / in_channels)
    with torch.no_grad():
        adapted.get_parameter(name).copy_(new)
    return adapted


def with_small_stem(network: ResNet) -> ResNet:
    """Return a network for small pictures: one 3x3 of stride 1 and no pool in place of the 7x7 and the pool.

    Each 3x3 kernel is the centre of the 7x7, scaled to the norm that the whole kernel had. The first norm's
    statistics belong to the old stem, so fine-tune before you judge it. Raises `ValueError` for another stem.
    """
    if network.architecture.stem != "imagenet":
        raise ValueError(f"stem={network.architecture.stem!r} is not the 7x7 stem; only that one becomes a small one")
    name = "stem.conv1.weight"
    adapted = _copy(network, stem="cifar", drawn=name, generator=None)
    weight = network.get_parameter(name).detach()
    centre = weight[:, :, 2:5, 2:5]
    norms = [part.flatten(1).norm(dim=1).clamp_min(1e-12) for part in (weight, centre)]
    with torch.no_grad():
        adapted.get_parameter(name).copy_(centre * (norms[0] / norms[1]).reshape(-1, 1, 1, 1))
    return adapted


def _copy(network: ResNet, *, drawn: str, generator: torch.Generator | None, **differences: Any) -> ResNet:
    """The same network but for some facts; the tensors whose names start with `drawn` are freshly drawn."""
    adapted = ResNet(replace(network.architecture, **differences))
    initialise(adapted, generator=generator)
    kept: dict[str, Tensor] = {
        name: tensor for name, tensor in network.state_dict().items() if not name.startswith(drawn)
    }
    missing, unexpected = adapted.load_state_dict(kept, strict=False)
    assert not unexpected, unexpected
    assert all(name.startswith(drawn) for name in missing), missing
    return adapted.train(network.training)
