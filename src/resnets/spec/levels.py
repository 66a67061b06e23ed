"""Levels: the feature maps a network offers by name, conv1 and C1..C5, with their channels and strides.

C1 is what enters conv2_x, the stem's output after its pool, as in Matterport's Mask R-CNN and detectron2;
the map before that pool is `conv1`. See docs/decisions/0003.
"""

from __future__ import annotations

from dataclasses import dataclass

from resnets.spec.padding import out_size
from resnets.spec.plan import Conv, Plan, Pool


@dataclass(frozen=True, kw_only=True, slots=True)
class Level:
    """A feature map: its name, channels, and the pixels of the input that one of its own stands for."""

    name: str
    channels: int
    stride: int


def levels(network: Plan) -> dict[str, Level]:
    """Return the levels of a network in order; the keys are those that exist."""
    stem = network.stem
    stride = 1
    for unit in stem.units:
        stride *= unit.conv.stride
    channels = stem.units[-1].conv.out_channels
    found: list[Level] = []
    if stem.pool:
        found.append(Level(name="conv1", channels=channels, stride=stride))
        stride *= stem.pool.stride
    found.append(Level(name="C1", channels=channels, stride=stride))
    for stage in network.stages:
        stride *= stage.stride
        found.append(Level(name=stage.level, channels=stage.out_channels, stride=stride))
    return {level.name: level for level in found}


def down_path(network: Plan) -> list[tuple[str, Conv | Pool]]:
    """Return the layers with a window on the way from the input through every branch, each with its level."""
    path: list[tuple[str, Conv | Pool]] = []
    first = "conv1" if network.stem.pool else "C1"
    path.extend((first, unit.conv) for unit in network.stem.units)
    if network.stem.pool:
        path.append(("C1", network.stem.pool))
    for stage in network.stages:
        path.extend((stage.level, unit.conv) for block in stage.blocks for unit in block.branch)
    return path


def level_sizes(network: Plan, size: tuple[int, int]) -> dict[str, tuple[int, int]]:
    """Return height and width of every level for an input of `size` (height, width) pixels."""
    sizes: dict[str, tuple[int, int]] = {}
    height, width = size
    for level, layer in down_path(network):
        height, width = (out_size(layer.padding, n, layer.kernel, layer.stride) for n in (height, width))
        sizes[level] = (height, width)
    return sizes


def smallest_input(network: Plan) -> int:
    """Return the smallest side at which every stride still finds more than one pixel to halve."""
    return next(side for side in range(1, 2**16) if _halves(network, side))


def check_input(network: Plan, size: tuple[int, int]) -> None:
    """Raise `ValueError` if an input of `size` (height, width) has no pixels left for some stride."""
    least = smallest_input(network)
    if min(size) < least:
        small_stem = "" if network.architecture.stem == "cifar" else "the small stem (stem='cifar'), "
        raise ValueError(
            f"an input of {size[0]}x{size[1]} is too small for {network.architecture.name}: its strides come "
            f"to {levels(network)[network.stages[-1].level].stride}, and it needs at least {least}x{least}. "
            f"Give a larger --size, {small_stem}or fewer stages, such as "
            f"blocks={network.architecture.blocks[:-1] or (1,)}"
        )


def _halves(network: Plan, side: int) -> bool:
    for _, layer in down_path(network):
        if layer.stride > 1 and side < 2:
            return False
        side = out_size(layer.padding, side, layer.kernel, layer.stride)
    return True
