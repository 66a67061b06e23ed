"""Agreement: whether two networks give the same numbers, level by level, and the same answers on pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from resnets.net.network import ResNet

Maps = Mapping[str, Tensor]
Network = Callable[[Tensor], Maps]
"""(N, C, H, W) -> maps by name; "logits" is the answer where there is one."""

TOLERANCE = 1e-4
"""Largest difference of two float32 networks, as a share of the level's largest number, that counts as agreement."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How far two networks part at one level: the largest difference, and its share of the level's largest number."""

    level: str
    largest: float
    relative: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Agreement:
    """Two networks on the same pictures.

    `levels` are in the network's order, the logits last. `same_answers` of `pictures` have the same first class;
    None where there are no logits.
    """

    levels: tuple[Difference, ...]
    pictures: int
    same_answers: int | None
    tolerance: float = TOLERANCE

    @property
    def holds(self) -> bool:
        """Whether every level is within the tolerance (a difference that is not a number is not)."""
        return all(level.relative <= self.tolerance for level in self.levels)

    @property
    def worst(self) -> Difference:
        """The level at which they part most."""
        return max(self.levels, key=lambda level: (level.relative != level.relative, level.relative))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values."""
        return {
            "holds": self.holds,
            "tolerance": self.tolerance,
            "levels": {d.level: {"largest": d.largest, "relative": d.relative} for d in self.levels},
            "pictures": self.pictures,
            "same_answers": self.same_answers,
        }


def agreement(
    one: ResNet | Network, other: ResNet | Network, batch: Tensor, *, tolerance: float = TOLERANCE
) -> Agreement:
    """Compare two networks on a batch (N, C, H, W), at every level that both have.

    Either is a network of ours, in evaluation mode, or a function that gives maps by name. Raises `ValueError` where
    they have no level in common, or give a level in different shapes.
    """
    with torch.no_grad():
        first, second = outputs(one)(batch), outputs(other)(batch)
    common = [name for name in first if name in second]
    if not common:
        raise ValueError(f"no level in common: {', '.join(first)} and {', '.join(second)}")
    levels = tuple(_difference(name, first[name], second[name]) for name in common)
    same = None
    if "logits" in common:
        same = int((first["logits"].argmax(1) == second["logits"].argmax(1)).sum())
    return Agreement(levels=levels, pictures=len(batch), same_answers=same, tolerance=tolerance)


def outputs(network: ResNet | Network) -> Network:
    """Return a function from a batch to the levels, and the logits where there is a head."""
    if not isinstance(network, ResNet):
        return network
    ours: ResNet = network

    def run(batch: Tensor) -> Maps:
        maps = ours.levels(batch)
        # The head stands on the last level, so the trunk runs once.
        return maps if ours.head is None else maps | {"logits": ours.head(maps[ours.plan.stages[-1].level])}

    return run


def _difference(name: str, one: Tensor, other: Tensor) -> Difference:
    if one.shape != other.shape:
        raise ValueError(f"{name} has the shape {tuple(one.shape)} and {tuple(other.shape)}")
    largest = float((one.double() - other.double()).abs().max())
    scale = float(one.double().abs().max())
    return Difference(name, largest, largest / scale if scale else largest)
