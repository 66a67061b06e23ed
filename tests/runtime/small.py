"""Small packaged networks and what they should say, for every engine's tests."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from resnets.net.layers import BatchNorm
from resnets.net.network import ResNet, build
from resnets.net.normalise import normalise
from resnets.runtime.engine import Outputs, Pictures
from resnets.runtime.packaged import Packaged
from resnets.spec.preprocess import Preprocess

TEMPERATURE = 1.7

ROWS: dict[str, dict[str, Any]] = {
    "resnet18": {},
    "resnext50_32x4d": {"cardinality": 4, "base_width": 16},
    "seresnet50": {"head": "none"},
    "resnet50d": {},
    "resnet50v2_keras": {},
    "resnet20_cifar": {"blocks": (1, 1), "widths": (8, 16), "strides": (1, 2), "stem_width": 8, "in_channels": 1},
}
"""Rows of several kinds, with what else is different: grouped, gated and headless, pooled, pre-activation, grey."""


def network(name: str) -> ResNet:
    """A row cut to a few thousand weights, whose norms have numbers of their own."""
    facts = {"blocks": (1, 1), "widths": (16, 32), "strides": (1, 2), "stem_width": 16, "num_classes": 5}
    made = build(name, seed=0, **facts | ROWS[name])
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for module in made.modules():
            if isinstance(module, BatchNorm):
                for tensor in (module.running_mean, module.bias):
                    tensor.copy_(torch.randn(len(tensor), generator=generator) * 0.2)
                for tensor in (module.running_var, module.weight):
                    tensor.copy_(torch.rand(len(tensor), generator=generator) + 0.5)
    return made.eval()


def packaged(name: str, levels: tuple[str, ...] = ("C1", "C3")) -> Packaged:
    """The row with what goes before and after it; colours are turned round, and pictures are higher than wide."""
    made = network(name)
    colour: Any = "grey" if made.architecture.in_channels == 1 else "bgr"
    preprocess = Preprocess(size=(36, 33), colour=colour, mean=(0.4,), std=(0.25,))
    return Packaged(made, preprocess, TEMPERATURE, levels)


def pictures(count: int, channels: int = 3) -> Pictures:
    """Noise."""
    return np.random.default_rng(count).integers(0, 256, (count, channels, 36, 33), dtype=np.uint8)


def expected(given: Packaged, batch: Pictures) -> Outputs:
    """What the plain network says, put together from its own parts."""
    with torch.no_grad():
        x = normalise(torch.from_numpy(batch), given.preprocess)
        said = {name: given.network.levels(x)[name].numpy() for name in given.levels}
        if given.network.head is not None:
            said["logits"] = (given.network(x) / TEMPERATURE).numpy()
    return said
