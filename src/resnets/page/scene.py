"""A drawing as plain data: texts, boxes, circles and lines, to be measured before they are rendered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from resnets.page.colours import INK, LINE, WHITE
from resnets.page.measure import text_width

Point = tuple[float, float]


class Bounds(NamedTuple):
    """The smallest upright rectangle around something, in the drawing's pixels; y grows downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def inside(self, other: Bounds) -> bool:
        """Say whether no part of this one is outside the other."""
        return (
            other.left <= self.left
            and other.top <= self.top
            and self.right <= other.right
            and self.bottom <= other.bottom
        )

    def overlaps(self, other: Bounds) -> bool:
        """Say whether the two share any area."""
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Text:
    """One line of words; `y` is the middle of its capitals."""

    x: float
    y: float
    words: str
    size: float = 13
    anchor: Literal["start", "middle", "end"] = "middle"
    bold: bool = False
    italic: bool = False
    colour: str = INK
    role: str = "text"

    @property
    def bounds(self) -> Bounds:
        """The room the words may take, in the widest font of the stack."""
        width = text_width(self.words, self.size, bold=self.bold)
        left = self.x - {"start": 0.0, "middle": width / 2, "end": width}[self.anchor]
        return Bounds(left, self.y - 0.42 * self.size, left + width, self.y + 0.6 * self.size)


@dataclass(frozen=True, kw_only=True, slots=True)
class Box:
    """A rectangle with its top left corner at (x, y), and the texts that belong in it."""

    x: float
    y: float
    width: float
    height: float
    radius: float = 5
    fill: str = WHITE
    stroke: str = LINE
    role: str = "box"
    texts: tuple[Text, ...] = ()

    @property
    def bounds(self) -> Bounds:
        """Its four sides."""
        return Bounds(self.x, self.y, self.x + self.width, self.y + self.height)


@dataclass(frozen=True, kw_only=True, slots=True)
class Circle:
    """A circle around (x, y)."""

    x: float
    y: float
    radius: float
    fill: str = WHITE
    stroke: str = LINE
    role: str = "circle"

    @property
    def bounds(self) -> Bounds:
        """The square around it."""
        r = self.radius
        return Bounds(self.x - r, self.y - r, self.x + r, self.y + r)


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A line through points, its corners rounded by `radius`, with an arrow head at its end if `arrow`."""

    points: tuple[Point, ...]
    radius: float = 0
    dashed: bool = False
    arrow: bool = False
    colour: str = LINE
    width: float = 1.5
    role: str = "flow"

    @property
    def bounds(self) -> Bounds:
        """The rectangle around its points."""
        xs, ys = zip(*self.points, strict=True)
        return Bounds(min(xs), min(ys), max(xs), max(ys))


Item = Text | Box | Circle | Line


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """A whole drawing: its size, its words for those who cannot see it, and its items from back to front."""

    width: float
    height: float
    title: str
    description: str
    items: tuple[Item, ...]

    def texts(self) -> Iterator[Text]:
        """Yield every text, those in boxes too."""
        for item in self.items:
            if isinstance(item, Text):
                yield item
            elif isinstance(item, Box):
                yield from item.texts

    def having(self, role: str) -> tuple[Item, ...]:
        """Return the items of one role, such as `weight` or `shortcut`."""
        return tuple(item for item in self.items if item.role == role)


def labelled(bounds: Bounds, words: str, *, role: str, fill: str, stroke: str, size: float = 13) -> Box:
    """Return a box with its words in the middle."""
    text = Text(x=(bounds.left + bounds.right) / 2, y=(bounds.top + bounds.bottom) / 2, words=words, size=size)
    return Box(
        x=bounds.left,
        y=bounds.top,
        width=bounds.right - bounds.left,
        height=bounds.bottom - bounds.top,
        fill=fill,
        stroke=stroke,
        role=role,
        texts=(text,),
    )
