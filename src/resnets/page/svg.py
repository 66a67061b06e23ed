"""Scene -> SVG: one self-contained picture that refers to nothing outside it."""

from __future__ import annotations

import math
import re
from xml.sax.saxutils import escape

from resnets.page.colours import EDGE, WHITE
from resnets.page.measure import FONTS
from resnets.page.scene import Box, Circle, Item, Line, Point, Scene, Text

ARROW_LENGTH, ARROW_HALF_WIDTH = 7.0, 3.6
BASELINE = 0.36  # of the font size, from the middle of the capitals down to their foot
NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(scene: Scene) -> str:
    """Return a scene as an SVG document on a white card with round corners.

    It has no ids and no style sheet, so several can stand in one HTML page.
    """
    width, height = number(scene.width), number(scene.height)
    card = Box(
        x=0.5,
        y=0.5,
        width=scene.width - 1,
        height=scene.height - 1,
        radius=10,
        fill=WHITE,
        stroke=EDGE,
        role="card",
    )
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" role="img" font-family="{escape(FONTS)}">',
            f"<title>{words(scene.title)}</title>",
            f"<desc>{words(scene.description)}</desc>",
            *(element(item) for item in (card, *scene.items)),
            "</svg>",
            "",
        )
    )


def element(item: Item) -> str:
    """Return one item as SVG elements."""
    match item:
        case Text():
            return _text(item)
        case Box():
            rectangle = (
                f'<rect x="{number(item.x)}" y="{number(item.y)}" width="{number(item.width)}" '
                f'height="{number(item.height)}" rx="{number(item.radius)}" '
                f'fill="{item.fill}" stroke="{item.stroke}"/>'
            )
            return "\n".join((rectangle, *map(_text, item.texts)))
        case Circle():
            return (
                f'<circle cx="{number(item.x)}" cy="{number(item.y)}" r="{number(item.radius)}" '
                f'fill="{item.fill}" stroke="{item.stroke}" stroke-width="1.5"/>'
            )
        case Line():
            return _line(item)


def number(value: float) -> str:
    """Return a length with at most two decimals."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def words(text: str) -> str:
    """Return text as XML may hold it."""
    return escape(NOT_XML.sub("", text))


def _text(text: Text) -> str:
    style = (' font-weight="600"' if text.bold else "") + (' font-style="italic"' if text.italic else "")
    return (
        f'<text x="{number(text.x)}" y="{number(text.y + BASELINE * text.size)}" '
        f'font-size="{number(text.size)}" text-anchor="{text.anchor}" fill="{text.colour}"{style}>'
        f"{words(text.words)}</text>"
    )


def _line(line: Line) -> str:
    points = line.points
    head = ""
    if line.arrow:
        tip, base = points[-1], _towards(points[-1], points[-2], ARROW_LENGTH)
        points = (*points[:-1], base)
        dx = (tip[1] - base[1]) / ARROW_LENGTH * ARROW_HALF_WIDTH
        dy = (base[0] - tip[0]) / ARROW_LENGTH * ARROW_HALF_WIDTH
        corners = (tip, (base[0] + dx, base[1] + dy), (base[0] - dx, base[1] - dy))
        spelled = " ".join(f"{number(x)},{number(y)}" for x, y in corners)
        head = f'\n<polygon points="{spelled}" fill="{line.colour}"/>'
    dash = ' stroke-dasharray="5 3.5"' if line.dashed else ""
    return (
        f'<path d="{_path(points, line.radius)}" fill="none" stroke="{line.colour}" '
        f'stroke-width="{number(line.width)}"{dash}/>{head}'
    )


def _path(points: tuple[Point, ...], radius: float) -> str:
    """A line with each corner replaced by a quarter of a circle, as far as its two sides allow."""
    commands = [f"M{_pair(points[0])}"]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        reach = min(radius, math.dist(before, corner) / 2, math.dist(corner, after) / 2)
        turn = (corner[0] - before[0]) * (after[1] - corner[1]) - (corner[1] - before[1]) * (after[0] - corner[0])
        start, end = _towards(corner, before, reach), _towards(corner, after, reach)
        commands.append(f"L{_pair(start)}A{number(reach)} {number(reach)} 0 0 {int(turn > 0)} {_pair(end)}")
    commands.append(f"L{_pair(points[-1])}")
    return "".join(commands)


def _towards(start: Point, goal: Point, distance: float) -> Point:
    share = distance / (math.dist(start, goal) or 1)
    return start[0] + (goal[0] - start[0]) * share, start[1] + (goal[1] - start[1]) * share


def _pair(point: Point) -> str:
    return f"{number(point[0])} {number(point[1])}"
