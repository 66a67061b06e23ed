"""Synchronised norms: a batch that is spread over several processes is normalised as one.

Each normalises by mean and variance over everybody's pictures (Ioffe and Szegedy 2015, Algorithm 1 and section 3),
and the gradient takes into account that everybody's pictures made them.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from resnets.net.layers import BatchNorm
from resnets.net.world import World


def sync_norms(network: nn.Module, world: World) -> None:
    """Let every batch norm that uses batch statistics use those of the whole world's batch, in place.

    All processes have to pass through the same norms in the same order, each with as many pictures as it has, none
    being allowed. A gradient is that of the sum of everybody's losses. Alone, nothing changes.
    """
    for module in network.modules():
        if isinstance(module, BatchNorm):
            module.across = partial(_normalise, world=world) if world.size > 1 else None


def _normalise(norm: BatchNorm, x: Tensor, update: bool, *, world: World) -> Tensor:
    with torch.no_grad():
        mean, var, count = _statistics(x, world)
        if update:
            _move(norm, mean, var, count)
    mean, var = mean.to(norm.weight), var.to(norm.weight)
    y: Tensor = _Normalisation.apply(x, norm.weight, norm.bias, mean, var, count, norm.eps, world)
    return y


def _statistics(x: Tensor, world: World) -> tuple[Tensor, Tensor, Tensor]:
    """Mean (C,), variance (C,) and number of values () of each channel in the whole world, in float64."""
    channels = x.shape[1]
    sums = torch.zeros(2 * channels + 1, dtype=torch.float64, device=x.device)
    if x.numel():
        count = x.numel() // channels
        exact = x if x.dtype in (torch.float32, torch.float64) else x.float()
        var, mean = (value.double() for value in torch.var_mean(exact, (0, 2, 3), correction=0))
        sums = torch.cat([mean * count, (var + mean**2) * count, sums[-1:] + count])
    sums = world.sum(sums)
    total = sums[-1].clamp(min=1)
    mean, square = (sums[:-1] / total).reshape(2, channels)
    return mean, (square - mean**2).clamp(min=0), sums[-1]


def _move(norm: BatchNorm, mean: Tensor, var: Tensor, count: Tensor) -> None:
    """Move the running statistics as torch does; one value for each channel has no variance, and moves nothing."""
    assert norm.running_mean is not None and norm.running_var is not None
    by = (count > 1).to(mean) * (0.1 if norm.momentum is None else norm.momentum)
    unbiased = var * count / (count - 1).clamp(min=1)
    for running, now in ((norm.running_mean, mean), (norm.running_var, unbiased)):
        running.lerp_(now.to(running), by.to(running))


class _Normalisation(torch.autograd.Function):
    """Batch norm with statistics that all processes made; backward needs two sums over the world."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, var: Tensor, count: Tensor, eps: float,
        world: World,
    ) -> Tensor:  # fmt: skip
        ctx.save_for_backward(x, weight, mean, var, count)
        ctx.eps, ctx.world = eps, world
        return F.batch_norm(x, mean, var, weight, bias, False, 0.0, eps)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        # dL/dx = gamma / sigma * (dL/dy - mean(dL/dy) - x_hat * mean(dL/dy * x_hat)), means over the whole world.
        x, weight, mean, var, count = ctx.saved_tensors
        if x.numel():
            of_x, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(
                gradients[0], x, weight, mean, var, None, None, False, ctx.eps, [True, True, True]
            )
        else:
            of_x, of_weight, of_bias = torch.zeros_like(x), torch.zeros_like(weight), torch.zeros_like(weight)
        if ctx.needs_input_grad[0]:
            by_x_hat, by_one = ctx.world.sum(torch.stack([of_weight, of_bias])) / count.clamp(min=1).to(mean)
            inverse = (var + ctx.eps).rsqrt()
            slope = weight * inverse**2 * by_x_hat
            constant = weight * inverse * by_one - mean * slope
            of_x = of_x - (x * _channels(slope) + _channels(constant)).to(x)
        return of_x, of_weight, of_bias, None, None, None, None, None


def _channels(values: Tensor) -> Tensor:
    return values[:, None, None]
