"""What a drawing says of a whole network: lines above its column, and sentences for those who hear it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from resnets.page.colours import QUIET
from resnets.page.labels import SHORTCUTS, block_kind, short_count, size_words
from resnets.page.measure import shortened
from resnets.page.scene import Text
from resnets.spec.count import parameters, weight_layers
from resnets.spec.levels import level_sizes
from resnets.spec.plan import Plan
from resnets.spec.trace import macs

ROW = 17.0
NAME_SIZE, NAME_ROOM = 16.0, 300.0  # of a network's name, which is cut beyond its room


def header(network: Plan, size: tuple[int, int]) -> tuple[Text, ...]:
    """Return the lines above a network's column, around x = 0 and from y = 0 on."""
    arch = network.architecture
    name = shortened(arch.name, NAME_SIZE, NAME_ROOM, bold=True)
    facts = (
        f"{weight_layers(network).total} weight layers",
        f"{short_count(parameters(network))} parameters",
        f"{short_count(macs(network, size))}MACs",
    )
    image = f"image, {size_words(size)}×{arch.in_channels}"
    return (
        Text(x=0, y=ROW / 2, words=name, size=NAME_SIZE, bold=True, role="name"),
        *(Text(x=0, y=12 + ROW * n, words=fact, size=12, colour=QUIET) for n, fact in enumerate(facts, 1)),
        Text(x=0, y=24 + ROW * (len(facts) + 1), words=image, size=12, role="image"),
    )


def placed(texts: Sequence[Text], x: float, y: float) -> Iterator[Text]:
    """Yield texts moved by x and y."""
    for text in texts:
        yield replace(text, x=text.x + x, y=text.y + y)


def sentences(network: Plan, size: tuple[int, int]) -> str:
    """Return a network in words.

    >>> from resnets.spec.resolve import plan
    >>> from resnets.spec.variants import VARIANTS
    >>> sentences(plan(VARIANTS["resnet20_cifar"]), (32, 32))[:72]
    'resnet20_cifar has 20 weight layers and 270 k parameters, for 32×32 inpu'
    """
    arch, sizes = network.architecture, level_sizes(network, size)
    stages = "; ".join(
        f"{stage.level}: {len(stage.blocks)} × {block_kind(stage.blocks[-1])}, "
        f"{stage.out_channels} channels, {size_words(sizes[stage.level])}"
        for stage in network.stages
    )
    kinds = dict.fromkeys(SHORTCUTS[block.shortcut.kind] for block in network.blocks)
    return (
        f"{arch.name} has {weight_layers(network).total} weight layers and {short_count(parameters(network))}"
        f" parameters, for {size_words(size)} input. {stages}. Shortcuts: {', '.join(kinds)}."
    ).replace("  ", " ")
