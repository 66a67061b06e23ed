"""Trace: a Plan and an input size give every map's size, every padding and every layer's cost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from resnets.spec.count import layer_macs, layer_parameters
from resnets.spec.levels import check_input
from resnets.spec.padding import out_size, padding
from resnets.spec.plan import Block, Conv, Plan, Pool, Unit

Size = tuple[int, int]
"""Height and width in pixels."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One layer at work: what goes in, what comes out, what it costs; a norm counts with its convolution."""

    name: str
    level: str
    kind: str  # conv | shortcut | gate | max pool | average pool | norm | linear
    in_channels: int
    out_channels: int
    input: Size
    output: Size
    kernel: int = 1
    stride: int = 1
    groups: int = 1
    padding: tuple[Size, Size] = ((0, 0), (0, 0))  # (top, bottom), (left, right)
    parameters: int = 0
    macs: int = 0


def trace(network: Plan, size: Size) -> tuple[Step, ...]:
    """Return what each layer does to an input of `size` (height, width) pixels, in order.

    Raises `ValueError` if the input is too small for the strides, or if a head that flattens meets more than
    one pixel.
    """
    check_input(network, size)
    steps: list[Step] = []
    for unit in network.stem.units:
        steps.append(_conv_step(unit, "conv1" if network.stem.pool else "C1", "conv", size))
        size = steps[-1].output
    if network.stem.pool:
        steps.append(_pool_step(network.stem.pool, "C1", size, network.architecture.stem_width))
        size = steps[-1].output
    for stage in network.stages:
        for block in stage.blocks:
            inside = list(_block_steps(block, stage.level, size))
            steps += inside
            size = inside[len(block.branch) - 1].output
    return (*steps, *_head_steps(network, size))


def macs(network: Plan, size: Size) -> int:
    """Return the multiply-adds of one picture of `size` (height, width) as `count.layer_macs` counts."""
    return sum(step.macs for step in trace(network, size))


def _block_steps(block: Block, level: str, size: Size) -> Iterator[Step]:
    """The branch first, so that its last step is at a known place; then the gate and the shortcut."""
    inside = size
    for unit in block.branch:
        step = _conv_step(unit, level, "conv", inside)
        inside = step.output
        yield step
    if block.gate:
        for conv in (block.gate.squeeze, block.gate.excite):
            yield _conv_step(Unit(conv=conv, norm=None), level, "gate", (1, 1))
    if block.shortcut.pool:
        step = _pool_step(block.shortcut.pool, level, size, block.in_channels)
        size = step.output
        yield step
    if block.shortcut.unit:
        yield _conv_step(block.shortcut.unit, level, "shortcut", size)


def _head_steps(network: Plan, size: Size) -> Iterator[Step]:
    level, channels = network.stages[-1].level, network.out_channels
    if network.norm:
        yield Step(
            name=network.norm.name,
            level=level,
            kind="norm",
            in_channels=channels,
            out_channels=channels,
            input=size,
            output=size,
            parameters=layer_parameters(network.norm),
        )
    head = network.head
    if head is None:
        return
    if head.pooling == "flatten" and size != (1, 1):
        raise ValueError(
            f"{network.architecture.name} flattens its last map, which must be 1x1; here it is "
            f"{size[0]}x{size[1]}. Give a smaller --size, or head_pooling='average'"
        )
    if head.pooling == "average":
        yield Step(
            name="head.pool",
            level="head",
            kind="average pool",
            in_channels=channels,
            out_channels=channels,
            input=size,
            output=(1, 1),
        )
    for layer in (head.hidden, head.linear):
        if layer:
            yield Step(
                name=layer.name,
                level="head",
                kind="linear",
                in_channels=layer.in_features,
                out_channels=layer.out_features,
                input=(1, 1),
                output=(1, 1),
                parameters=layer_parameters(layer),
                macs=layer_macs(layer, (1, 1)),
            )


def _conv_step(unit: Unit, level: str, kind: str, size: Size) -> Step:
    conv = unit.conv
    output = _out(conv, size)
    return Step(
        name=conv.name,
        level=level,
        kind=kind,
        in_channels=conv.in_channels,
        out_channels=conv.out_channels,
        input=size,
        output=output,
        kernel=conv.kernel,
        stride=conv.stride,
        groups=conv.groups,
        padding=_paddings(conv, size),
        parameters=layer_parameters(conv) + (layer_parameters(unit.norm) if unit.norm else 0),
        macs=layer_macs(conv, output),
    )


def _pool_step(pool: Pool, level: str, size: Size, channels: int) -> Step:
    return Step(
        name=pool.name,
        level=level,
        kind=f"{pool.kind} pool",
        in_channels=channels,
        out_channels=channels,
        input=size,
        output=_out(pool, size),
        kernel=pool.kernel,
        stride=pool.stride,
        padding=_paddings(pool, size),
    )


def _out(layer: Conv | Pool, size: Size) -> Size:
    height, width = (out_size(layer.padding, n, layer.kernel, layer.stride) for n in size)
    return height, width


def _paddings(layer: Conv | Pool, size: Size) -> tuple[Size, Size]:
    rows, columns = (padding(layer.padding, n, layer.kernel, layer.stride) for n in size)
    return rows, columns
