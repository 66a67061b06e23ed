"""One residual unit as one drawing, for a slide (He et al. 2015, Figs. 2 and 5; He et al. 2016, Fig. 1)."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, prod

from resnets.page.colours import QUIET
from resnets.page.labels import SHORTCUTS, block_kind
from resnets.page.measure import shortened
from resnets.page.scene import Item, Scene, Text
from resnets.page.steps import equation, weights
from resnets.page.svg import render
from resnets.page.unit import MARGIN, unit
from resnets.spec.count import conv_weights, parameters
from resnets.spec.plan import Block

TITLE_SIZE, TITLE_ROOM = 16.0, 440.0
ROW = 20.0


def draw_block(block: Block, *, title: str | None = None, counts: bool = False) -> str:
    """Return one residual unit as SVG: its weights, BN and ReLU, and the curve of its shortcut.

    The curve is solid where the shape stays and dashed where it changes. `title` stands above; without it,
    what kind of block this is. `counts` adds the weights of each convolution, their sum, and all parameters.

    >>> from resnets.spec.resolve import plan
    >>> from resnets.spec.variants import VARIANTS
    >>> draw_block(plan(VARIANTS["resnet50"]).blocks[0])[:4]
    '<svg'
    """
    return render(block_scene(block, title=title, counts=counts))


def block_scene(block: Block, *, title: str | None = None, counts: bool = False) -> Scene:
    """Return the drawing of `draw_block` as data, before it becomes SVG."""
    kind, shortcut = block_kind(block), SHORTCUTS[block.shortcut.kind]
    name = title or f"{kind[0].upper()}{kind[1:]}: {shortcut}"
    heading = Text(
        x=MARGIN,
        y=MARGIN + 4,
        words=shortened(name, TITLE_SIZE, TITLE_ROOM, bold=True),
        size=TITLE_SIZE,
        bold=True,
        anchor="start",
        role="title",
    )
    items: list[Item] = [heading, *unit(block, heading.bounds.bottom + 24, counts=counts)]
    bottom = max(item.bounds.bottom for item in items) + 22
    items += _caption(block, bottom, counts=counts)
    return Scene(
        width=ceil(max(item.bounds.right for item in items) + MARGIN),
        height=ceil(max(item.bounds.bottom for item in items) + MARGIN / 2),
        title=name,
        description=_sentence(block),
        items=tuple(items),
    )


def _caption(block: Block, top: float, *, counts: bool) -> Iterator[Text]:
    """Yield the equation, and the sums if asked."""
    yield Text(x=MARGIN, y=top, words=equation(block), size=15, anchor="start", italic=True, role="equation")
    if not counts:
        return
    terms = " + ".join(f"{prod(weights(conv.conv)):,}" for conv in block.branch)
    beside = "".join(words for part, words in ((block.gate, ", gate"), (block.shortcut.unit, ", shortcut")) if part)
    lines = (
        f"{terms} = {conv_weights(block):,} weights",
        f"{parameters(block):,} parameters with BN{beside}",
    )
    for number, words in enumerate(lines, 1):
        yield Text(x=MARGIN, y=top + 4 + ROW * number, words=words, size=12.5, anchor="start", colour=QUIET)


def _sentence(block: Block) -> str:
    """The block for those who cannot see it."""
    return (
        f"{block.name}, a {block_kind(block)} from {block.in_channels} to {block.out_channels} channels with "
        f"stride {block.stride}; shortcut: {SHORTCUTS[block.shortcut.kind]}. {equation(block)}."
    )
