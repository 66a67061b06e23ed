"""Steps under each other as boxes, with the line that runs through them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from resnets.page.measure import text_width
from resnets.page.scene import Bounds, Box, Item, Line, Point, Text
from resnets.page.steps import TINTS, Step

TALL, SMALL, DETAILED = 34.0, 22.0, 46.0  # heights of boxes: weights, the others, weights with small print
FONT, SMALL_FONT, DETAIL_FONT = 15.0, 12.5, 11.5
GAP = 13.0
PADDING, LEAST = 24.0, 34.0  # beside the words of a box, both sides together; the least room for words
HEAVY = ("weight", "projection")

Pen = Callable[..., Line]
"""How a line is drawn: `Line` with everything but its points."""


def height(step: Step) -> float:
    """Return the height of a step's box."""
    return DETAILED if step.detail else TALL if step.role in HEAVY else SMALL


def width(step: Step) -> float:
    """Return the width that a step's words need."""
    needed = text_width(step.words, FONT if step.role in HEAVY else SMALL_FONT)
    return max(needed, text_width(step.detail, DETAIL_FONT), LEAST) + PADDING


def lane_height(steps: Sequence[Step]) -> float:
    """Return the height of some steps under each other."""
    return sum(map(height, steps)) + GAP * (len(steps) - 1)


def lane_width(steps: Sequence[Step], least: float = 0) -> float:
    """Return the width of the widest of some steps."""
    return max(map(width, steps), default=least)


def box(step: Step, side: Bounds) -> Box:
    """Return a step's box with its words."""
    tint = TINTS[step.role]
    x, y = (side.left + side.right) / 2, (side.top + side.bottom) / 2
    size = FONT if step.role in HEAVY else SMALL_FONT
    texts = [Text(x=x, y=y - (9 if step.detail else 0), words=step.words, size=size)]
    if step.detail:
        texts.append(Text(x=x, y=y + 11, words=step.detail, size=DETAIL_FONT, colour=tint.dark))
    return Box(
        x=side.left,
        y=side.top,
        width=side.right - side.left,
        height=side.bottom - side.top,
        fill=tint.fill,
        stroke=tint.stroke,
        role=step.role,
        texts=tuple(texts),
    )


def boxes(steps: Sequence[Step], middle: float, top: float, *, heavy: float = 0) -> list[Box]:
    """Return the boxes of some steps from `top` on; those with weights are at least `heavy` wide."""
    found: list[Box] = []
    for step in steps:
        half = max(width(step), heavy if step.role in HEAVY else 0) / 2
        found.append(box(step, Bounds(middle - half, top, middle + half, top + height(step))))
        top += height(step) + GAP
    return found


def detour(start: Point, end: Point, middle: float, stops: Sequence[Box], pen: Pen) -> Iterator[Item]:
    """Yield a line that leaves `start` sideways, runs down at `middle` through `stops`, and ends at `end`."""
    points: list[Point] = [start, (middle, start[1])]
    for stop in stops:
        yield pen(points=(*points, (middle, stop.bounds.top)))
        yield stop
        points = [(middle, stop.bounds.bottom)]
    yield pen(points=(*points, (middle, end[1]), end))
