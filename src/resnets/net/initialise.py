"""Initialisation: He et al. 2015 (arXiv:1502.01852) for convolutions, ones and zeros for norms."""

from __future__ import annotations

from math import sqrt

import torch
from torch import nn

from resnets.net.block import ResidualBlock
from resnets.net.layers import BatchNorm


def initialise(network: nn.Module, *, zero_gamma: bool = False, generator: torch.Generator | None = None) -> None:
    """Draw every weight anew, in place; running statistics go back to 0 and 1.

    Convolutions: normal with standard deviation sqrt(2 / fan_out), fan_out = out_channels * kernel^2.
    Linear layers: uniform within 1 / sqrt(fan_in), weight and bias, as torch's own.
    `zero_gamma`: the last norm of every branch starts at 0, where a norm ends the branch (not in v2) and a
    shortcut goes round it (through a plain network nothing would pass, nor learn).
    """
    for module in network.modules():
        match module:
            case nn.Conv2d():
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu", generator=generator)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            case nn.Linear():
                bound = 1 / sqrt(module.in_features)
                nn.init.uniform_(module.weight, -bound, bound, generator=generator)
                nn.init.uniform_(module.bias, -bound, bound, generator=generator)
            case BatchNorm():
                module.reset_parameters()
    if zero_gamma:
        for module in network.modules():
            if isinstance(module, ResidualBlock) and module.shortcut is not None:
                last = [layer for layer in module.branch if isinstance(layer, BatchNorm)][-1]
                nn.init.zeros_(last.weight)
