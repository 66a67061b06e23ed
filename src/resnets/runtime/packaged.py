"""Packaged: a network with what goes before and after it, so that pixels go in and calibrated logits come out."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from resnets.net.network import ResNet
from resnets.net.normalise import normalise
from resnets.runtime.engine import LOGITS
from resnets.spec.levels import check_input
from resnets.spec.levels import levels as known_levels
from resnets.spec.preprocess import Preprocess


class Packaged(nn.Module):
    """uint8 (N, C, H, W) of the network's size -> maps of levels and the logits, in the order of `outputs`.

    Normalisation is inside, and the logits are over the temperature. `levels` are those wanted besides the logits,
    which come last; without a head there are none. Mode and weights are those of the network given, which is held and
    not copied; engines take a copy.

    Raises `ValueError` for levels the network does not have, a temperature that is none, pictures of other channels or
    too small, and where nothing at all would come out.
    """

    def __init__(
        self, network: ResNet, preprocess: Preprocess, temperature: float = 1.0, levels: tuple[str, ...] = ()
    ) -> None:
        super().__init__()
        _check(network, preprocess, temperature, levels)
        self.network, self.preprocess, self.temperature, self.levels = network, preprocess, temperature, levels
        self.outputs: tuple[str, ...] = (*levels, LOGITS) if network.head is not None else levels

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of one picture."""
        return (self.preprocess.channels, *self.preprocess.size)

    def forward(self, pictures: Tensor) -> tuple[Tensor, ...]:
        """Return what `outputs` names, in float32."""
        x = normalise(pictures, self.preprocess)
        if not self.levels:
            return (self._logits(self.network(x)),)
        maps = self.network.levels(x)
        wanted = tuple(maps[name].float() for name in self.levels)
        if self.network.head is None:
            return wanted
        last = maps[self.network.plan.stages[-1].level]
        return (*wanted, self._logits(self.network.head(last)))

    def _logits(self, logits: Tensor) -> Tensor:
        return torch.div(logits.float(), self.temperature)


def _check(network: ResNet, preprocess: Preprocess, temperature: float, levels: tuple[str, ...]) -> None:
    row = network.architecture
    there = known_levels(network.plan)
    unknown = [name for name in levels if name not in there]
    if unknown or len({*levels}) < len(levels):
        raise ValueError(f"levels={levels} of {row.name}; allowed: each at most once of {', '.join(there)}")
    if network.head is None and not levels:
        raise ValueError(f"{row.name} has no head, so no logits; give levels, such as levels=({[*there][-1]!r},)")
    if not 0 < temperature < math.inf:
        raise ValueError(f"temperature={temperature} is not possible; allowed: a number above 0, and 1 for none")
    if preprocess.channels != row.in_channels:
        raise ValueError(
            f"{row.name} takes {row.in_channels} channels, and colour={preprocess.colour!r} makes "
            f"{preprocess.channels}; give the preprocess that the network was trained with"
        )
    check_input(network.plan, preprocess.size)
