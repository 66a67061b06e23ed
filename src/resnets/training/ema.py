"""EMA: an exponential moving average of the weights, which is then the model (Polyak and Juditsky 1992)."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import chain

import torch
from torch import Tensor, nn

from resnets.net.network import ResNet
from resnets.training.recipe import Recipe


class Ema:
    """The mean of the weights and of the norms' statistics so far, as a network in evaluation mode.

    How much of it an update keeps is a function of the step alone, so `network` is all that a checkpoint has to hold.
    """

    def __init__(self, network: ResNet, recipe: Recipe) -> None:
        self.network: ResNet = copy.deepcopy(network).eval().requires_grad_(False)
        self.network.zero_grad(set_to_none=True)
        self._keeps = recipe.ema
        self._every = recipe.ema_every

    def keeps(self, step: int) -> float:
        """Return what is kept of the mean by the update after `step` steps of the run, in [0, 1).

        `ema`, or (1 + t) / (10 + t) at the t-th update where that is less: TensorFlow's rule (`num_updates` of its
        `ExponentialMovingAverage`). So early in a run the mean reaches back over the last tenth of it, and the random
        start is soon forgotten; torchvision's script has the mean follow the weights in the warm-up instead.
        """
        updates = step // self._every
        return min(self._keeps, (1 + updates) / (10 + updates))

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Move the mean towards the weights that `step` steps have made, in place, at every `ema_every`-th step.

        Counts are copied. `network` has the names and shapes of the one this began with.
        """
        if step % self._every:
            return
        pairs = list(zip(_tensors(self.network), _tensors(network), strict=True))
        means, values = zip(*((mean, now) for mean, now in pairs if mean.is_floating_point()), strict=True)
        torch._foreach_lerp_(means, values, 1 - self.keeps(step))
        for mean, now in pairs:
            if not mean.is_floating_point():
                mean.copy_(now)


def _tensors(network: nn.Module) -> Iterator[Tensor]:
    return chain(network.parameters(), network.buffers())
