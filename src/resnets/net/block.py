"""The residual unit: `relu(F(x) + shortcut(x))`, and its pre-activation form `F(x) + shortcut(x)`."""

from __future__ import annotations

from collections import OrderedDict

import torch.nn.functional as F
from torch import Tensor, nn

from resnets.net.layers import Conv2d, SqueezeExcite, batch_norm, left_out
from resnets.net.shortcut import Projection, shortcut
from resnets.spec.plan import Block


class ResidualBlock(nn.Module):
    """`relu(F(x) + shortcut(x))` (He et al. 2015, Fig. 2); a plain network's block is `relu(F(x))`.

    While training, F is left out of each picture with the probability `drop` (`depth.stochastic_depth`).
    """

    drop: float = 0.0

    def __init__(self, spec: Block) -> None:
        super().__init__()
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for number, unit in enumerate(spec.branch, 1):
            assert unit.norm is not None
            layers[f"conv{number}"] = Conv2d(unit.conv)
            layers[f"norm{number}"] = batch_norm(unit.norm)
            if number < len(spec.branch):
                layers[f"relu{number}"] = nn.ReLU(inplace=True)
        if spec.gate:
            layers["gate"] = SqueezeExcite(spec.gate)
        self.branch = nn.Sequential(layers)
        self.shortcut = shortcut(spec.shortcut)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, ceil(H / stride), ceil(W / stride)); x is kept."""
        residual = self.branch(x)
        if self.shortcut is None:
            return F.relu(residual)
        if self.drop and self.training:
            residual = left_out(residual, self.drop)
        # The sum is a new tensor nobody else holds, so the ReLU may work in place.
        return F.relu(residual + self.shortcut(x), inplace=True)


class PreActivationBlock(nn.Module):
    """`F(x) + shortcut(x)`, norm and ReLU before each convolution (He et al. 2016, Fig. 1b).

    An identity shortcut carries the raw x; a projection starts from x after the first norm and ReLU. While training,
    F is left out of each picture with the probability `drop` (`depth.stochastic_depth`).
    """

    drop: float = 0.0

    def __init__(self, spec: Block) -> None:
        super().__init__()
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for number, unit in enumerate(spec.branch, 1):
            assert unit.norm is not None
            layers[f"norm{number}"] = batch_norm(unit.norm)
            layers[f"relu{number}"] = nn.ReLU(inplace=True)
            layers[f"conv{number}"] = Conv2d(unit.conv)
        if spec.gate:
            layers["gate"] = SqueezeExcite(spec.gate)
        self.branch = nn.Sequential(layers)
        self.shortcut = shortcut(spec.shortcut)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, ceil(H / stride), ceil(W / stride)); x is kept."""
        assert self.shortcut is not None
        norm, relu, *rest = self.branch
        residual = active = relu(norm(x))
        for layer in rest:
            residual = layer(residual)
        if self.drop and self.training:
            residual = left_out(residual, self.drop)
        carried: Tensor = self.shortcut(active if isinstance(self.shortcut, Projection) else x)
        total: Tensor = residual + carried
        return total


def block(spec: Block) -> nn.Module:
    """Return the block a Plan states."""
    return PreActivationBlock(spec) if spec.order == "pre" else ResidualBlock(spec)
