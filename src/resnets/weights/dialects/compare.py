"""Compare: a trunk beside a plan, layer by layer, up to the first difference."""

from __future__ import annotations

from collections.abc import Iterator

from resnets.spec.architecture import PoolPaddingRule
from resnets.spec.plan import Block, Conv, Linear, Norm, Plan, Pool, layer_tensors
from resnets.weights.dialects.graph import Node
from resnets.weights.dialects.simplify import pads_by
from resnets.weights.dialects.trunk import Trunk
from resnets.weights.dialects.units import Step, Unit

Layer = Conv | Norm | Linear
Pair = tuple[Layer, Node | None]
"""A layer of ours and the file's, None for a norm that was folded into the convolution before it."""


class Differs(Exception):
    """The graph is another network than the plan; the message names the layer."""


def compare(network: Plan, trunk: Trunk, *, folded: bool) -> tuple[list[Pair], str | None]:
    """Return the layers that are the same one after the other, and the first difference, None if there is none."""
    pairs: list[Pair] = []
    try:
        for pair in _Comparison(network, trunk, folded).pairs():
            pairs.append(pair)
    except Differs as difference:
        return pairs, str(difference)
    return pairs, None


def norms_after(network: Plan) -> dict[str, str]:
    """Return the norms that come right after a convolution, and which; those can be folded into it."""
    found: dict[str, str] = {}
    for unit in network.stem.units:
        if unit.norm:
            found[unit.norm.name] = unit.conv.name
    for block in network.blocks:
        before = [None, *(unit.conv.name for unit in block.branch)] if block.order == "pre" else []
        for number, unit in enumerate(block.branch):
            conv = before[number] if before else unit.conv.name
            if unit.norm and conv:
                found[unit.norm.name] = conv
        if block.shortcut.unit and block.shortcut.unit.norm:
            found[block.shortcut.unit.norm.name] = block.shortcut.unit.conv.name
    return found


class _Comparison:
    """One plan and one trunk, while they are compared."""

    def __init__(self, network: Plan, trunk: Trunk, folded: bool) -> None:
        self.network = network
        self.trunk = trunk
        self.folded = norms_after(network) if folded else {}

    def pairs(self) -> Iterator[Pair]:
        """Yield each layer with its partner; raise `Differs` at the first that has none."""
        network, trunk = self.network, self.trunk
        _same(len(trunk.stem), len(network.stem.units), "its stem", "convolutions")
        for unit, step in zip(network.stem.units, trunk.stem, strict=True):
            yield from self._step(unit.conv, unit.norm, step)
        self._pool(network.stem.pool, trunk.pool, "its stem")
        _same(len(trunk.units), len(network.blocks), "its graph", "units")
        for block, found in zip(network.blocks, trunk.units, strict=True):
            yield from self._block(block, found)
        if network.norm:
            yield from self._norm(network.norm, trunk.norm, "the last unit")
        yield from self._head()

    def _block(self, block: Block, found: Unit) -> Iterator[Pair]:
        for unit, step in zip(block.branch, found.steps, strict=True):
            yield from self._step(unit.conv, unit.norm, step)
        _same(bool(found.gate), bool(block.gate), found.title, "squeeze-and-excitation gates")
        if block.gate and found.gate:
            for conv, node in zip((block.gate.squeeze, block.gate.excite), found.gate.inner, strict=True):
                yield self._conv(conv, node)
        shortcut, kind = block.shortcut, block.shortcut.kind.removeprefix("pooled_")
        if found.skip != kind:
            raise Differs(f"{found.title} has the shortcut {found.skip!r}, where this architecture has {kind!r}")
        strides = found.thinning.strides if found.thinning else (1, 1)
        if kind in ("subsample", "zero_pad") and strides != (shortcut.stride, shortcut.stride):
            raise Differs(f"{found.title} thins its shortcut by {strides}, where {shortcut.stride} is due")
        if found.widening and found.widening.channels != shortcut.pad:
            raise Differs(f"{found.title} adds {found.widening.channels} zero channels, where {shortcut.pad} are due")
        self._pool(shortcut.pool, found.pool, found.title)
        if shortcut.unit and found.projection:
            yield from self._step(shortcut.unit.conv, shortcut.unit.norm, found.projection)

    def _head(self) -> Iterator[Pair]:
        plan_, found = self.network.head, self.trunk.head
        if plan_ and found:
            ours = [layer for layer in (plan_.hidden, plan_.linear) if layer]
            for linear, node in zip(ours, found.linears, strict=True):
                _shapes(linear, node)
                yield linear, node

    def _step(self, conv: Conv, norm: Norm | None, step: Step) -> Iterator[Pair]:
        yield self._conv(conv, step.conv)
        if norm or step.norm:
            yield from self._norm(norm, step.norm, step.conv.title)

    def _conv(self, conv: Conv, node: Node) -> Pair:
        for what, theirs, ours in (
            ("a window of", node.kernel, (conv.kernel, conv.kernel)),
            ("strides of", node.strides, (conv.stride, conv.stride)),
            ("dilation of", node.dilation, (1, 1)),
            ("groups:", node.groups, conv.groups),
        ):
            if theirs != ours:
                raise Differs(f"{node.title} has {what} {_text(theirs)}, where this family would have {_text(ours)}")
        _shapes(conv, node)
        self._pads(node, conv.padding)
        return conv, node

    def _norm(self, norm: Norm | None, node: Node | None, where: str) -> Iterator[Pair]:
        if norm and not node and norm.name in self.folded:
            yield norm, None
            return
        if norm is None or node is None:
            has, due = ("a norm", "none") if node else ("no norm", "one")
            raise Differs(f"{where} has {has}, where this family would have {due}")
        if node.eps != norm.eps:
            raise Differs(
                f"{node.title} has eps {node.eps:g}, and norms before it {norm.eps:g}; an architecture has one"
            )
        _shapes(norm, node)
        yield norm, node

    def _pool(self, pool: Pool | None, node: Node | None, where: str) -> None:
        if pool is None or node is None:
            if pool or node:
                has, due = ("pools", "would not") if node else ("does not pool", "would")
                raise Differs(f"{where} {has}, where this architecture {due}")
            return
        kernel, strides = (pool.kernel, pool.kernel), (pool.stride, pool.stride)
        if (node.kernel, node.strides) != (kernel, strides):
            raise Differs(
                f"{node.title} pools {_text(node.kernel)} by {_text(node.strides)}, where this family would "
                f"{_text(kernel)} by {_text(strides)}"
            )
        self._pads(node, pool.padding)

    def _pads(self, node: Node, rule: PoolPaddingRule) -> None:
        if not pads_by(node, rule, self.trunk.size_into(node)):
            high, wide = ("",) * 2 if isinstance(node.pads, str) else (f"{a} and {b}" for a, b in node.pads)
            pads = repr(node.pads) if isinstance(node.pads, str) else high if high == wide else f"{high} by {wide}"
            raise Differs(f"{node.title} pads {pads}, which is not {rule!r}, the rule of layers like it")


def _shapes(layer: Layer, node: Node) -> None:
    """Raise `Differs` unless the file holds a layer's numbers in the shapes that ours has."""
    wanted = {name.rpartition(".")[2]: shape for name, shape in layer_tensors(layer).items()}
    if not node.numbers:
        raise Differs(f"the file holds no numbers of {node.title}")
    if not isinstance(layer, Norm) and "weight" not in node.numbers:
        raise Differs(f"the file holds no weight of {node.title}")
    channels = wanted["weight"][:1]
    for slot, numbers in node.numbers.items():
        shape = wanted.get(slot, channels)
        if numbers.shape != shape:
            raise Differs(f"{node.title} has a {slot} of {numbers.shape}, where this family would have {shape}")


def _same(theirs: int, ours: int, where: str, what: str) -> None:
    if theirs != ours:
        raise Differs(f"{where} has {int(theirs)} {what}, where this architecture has {int(ours)}")


def _text(value: object) -> str:
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)
