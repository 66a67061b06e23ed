"""Layers as a Plan states them: a convolution, a pool, and a batch norm whose three habits are switches."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from resnets.spec.architecture import PoolPaddingRule
from resnets.spec.padding import out_size, padding
from resnets.spec.plan import Conv, Gate, Norm, Pool


class Conv2d(nn.Conv2d):
    """A convolution with any padding rule, worked out from the input it meets.

    While training on a map of at most 2x2 pixels it is done as one matrix product: there a 3x3 window covers
    the whole map and most of it multiplies padding. Same sum, about two thirds of the time of an MNIST step
    (docs/decisions/0008).
    """

    def __init__(self, spec: Conv) -> None:
        super().__init__(
            spec.in_channels,
            spec.out_channels,
            spec.kernel,
            stride=spec.stride,
            padding=spec.kernel // 2 if spec.padding == "symmetric" else 0,
            groups=spec.groups,
            bias=spec.bias,
        )
        self.rule = spec.padding

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, H', W'), sizes as `padding.out_size` says."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        if self.training and kernel in (1, 3) and self.groups == 1 and max(x.shape[-2:]) <= 2:
            return self._pointwise(x) if kernel == 1 else self._dense(x)
        if self.rule != "symmetric":
            x = pad(x, self.rule, kernel, stride, 0.0)
        return super().forward(x)

    def _pointwise(self, x: Tensor) -> Tensor:
        """A 1x1 convolution as a linear layer on every stride-th pixel."""
        x = x[:, :, :: self.stride[0], :: self.stride[0]].movedim(1, -1)
        return F.linear(x, self.weight.flatten(1), self.bias).movedim(-1, 1)

    def _dense(self, x: Tensor) -> Tensor:
        """A 3x3 convolution as (N, in * H * W) times a matrix of the taps that meet the map, place by place."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        height, width = x.shape[-2:]
        top, left = (padding(self.rule, n, kernel, stride)[0] for n in (height, width))
        rows, columns = (out_size(self.rule, n, kernel, stride) for n in (height, width))
        taps = [
            self.weight[:, :, r : r + height, c : c + width].flatten(1)
            for r in range(top, top - rows * stride, -stride)
            for c in range(left, left - columns * stride, -stride)
        ]
        places = F.linear(x.flatten(1), torch.cat(taps)).reshape(-1, rows, columns, self.out_channels)
        y: Tensor = places.permute(0, 3, 1, 2)
        return y if self.bias is None else y + self.bias[:, None, None]


def pad(x: Tensor, rule: PoolPaddingRule, kernel: int, stride: int, fill: float) -> Tensor:
    """Return x with the pixels around it that a padding rule asks for at its size."""
    top, bottom = padding(rule, x.shape[-2], kernel, stride)
    left, right = padding(rule, x.shape[-1], kernel, stride)
    return F.pad(x, (left, right, top, bottom), value=fill)


class Pool2d(nn.Module):
    """A max or average pool with any padding rule; no parameters."""

    def __init__(self, spec: Pool) -> None:
        super().__init__()
        self.spec = spec

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H', W'), sizes as `padding.out_size` says."""
        spec = self.spec
        if spec.kind == "average":
            # ceil_mode with the padding left out of the mean is what "ceil" means for an average.
            return F.avg_pool2d(x, spec.kernel, spec.stride, ceil_mode=True, count_include_pad=False)
        if spec.padding == "symmetric" and spec.fill == "-inf":
            return F.max_pool2d(x, spec.kernel, spec.stride, padding=spec.kernel // 2)
        fill = 0.0 if spec.fill == "zero" else float("-inf")
        return F.max_pool2d(pad(x, spec.padding, spec.kernel, spec.stride, fill), spec.kernel, spec.stride)


class BatchNorm(nn.BatchNorm2d):
    """Batch normalisation with its three habits apart (Ioffe and Szegedy 2015).

    Whether gamma and beta are trained is `requires_grad` of the two. `batch_statistics` says whether the
    batch's own mean and variance normalise; `update_statistics` whether the running ones move. Both are None
    to follow `train()` and `eval()`, as in PyTorch. `across` normalises by a batch that is spread over several
    processes, (norm, x, update) -> y; `sync.sync_norms` sets it.
    """

    batch_statistics: bool | None = None
    update_statistics: bool | None = None
    across: Callable[[BatchNorm, Tensor, bool], Tensor] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W); moves the running statistics in place where they are updated."""
        batch = self.training if self.batch_statistics is None else self.batch_statistics
        update = self.training if self.update_statistics is None else self.update_statistics
        if batch == update and batch == self.training and self.across is None:
            return super().forward(x)
        if update:
            assert self.num_batches_tracked is not None
            self.num_batches_tracked.add_(1)
        if update and not batch:
            with torch.no_grad():
                self._normalise(x, batch=True, update=True)
        return self._normalise(x, batch=batch, update=update and batch)

    def _normalise(self, x: Tensor, *, batch: bool, update: bool) -> Tensor:
        if batch and self.across is not None:
            return self.across(self, x, update)
        keep = update or not batch
        mean, var = (self.running_mean, self.running_var) if keep else (None, None)
        momentum = 0.1 if self.momentum is None else self.momentum
        return F.batch_norm(x, mean, var, self.weight, self.bias, batch, momentum, self.eps)


def batch_norm(spec: Norm) -> BatchNorm:
    """Return the norm a Plan states."""
    return BatchNorm(spec.channels, eps=spec.eps)


class SqueezeExcite(nn.Module):
    """Squeeze and excitation: weigh each channel by what all say together (Hu et al. 2017, eq. 2-4)."""

    def __init__(self, spec: Gate) -> None:
        super().__init__()
        self.squeeze = Conv2d(spec.squeeze)
        self.excite = Conv2d(spec.excite)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        weights: Tensor = self.excite(F.relu(self.squeeze(x.mean((2, 3), keepdim=True)), inplace=True))
        return x * weights.sigmoid()


def left_out(branch: Tensor, probability: float) -> Tensor:
    """Return a block's branch with each picture's left out at that probability, and else divided by what is left.

    (N, C, H, W) -> the same; draws N numbers from torch's global generator. The mean over the draws is the branch
    itself, so nothing changes in evaluation: torchvision's and timm's form of Huang et al. 2016 (arXiv:1603.09382).
    """
    kept = torch.empty(len(branch), 1, 1, 1, dtype=branch.dtype, device=branch.device).bernoulli_(1 - probability)
    return branch * kept.div_(1 - probability)
