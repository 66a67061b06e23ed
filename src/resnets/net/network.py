"""The network: stem, stages, head, built from a Plan and from nothing else."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn

from resnets.net.block import block
from resnets.net.head import Head
from resnets.net.initialise import initialise
from resnets.net.layers import Conv2d, Pool2d, batch_norm
from resnets.net.recompute import recomputed
from resnets.spec.architecture import Architecture
from resnets.spec.levels import check_input, smallest_input
from resnets.spec.plan import Plan, StemPlan
from resnets.spec.resolve import plan
from resnets.spec.variants import architecture


class ResNet(nn.Module):
    """A residual or plain network. `forward` gives logits, or the last map if headless; `levels` the maps.

    With `recompute`, a block keeps only its input while training, and computes again in the backward pass.
    """

    recompute: bool = False

    def __init__(self, arch: Architecture) -> None:
        super().__init__()
        self.architecture = arch
        self.plan: Plan = plan(arch)
        self.smallest = smallest_input(self.plan)
        self.stem = _stem(self.plan.stem)
        self.stages = nn.Sequential(
            *(nn.Sequential(*(block(spec) for spec in stage.blocks)) for stage in self.plan.stages)
        )
        self.norm = batch_norm(self.plan.norm) if self.plan.norm else None
        self.head = Head(self.plan.head) if self.plan.head else None

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, num_classes) logits, or (N, C, h, w) without a head.

        Raises `ValueError` for other channels, or for pictures too small for the strides.
        """
        self._check(x)
        x = self._finish(self._staged(self.stem(x)))
        return x if self.head is None else self.head(x)

    def levels(self, x: Tensor) -> dict[str, Tensor]:
        """Return the feature map of each level.

        (N, 3, H, W) -> {"conv1": (N, 64, H/2, W/2), "C1": (N, 64, H/4, W/4), ...,
                         "C5": (N, 2048, H/32, W/32)}

        C1 is what enters conv2_x, after the pool; Ck is the last block of convk_x; `conv1` is there where a
        pool follows it. Pre-activation levels are the raw sums, the last one after the final norm and ReLU.
        No map is written to afterwards. Raises `ValueError` as `forward` does.
        """
        self._check(x)
        maps: dict[str, Tensor] = {}
        for name, layer in self.stem.named_children():
            if name == "pool":
                maps["conv1"] = x
            x = layer(x)
        maps["C1"] = x
        for spec, stage in zip(self.plan.stages, self.stages, strict=True):
            x = recomputed(stage, x) if self._recomputes() else stage(x)
            maps[spec.level] = x
        maps[self.plan.stages[-1].level] = self._finish(x)
        return maps

    def features(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, C): the mean of the last map over all places."""
        self._check(x)
        return self._finish(self._staged(self.stem(x))).mean((2, 3))

    def _staged(self, x: Tensor) -> Tensor:
        if not self._recomputes():
            return self.stages(x)  # type: ignore[no-any-return]
        for stage in self.stages:
            x = recomputed(stage, x)
        return x

    def _recomputes(self) -> bool:
        return self.recompute and self.training and torch.is_grad_enabled()

    def _finish(self, x: Tensor) -> Tensor:
        return x if self.norm is None else torch.relu(self.norm(x))

    def _check(self, x: Tensor) -> None:
        wanted = self.architecture.in_channels
        if x.ndim != 4 or x.shape[1] != wanted:
            raise ValueError(
                f"{self.architecture.name} takes (N, {wanted}, H, W) and was given {tuple(x.shape)}; "
                f"for other channels build it with in_channels=..."
            )
        height, width = x.shape[2:]
        if min(height, width) < self.smallest:
            check_input(self.plan, (height, width))


def build(
    name: str,
    /,
    *,
    zero_gamma: bool = False,
    seed: int | None = None,
    device: str | None = None,
    **differences: Any,
) -> ResNet:
    """Build a named network, with any of its facts changed, and initialise it.

    `zero_gamma` starts each block as the identity (Goyal et al. 2017, section 5.1). `seed` fixes the weights;
    None draws them from torch's global generator. `device` is where it is built, "meta" for shapes alone.

    Raises `ValueError` for an unknown name or field, or facts that do not fit together.

    >>> build("resnet18", in_channels=1, num_classes=10).head.linear.out_features
    10
    """
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    with torch.device("meta"):  # draws nothing; initialise draws each weight, once
        network = ResNet(architecture(name, **differences))
    network.to_empty(device=device or torch.get_default_device())
    initialise(network, zero_gamma=zero_gamma, generator=generator)
    return network


def _stem(spec: StemPlan) -> nn.Sequential:
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for number, unit in enumerate(spec.units, 1):
        layers[f"conv{number}"] = Conv2d(unit.conv)
        if unit.norm:
            layers[f"norm{number}"] = batch_norm(unit.norm)
            layers[f"relu{number}"] = nn.ReLU(inplace=True)
    if spec.pool:
        layers["pool"] = Pool2d(spec.pool)
    return nn.Sequential(layers)
