"""A Plan as a drawing tells it: levels, in each its groups of boxes, and how often a group is repeated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby

from resnets.page.labels import changes_shape, conv_words, pool_words
from resnets.spec.plan import Block, HeadPlan, Plan, StemPlan

HEAD = "head"


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One box of a column: its words, and its role in the network."""

    words: str
    role: str  # weight | stem | pool | gate | norm | dropout | linear | end
    groups: int = 1  # of a convolution


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """Boxes that belong together; those of a block have a shortcut beside them, unless it is a plain one."""

    cells: tuple[Cell, ...]
    is_block: bool = False
    shortcut: str = "none"  # the kind of the block's shortcut
    changes_shape: bool = False
    times: int = 1  # how many equal blocks this one stands for


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """All groups of one level: conv1, C1, C2 .. or the head."""

    level: str
    groups: tuple[Group, ...]


def outline(network: Plan, *, fold: bool) -> tuple[Section, ...]:
    """Return a network's sections; `fold` draws equal blocks in a row once."""
    return (*_stem(network.stem), *_stages(network, fold=fold), Section(level=HEAD, groups=_head(network)))


def _stem(stem: StemPlan) -> Iterator[Section]:
    convs = tuple(Cell(words=conv_words(unit.conv, " conv"), role="stem") for unit in stem.units)
    yield Section(level="conv1" if stem.pool else "C1", groups=(Group(cells=convs),))
    if stem.pool:
        yield Section(level="C1", groups=(Group(cells=(Cell(words=pool_words(stem.pool), role="pool"),)),))


def _stages(network: Plan, *, fold: bool) -> Iterator[Section]:
    for stage in network.stages:
        groups = tuple(_block(block) for block in stage.blocks)
        if fold:
            groups = tuple(replace(same, times=len(list(run))) for same, run in groupby(groups))
        if network.norm and stage is network.stages[-1]:
            groups = (*groups, Group(cells=(Cell(words="BN, ReLU", role="norm"),)))
        yield Section(level=stage.level, groups=groups)


def _block(block: Block) -> Group:
    convs = (unit.conv for unit in block.branch)
    cells = [Cell(words=conv_words(conv, " conv"), role="weight", groups=conv.groups) for conv in convs]
    if block.gate:
        ratio = block.gate.squeeze.in_channels // block.gate.squeeze.out_channels
        cells.append(Cell(words=f"SE gate, r={ratio}", role="gate"))
    return Group(
        cells=tuple(cells),
        is_block=True,
        shortcut=block.shortcut.kind,
        changes_shape=changes_shape(block),
    )


def _head(network: Plan) -> tuple[Group, ...]:
    if network.head is None:
        last = network.stages[-1]
        return (Group(cells=(Cell(words=f"{last.level}, {last.out_channels}-d", role="end"),)),)
    return (Group(cells=tuple(_head_cells(network.head))),)


def _head_cells(head: HeadPlan) -> Iterator[Cell]:
    yield Cell(words={"average": "avg pool", "flatten": "flatten"}[head.pooling], role="pool")
    for layer, ending in ((head.hidden, ", ReLU"), (head.linear, "")):
        if layer:
            if head.dropout:
                yield Cell(words=f"dropout {head.dropout:g}", role="dropout")
            yield Cell(words=f"fc, {layer.out_features}{ending}", role="linear")
