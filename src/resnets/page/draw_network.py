"""A whole network as one drawing, plain beside residual if asked (He et al. 2015, Fig. 3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil
from typing import Literal

from resnets.page.colours import BAND, QUIET, stage_tint
from resnets.page.column import Column, column, group_height
from resnets.page.header import header, placed, sentences
from resnets.page.labels import size_words
from resnets.page.legend import legend
from resnets.page.measure import text_width
from resnets.page.outline import HEAD, outline
from resnets.page.scene import Box, Item, Scene, Text
from resnets.page.svg import render
from resnets.spec.count import weight_layers
from resnets.spec.levels import level_sizes
from resnets.spec.plan import Plan

FOLD_BEYOND = 60
"""A network with more weight layers than this is drawn with equal blocks in a row folded into one."""

MARGIN, GUTTER = 18.0, 14.0
BAND_PADDING, BAND_GAP, LEGEND_GAP = 5.0, 5.0, 8.0

Size = tuple[int, int]
Side = Literal["start", "end"]
SIDES: tuple[Side, Side] = ("start", "end")  # where the first network's labels stand, and the second's


def draw_network(
    network: Plan, size: Size | None = None, *, beside: Plan | None = None, fold_beyond: int = FOLD_BEYOND
) -> str:
    """Return a whole network as SVG: boxes coloured by stage, sizes at the side, an arc for each shortcut.

    `size` is (height, width) in pixels of the input; without it, each network's own. `beside` is drawn to the
    right, level by level. Beyond `fold_beyond` weight layers, equal blocks in a row are drawn once, with how
    many they are. Raises `ValueError` if the input does not fit a network.

    >>> from resnets.spec.resolve import plan
    >>> from resnets.spec.variants import VARIANTS
    >>> draw_network(plan(VARIANTS["resnet34"]), beside=plan(VARIANTS["plain34"]))[:4]
    '<svg'
    """
    return render(network_scene(network, size, beside=beside, fold_beyond=fold_beyond))


def network_scene(
    network: Plan, size: Size | None = None, *, beside: Plan | None = None, fold_beyond: int = FOLD_BEYOND
) -> Scene:
    """Return the drawing of `draw_network` as data, before it becomes SVG."""
    networks = (network,) if beside is None else (network, beside)
    inputs = tuple(size or (n.architecture.size, n.architecture.size) for n in networks)
    headers = tuple(header(n, pixels) for n, pixels in zip(networks, inputs, strict=True))
    sizes = _size_tables(networks, inputs)
    fold = any(weight_layers(n).total > fold_beyond for n in networks)

    columns: list[Column] = []
    right = MARGIN + _label_width(sizes[0])
    for n, texts in zip(networks, headers, strict=True):
        columns.append(column(outline(n, fold=fold), texts, left=right + GUTTER))
        right = columns[-1].right
    if len(sizes) > 1:
        right += GUTTER + _label_width(sizes[1])

    sections = [section for c in columns for section in c.sections]
    right = max([right, *(item.bounds.right for item in legend(sections, MARGIN, 0))])
    heads = [text for c, texts in zip(columns, headers, strict=True) for text in placed(texts, c.middle, MARGIN)]
    body, bottom = _body(columns, sizes, max(text.bounds.bottom for text in heads) + 2, right)
    items = (*body, *heads, *legend(sections, MARGIN, bottom + LEGEND_GAP))
    return Scene(
        width=ceil(right + MARGIN),
        height=ceil(max(item.bounds.bottom for item in items) + MARGIN / 2),
        title=" beside ".join(n.architecture.name for n in networks),
        description=" ".join(sentences(n, pixels) for n, pixels in zip(networks, inputs, strict=True)),
        items=items,
    )


def _size_tables(networks: Sequence[Plan], inputs: Sequence[Size]) -> list[dict[str, Size]]:
    """Return the size of each level of each network; of the first alone if it speaks for both."""
    sizes = [level_sizes(n, pixels) for n, pixels in zip(networks, inputs, strict=True)]
    return sizes[:1] if sizes[-1].items() <= sizes[0].items() else sizes


def _body(
    columns: Sequence[Column], sizes: Sequence[dict[str, Size]], flow: float, right: float
) -> tuple[list[Item], float]:
    """Return all levels under each other, each on its band, and where the last one ends.

    `flow` is where the arrows into the columns begin, `right` where the last column or label ends.
    """
    items: list[Item] = []
    flows = [flow] * len(columns)
    top = flow + BAND_GAP
    levels = dict.fromkeys(section.level for c in columns for section in c.sections)
    for level in sorted(levels, key=_rank):
        sections = [c.section(level) for c in columns]
        height = max(sum(map(group_height, s.groups)) for s in sections if s) + 2 * BAND_PADDING
        items.append(_band(top, right, height))
        for table, x, anchor in zip(sizes, (MARGIN, right), SIDES, strict=False):
            items += _label(level, table, x, top + height / 2, anchor)
        for number, (c, section) in enumerate(zip(columns, sections, strict=True)):
            if section:
                drawn, flows[number] = c.draw(section, top + BAND_PADDING, flows[number])
                items += drawn
        top += height + BAND_GAP
    return items, top - BAND_GAP


def _band(top: float, width: float, height: float) -> Box:
    return Box(x=MARGIN / 2, y=top, width=width, height=height, radius=7, fill=BAND, stroke=BAND, role="band")


def _label(level: str, sizes: dict[str, Size], x: float, y: float, anchor: Side) -> Iterator[Text]:
    """Yield a level's name and size, beside the middle of its band."""
    if level in sizes:
        dark = stage_tint(level).dark
        yield Text(x=x, y=y - 8, words=level, size=13, bold=True, anchor=anchor, colour=dark, role="level")
        yield Text(x=x, y=y + 8, words=size_words(sizes[level]), size=12, anchor=anchor, colour=QUIET, role="size")


def _label_width(sizes: dict[str, Size]) -> float:
    return max(text_width(size_words(size), 12) for size in sizes.values())


def _rank(level: str) -> tuple[bool, int]:
    """conv1, C1, C2, .., the head."""
    return level == HEAD, int(level[1:]) if level[1:].isdigit() else 0
