"""Plan: a network with every layer named and every number filled in (He et al. 2015, Table 1).

The network, the counts, the drawings, the levels and the weight-name maps are sums and maps over a Plan;
`resolve.plan` makes one from an Architecture.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from resnets.spec.architecture import Architecture, HeadPooling, Order, PoolFill, PoolPaddingRule


@dataclass(frozen=True, kw_only=True, slots=True)
class Conv:
    """A square convolution; `padding` is a rule, and becomes numbers with an input size."""

    name: str
    in_channels: int
    out_channels: int
    kernel: int
    stride: int = 1
    groups: int = 1
    padding: PoolPaddingRule = "symmetric"
    bias: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Norm:
    """A batch normalisation."""

    name: str
    channels: int
    eps: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Linear:
    """A fully connected layer; it always has a bias."""

    name: str
    in_features: int
    out_features: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Pool:
    """A square pool. `fill` is what a maximum sees in the padding; an average leaves the padding out."""

    name: str
    kind: Literal["max", "average"]
    kernel: int
    stride: int
    padding: PoolPaddingRule
    fill: PoolFill = "-inf"


@dataclass(frozen=True, kw_only=True, slots=True)
class Unit:
    """A convolution and the norm that goes with it: after it, or before it where the order is `pre`."""

    conv: Conv
    norm: Norm | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Gate:
    """Squeeze and excitation: two biased 1x1 convolutions that weigh each channel (Hu et al. 2017)."""

    squeeze: Conv
    excite: Conv


@dataclass(frozen=True, kw_only=True, slots=True)
class Shortcut:
    """The other path of a block.

    none: a plain network's, nothing is added. identity: x. subsample: every stride-th pixel of x.
    zero_pad: option A, subsampled, with zero channels `pad` before and after. projection: options B and C.
    pooled_projection: ResNet-D's, averaged first where it strides.
    """

    kind: Literal["none", "identity", "subsample", "zero_pad", "projection", "pooled_projection"]
    stride: int = 1
    pad: tuple[int, int] = (0, 0)
    pool: Pool | None = None
    unit: Unit | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """One residual unit: `relu(F(x) + shortcut(x))`, or `F(x) + shortcut(x)` where the order is `pre`."""

    name: str
    order: Order
    in_channels: int
    out_channels: int
    stride: int
    branch: tuple[Unit, ...]
    gate: Gate | None
    shortcut: Shortcut


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """The blocks of one output size: conv2_x .. conv5_x."""

    name: str
    level: str
    out_channels: int
    stride: int
    blocks: tuple[Block, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class StemPlan:
    """What comes before the first block. Where the order is `pre`, the last convolution stays bare."""

    units: tuple[Unit, ...]
    pool: Pool | None


@dataclass(frozen=True, kw_only=True, slots=True)
class HeadPlan:
    """Pool (or flatten a 1x1 map), then the linear layers, each with `dropout` before it."""

    pooling: HeadPooling
    dropout: float
    hidden: Linear | None
    linear: Linear


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A whole network. `norm` is the final norm of a pre-activation network."""

    architecture: Architecture
    stem: StemPlan
    stages: tuple[Stage, ...]
    norm: Norm | None
    head: HeadPlan | None

    @property
    def out_channels(self) -> int:
        """Channels of the last stage."""
        return self.stages[-1].out_channels

    @property
    def blocks(self) -> tuple[Block, ...]:
        """All blocks, in order."""
        return tuple(block for stage in self.stages for block in stage.blocks)

    def layers(self) -> Iterator[Conv | Norm | Linear]:
        """Yield every layer that has parameters, in the order in which a picture meets them."""
        for unit in self.stem.units:
            yield from unit_layers(unit, "post")
        for block in self.blocks:
            yield from block_layers(block)
        if self.norm:
            yield self.norm
        if self.head:
            if self.head.hidden:
                yield self.head.hidden
            yield self.head.linear

    def tensors(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of every parameter and buffer, by name."""
        return {name: shape for layer in self.layers() for name, shape in layer_tensors(layer).items()}


def unit_layers(unit: Unit, order: Order) -> Iterator[Conv | Norm]:
    """Yield a unit's convolution and norm in the order in which they act."""
    if unit.norm and order == "pre":
        yield unit.norm
    yield unit.conv
    if unit.norm and order == "post":
        yield unit.norm


def block_layers(block: Block) -> Iterator[Conv | Norm]:
    """Yield every layer of a block that has parameters: the branch, its gate, the shortcut."""
    for unit in block.branch:
        yield from unit_layers(unit, block.order)
    if block.gate:
        yield block.gate.squeeze
        yield block.gate.excite
    if block.shortcut.unit:
        yield from unit_layers(block.shortcut.unit, "post")


def layer_tensors(layer: Conv | Norm | Linear) -> dict[str, tuple[int, ...]]:
    """Return the shapes of one layer's parameters and buffers, by full name."""
    match layer:
        case Conv():
            shape = (layer.out_channels, layer.in_channels // layer.groups, layer.kernel, layer.kernel)
            tensors: dict[str, tuple[int, ...]] = {"weight": shape}
            if layer.bias:
                tensors["bias"] = (layer.out_channels,)
        case Linear():
            tensors = {"weight": (layer.out_features, layer.in_features), "bias": (layer.out_features,)}
        case Norm():
            tensors = dict.fromkeys(("weight", "bias", "running_mean", "running_var"), (layer.channels,))
            tensors["num_batches_tracked"] = ()
    return {f"{layer.name}.{key}": shape for key, shape in tensors.items()}


def block_at(network: Plan, where: str) -> Block:
    """Return the block called "C2.1", the second of conv2_x; raise `ValueError` listing what there is."""
    level, _, number = where.partition(".")
    for stage in network.stages:
        if stage.level == level.upper() and number.isdigit() and int(number) < len(stage.blocks):
            return stage.blocks[int(number)]
    there = ", ".join(f"{stage.level}.0 to {stage.level}.{len(stage.blocks) - 1}" for stage in network.stages)
    raise ValueError(f"{network.architecture.name} has no block {where!r}; allowed: {there}")
