"""Adapting a trained network to another task: a new head on the same trunk."""

from __future__ import annotations

from dataclasses import replace

import torch

from resnets.net.initialise import initialise
from resnets.net.network import ResNet


def with_classes(network: ResNet, num_classes: int, *, generator: torch.Generator | None = None) -> ResNet:
    """Return a network with the same trunk, weight for weight, and a freshly drawn head for `num_classes`.

    A network without a head gets a linear one. The given network is left as it is; nothing is shared.
    """
    head = "linear" if network.architecture.head == "none" else network.architecture.head
    adapted = ResNet(replace(network.architecture, head=head, num_classes=num_classes))
    initialise(adapted, generator=generator)
    trunk = {name: tensor for name, tensor in network.state_dict().items() if not name.startswith("head.")}
    missing, unexpected = adapted.load_state_dict(trunk, strict=False)
    assert not unexpected, unexpected
    assert all(name.startswith("head.") for name in missing), missing
    return adapted
