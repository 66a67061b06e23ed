"""Shortcuts as lines, solid where the shape stays and dashed where it changes, marked with what they do."""

from __future__ import annotations

import math
from collections.abc import Iterator

from resnets.page.colours import ACCENT, INK, LINE, WHITE
from resnets.page.scene import Box, Circle, Item, Line, Point

MARK = 9.0  # side of the square that stands for a 1×1 convolution


def arc(points: tuple[Point, ...], kind: str, *, dashed: bool, radius: float) -> Iterator[Item]:
    """Yield a shortcut through four points, out, down and back, with its marks on the way down."""
    yield Line(points=points, radius=radius, dashed=dashed, arrow=True, colour=shortcut_colour(kind), role="shortcut")
    yield from marks(points[1], points[2], kind)


def marks(start: Point, end: Point, kind: str) -> Iterator[Item]:
    """Yield what stands halfway along a shortcut: a square is a 1×1 convolution, a circle an average pool."""
    x, y = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
    length = math.dist(start, end)
    dx, dy = ((end[0] - start[0]) / length * MARK * 0.7, (end[1] - start[1]) / length * MARK * 0.7)
    if kind == "pooled_projection":
        yield Circle(x=x - dx, y=y - dy, radius=MARK / 2, stroke=ACCENT, role="mark")
        x, y = x + dx, y + dy
    if kind in ("projection", "pooled_projection"):
        yield Box(
            x=x - MARK / 2,
            y=y - MARK / 2,
            width=MARK,
            height=MARK,
            radius=1.5,
            fill=WHITE,
            stroke=ACCENT,
            role="mark",
        )


def plus(x: float, y: float, radius: float) -> Iterator[Item]:
    """Yield the circle in which branch and shortcut are added."""
    reach = radius * 0.55
    yield Circle(x=x, y=y, radius=radius, role="sum")
    yield Line(points=((x - reach, y), (x + reach, y)), role="sign", colour=INK)
    yield Line(points=((x, y - reach), (x, y + reach)), role="sign", colour=INK)


def times(x: float, y: float, radius: float) -> Iterator[Item]:
    """Yield the circle in which a gate scales its branch."""
    reach = radius * 0.42
    yield Circle(x=x, y=y, radius=radius, role="product")
    yield Line(points=((x - reach, y - reach), (x + reach, y + reach)), role="sign", colour=INK)
    yield Line(points=((x - reach, y + reach), (x + reach, y - reach)), role="sign", colour=INK)


def shortcut_colour(kind: str) -> str:
    """Return the colour of a kind of shortcut: quiet for the identity."""
    return LINE if kind == "identity" else ACCENT
