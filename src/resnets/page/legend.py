"""What the marks of a network's drawing mean: one line for each kind of shortcut that is in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from resnets.page.arcs import marks, shortcut_colour
from resnets.page.colours import QUIET
from resnets.page.labels import SHORTCUTS
from resnets.page.outline import Section
from resnets.page.scene import Item, Line, Text

SAMPLE = 52.0  # length of a line that shows how a shortcut is drawn
ROW = 18.0


def legend(sections: Iterable[Section], left: float, top: float) -> Iterator[Item]:
    """Yield the legend for some sections, `left` and `top` being its corner."""
    blocks = [group for section in sections for group in section.groups if group.is_block]
    kinds = {(group.shortcut, group.changes_shape) for group in blocks if group.shortcut != "none"}
    y = top + ROW / 2
    for kind, dashed in sorted(kinds, key=lambda entry: (entry[1], list(SHORTCUTS).index(entry[0]))):
        ends = (left, y), (left + SAMPLE, y)
        yield Line(points=ends, dashed=dashed, colour=shortcut_colour(kind), role="legend")
        yield from marks(*ends, kind)
        words = SHORTCUTS[kind] + ("; shape changes" if dashed else "")
        yield Text(x=left + SAMPLE + 10, y=y, words=words, size=12, anchor="start", colour=QUIET)
        y += ROW
    groups = {cell.groups for group in blocks for cell in group.cells if cell.groups > 1}
    for count in sorted(groups):
        words = f"C={count}: convolution in {count} groups"
        yield Text(x=left + SAMPLE + 10, y=y, words=words, size=12, anchor="start", colour=QUIET)
        y += ROW
