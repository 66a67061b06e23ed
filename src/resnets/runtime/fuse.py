"""Fuse: a batch norm that follows a convolution becomes part of it (w gamma / sigma; beta - mu gamma / sigma)."""

from __future__ import annotations

import copy

import torch
from torch import nn

from resnets.net.layers import BatchNorm, Conv2d
from resnets.net.network import ResNet
from resnets.spec.plan import Norm, Plan


def fuse(network: ResNet) -> ResNet:
    """Return the network with every norm that can be folded into the convolution before it folded; a copy.

    The copy is in evaluation mode, whatever the mode of the network given, which is left as it is; nothing in it
    learns any more. It computes what `network.eval()` computes, but for rounding: the arithmetic is done in float64,
    and its result stored in the type of the weights. A folded norm is an `nn.Identity`, and its convolution has a bias.

    What stays is what no convolution's output alone goes into (`foldable` names the others), and a norm that was told
    to use a batch's own statistics, or to move its own, in evaluation too (`freeze.train_bn`). To fuse twice is to
    fuse once.
    """
    fused = copy.deepcopy(network).requires_grad_(False)
    for conv_name, norm_name in foldable(network.plan):
        conv, norm = fused.get_submodule(conv_name), fused.get_submodule(norm_name)
        assert isinstance(conv, Conv2d)
        if isinstance(norm, BatchNorm) and not (norm.batch_statistics or norm.update_statistics):
            _fold(conv, norm)
            holder, _, leaf = norm_name.rpartition(".")
            setattr(fused.get_submodule(holder), leaf, nn.Identity())
    return fused.eval()


def foldable(network: Plan) -> tuple[tuple[str, str], ...]:
    """Return the names of each convolution and the norm that alone reads its output, in the order in which they act.

    Elsewhere every norm has such a convolution. In a pre-activation network those between two convolutions of a
    branch do; the first norm of a block and the final one normalise a sum, or a map that the shortcut carries too.
    """
    pairs = [(unit.conv, unit.norm) for unit in network.stem.units]
    for block in network.blocks:
        norms: list[Norm | None] = [unit.norm for unit in block.branch]
        if block.order == "pre":
            norms = norms[1:]  # the norm of a unit comes before its convolution, so after that of the unit before
        pairs.extend(zip((unit.conv for unit in block.branch), norms, strict=False))
        if block.shortcut.unit:
            pairs.append((block.shortcut.unit.conv, block.shortcut.unit.norm))
    return tuple((conv.name, norm.name) for conv, norm in pairs if norm is not None)


def unfused(network: ResNet) -> tuple[str, ...]:
    """Return the names of the norms that a network still has, in order."""
    return tuple(name for name, module in network.named_modules() if isinstance(module, BatchNorm))


def _fold(conv: Conv2d, norm: BatchNorm) -> None:
    """Make the convolution do what the norm does after it, in place."""
    assert norm.running_mean is not None and norm.running_var is not None
    before = torch.zeros_like(norm.running_mean) if conv.bias is None else conv.bias
    gamma, beta, mean, var, bias = (
        values.detach().double() for values in (norm.weight, norm.bias, norm.running_mean, norm.running_var, before)
    )
    scale = gamma / torch.sqrt(var + norm.eps)
    weight = conv.weight.detach().double() * scale[:, None, None, None]
    conv.weight = nn.Parameter(weight.to(conv.weight), requires_grad=False)
    conv.bias = nn.Parameter(((bias - mean) * scale + beta).to(conv.weight), requires_grad=False)
