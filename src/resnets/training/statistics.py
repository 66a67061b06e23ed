"""Statistics: those of the norms as a true average over many pictures, taken anew when the weights are done.

While training, running statistics are a moving average over weights that are no more. He et al. 2015 computed theirs
"on a sufficiently large training batch" after training (README of KaimingHe/deep-residual-networks, "a true average");
"precise BN" of Wu and Johnson 2021 (arXiv:2105.07576), section 3.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from functools import partial

import torch
from torch import Tensor, nn

from resnets.net.layers import BatchNorm
from resnets.net.network import ResNet
from resnets.net.world import ALONE, World


def recalibrate(
    network: ResNet, batches: Iterable[Tensor], *, context: AbstractContextManager[object], world: World = ALONE
) -> None:
    """Give every norm that updates its statistics those of all these pictures together, in place.

    `batches` are (N, C, H, W); each passes once, normalised by its own statistics where training would do so, without
    dropout and with every block there, as in evaluation. Mean and variance (unbiased, as torch keeps it) are over all
    pictures of all batches and processes, whatever their sizes: the population's, as fvcore estimates them. `context`
    is entered for each batch, such as `precision.autocast`.

    Parameters, modes, counts and generators stay as they are. A batch of none or one is passed over, for it could not
    be normalised by itself. Raises `ValueError` when no process has another.
    """
    norms = [norm for norm in network.modules() if isinstance(norm, BatchNorm) and norm.update_statistics is not False]
    sums = [torch.zeros(2 * norm.num_features + 1, dtype=torch.float64, device=norm.weight.device) for norm in norms]
    modes = {module: module.training for module in network.modules()}
    switches = [(norm.batch_statistics, norm.update_statistics, norm.across) for norm in norms]
    watched = [norm.register_forward_pre_hook(partial(_add, sum_)) for norm, sum_ in zip(norms, sums, strict=True)]
    try:
        network.eval()
        for norm in norms:
            norm.batch_statistics = norm.batch_statistics is not False
            norm.update_statistics, norm.across = False, None
        for images in batches:
            if len(images) > 1:
                with torch.no_grad(), context:
                    network(images)
    finally:
        for hook in watched:
            hook.remove()
        for norm, before in zip(norms, switches, strict=True):
            norm.batch_statistics, norm.update_statistics, norm.across = before
        for module, mode in modes.items():
            module.training = mode
    for norm, sum_ in zip(norms, sums, strict=True):
        _set(norm, world.sum(sum_))


def _add(sums: Tensor, norm: nn.Module, inputs: tuple[Tensor]) -> None:
    """Add a batch's values, their squares and their number, channel by channel."""
    x = inputs[0] if inputs[0].dtype == torch.float64 else inputs[0].float()
    count = x.numel() // x.shape[1]
    var, mean = (value.double() for value in torch.var_mean(x, (0, 2, 3), correction=0))
    sums += torch.cat([mean, var + mean**2, torch.ones_like(mean[:1])]) * count


def _set(norm: BatchNorm, sums: Tensor) -> None:
    count = sums[-1]
    if not count:
        raise ValueError("no batch of two pictures or more to take the norms' statistics from; give larger batches")
    mean, square = (sums[:-1] / count).reshape(2, -1)
    var = (square - mean**2).clamp(min=0) * count / (count - 1)
    assert norm.running_mean is not None and norm.running_var is not None
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(var)
