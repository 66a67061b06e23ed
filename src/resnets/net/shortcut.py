"""Shortcuts: the other path of a block (He et al. 2015, section 3.3, options A, B and C)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from resnets.net.layers import Conv2d, Pool2d, batch_norm
from resnets.spec.plan import Shortcut


class ZeroPad(nn.Module):
    """Option A: every stride-th pixel, and zero channels for those that are missing; no parameters."""

    def __init__(self, spec: Shortcut) -> None:
        super().__init__()
        self.stride = spec.stride
        self.pad = spec.pad

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C + added, ceil(H / stride), ceil(W / stride))."""
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, *self.pad))


class Projection(nn.Module):
    """Options B and C: a strided 1x1 convolution; ResNet-D averages first and then projects."""

    def __init__(self, spec: Shortcut) -> None:
        super().__init__()
        assert spec.unit is not None
        self.pool = Pool2d(spec.pool) if spec.pool else nn.Identity()
        self.conv = Conv2d(spec.unit.conv)
        self.norm = batch_norm(spec.unit.norm) if spec.unit.norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, ceil(H / stride), ceil(W / stride))."""
        projected: Tensor = self.norm(self.conv(self.pool(x)))
        return projected


def shortcut(spec: Shortcut) -> nn.Module | None:
    """Return the shortcut a Plan states, or None for a plain network's block."""
    match spec.kind:
        case "none":
            return None
        case "identity":
            return nn.Identity()
        case "zero_pad" | "subsample":
            return ZeroPad(spec)
        case "projection" | "pooled_projection":
            return Projection(spec)
