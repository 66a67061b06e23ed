"""One network's column of boxes in a drawing, with the arcs of its shortcuts (He et al. 2015, Fig. 3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from resnets.page.arcs import arc, plus
from resnets.page.colours import WHITE, Tint, stage_tint
from resnets.page.measure import text_width
from resnets.page.outline import Cell, Group, Section
from resnets.page.scene import Bounds, Box, Item, Line, Text, labelled

CELL, SMALL_CELL = 23.0, 19.0  # heights of boxes with weights, and of the others
FONT, SMALL_FONT, TIMES_FONT = 13.0, 12.0, 14.0
GAP = 10.0  # between two boxes
LEAD, FORK = 17.0, 6.0  # above a block's first box; where in it the shortcut leaves
SUM = 5.5  # radius of the circle in which branch and shortcut are added
BULGE = 24.0  # how far an arc stands out of the boxes
PANEL = 8.0  # around a block that is repeated
STACK = 3.0  # between the cards behind it
PADDING = 22.0  # beside the words of a box, both sides together
SMALL = ("gate", "pool", "norm", "dropout")  # roles without weights, or with few


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """Where a network's boxes stand."""

    sections: tuple[Section, ...]
    middle: float  # x of the flow from image to logits
    box: float  # width of a box
    bulge: float  # how far its arcs stand out; 0 in a plain network
    right: float  # where it ends

    def section(self, level: str) -> Section | None:
        """Return the section of a level, if this network has it."""
        return next((section for section in self.sections if section.level == level), None)

    def draw(self, section: Section, top: float, start: float) -> tuple[list[Item], float]:
        """Return a section's items from `top` on, its flow coming from `start`, and where its flow ends."""
        items: list[Item] = []
        for group in section.groups:
            items += self._group(group, stage_tint(section.level), top, start)
            top += group_height(group)
            start = top - _tail(group)
        return items, start

    def _group(self, group: Group, tint: Tint, top: float, start: float) -> Iterator[Item]:
        if group.times > 1:
            yield from self._panel(group, tint, top)
            top += PANEL
        fork = top + FORK
        top += LEAD if group.is_block else GAP
        for cell in group.cells:
            yield Line(points=((self.middle, start), (self.middle, top)), arrow=True)
            yield self._cell(cell, tint, top)
            start = top + cell_height(cell)
            top = start + GAP
        if group.shortcut != "none":
            centre = start + GAP + SUM
            far = self.middle + self.box / 2 + self.bulge
            points = ((self.middle, fork), (far, fork), (far, centre), (self.middle + SUM, centre))
            yield Line(points=((self.middle, start), (self.middle, centre - SUM)), arrow=True)
            yield from arc(points, group.shortcut, dashed=group.changes_shape, radius=self.bulge)
            yield from plus(self.middle, centre, SUM)

    def _cell(self, cell: Cell, tint: Tint, top: float) -> Item:
        if cell.role == "end":
            y = top + CELL / 2
            return Text(x=self.middle, y=y, words=cell.words, size=FONT, bold=True, role=cell.role)
        small = cell.role in SMALL
        size = SMALL_FONT if small else FONT
        half = (text_width(cell.words, size) + PADDING if small else self.box) / 2
        side = Bounds(self.middle - half, top, self.middle + half, top + cell_height(cell))
        fill = WHITE if small else tint.fill
        return labelled(side, cell.words, role=cell.role, fill=fill, stroke=tint.stroke, size=size)

    def _panel(self, group: Group, tint: Tint, top: float) -> Iterator[Item]:
        """Yield the cards behind a repeated block, and how often it is repeated."""
        left = self.middle - self.box / 2 - PANEL
        width = self.box + self.bulge + 2 * PANEL
        height = group_height(group) - 2 * STACK - PANEL / 2
        for step in (2 * STACK, STACK, 0):
            x, y = left + step, top + step
            yield Box(x=x, y=y, width=width, height=height, stroke=tint.stroke, role="panel")
        yield Text(
            x=self.middle - self.box / 2 + 2,
            y=top + group_height(group) - 2 * STACK - PANEL - SUM,
            words=f"× {group.times}",
            size=TIMES_FONT,
            anchor="start",
            bold=True,
            colour=tint.dark,
            role="times",
        )


def column(sections: tuple[Section, ...], header: Sequence[Text], *, left: float) -> Column:
    """Return a column that begins at `left` and has room for its header and all it holds."""
    groups = [group for section in sections for group in section.groups]
    box = PADDING + max(text_width(cell.words, FONT, bold=cell.role == "end") for g in groups for cell in g.cells)
    bulge = BULGE if any(group.shortcut != "none" for group in groups) else 0.0
    panel = PANEL if any(group.times > 1 for group in groups) else 0.0
    half = max(text.bounds.right for text in header)
    middle = left + max(half, box / 2 + panel)
    right = middle + max(half, box / 2 + bulge + (panel + 2 * STACK if panel else 0))
    return Column(sections=sections, middle=middle, box=box, bulge=bulge, right=right)


def group_height(group: Group) -> float:
    """Return the height of a group with all around it; plain and residual blocks are equally high."""
    boxes = sum(map(cell_height, group.cells)) + GAP * (len(group.cells) - 1)
    around = LEAD + GAP + 2 * SUM if group.is_block else GAP
    return boxes + around + (2 * PANEL + 2 * STACK if group.times > 1 else 0)


def cell_height(cell: Cell) -> float:
    """Return the height of a box."""
    return SMALL_CELL if cell.role in SMALL else CELL


def _tail(group: Group) -> float:
    """How far above the end of a group its flow ends: a plain block's goes on from its last box."""
    panel = PANEL + 2 * STACK if group.times > 1 else 0
    return panel + (GAP + 2 * SUM if group.is_block and group.shortcut == "none" else 0)
