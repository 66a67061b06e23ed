"""Bars: small charts of counts as SVG, in the colours of the page that they stand in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from resnets.page.measure import FONTS, shortened
from resnets.page.scene import Box, Text
from resnets.page.svg import element, number, words

WIDTH = 340.0
"""Of a chart, in pixels: so that it fits on a telephone at its own size."""

_INK, _QUIET = "var(--ink)", "var(--quiet)"
_SERIES = ("var(--first)", "var(--second)")
_ROW, _BAR, _SIZE = 22.0, 14.0, 12.0
_LABELS, _NUMBERS = 118.0, 62.0


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of a chart: what it is, and how many, in one or two series."""

    label: str
    values: tuple[int, ...]


def bars(title: str, lines: Sequence[Bar], series: Sequence[str] = ()) -> str:
    """Return horizontal bars as an SVG element; `series` are the names of the values of each line."""
    most = max((sum(line.values) for line in lines), default=0) or 1
    room = WIDTH - _LABELS - _NUMBERS
    top = _ROW if series else 4.0
    items: list[str] = []
    if series:
        items += _legend(series)
    for place, line in enumerate(lines):
        y = top + place * _ROW
        label = shortened(line.label, _SIZE, _LABELS - 8)
        items.append(_text(label, _LABELS - 8, y + _ROW / 2, "end", _INK))
        x = _LABELS
        for colour, value in zip(_SERIES, line.values, strict=False):
            width = room * value / most
            if value:
                width = max(1.0, width)
                items.append(element(Box(x=x, y=y + 4, width=width, height=_BAR, radius=2, fill=colour, stroke="none")))
                x += width
        said = " + ".join(f"{value:,}" for value in line.values)
        items.append(_text(said, x + 6, y + _ROW / 2, "start", _QUIET))
    height = number(top + len(lines) * _ROW + 4)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {number(WIDTH)} {height}" width="{number(WIDTH)}" '
        f'height="{height}" role="img" font-family="{FONTS}"><title>{words(title)}</title>{"".join(items)}</svg>'
    )


def _legend(series: Sequence[str]) -> list[str]:
    items, x = [], _LABELS
    for colour, name in zip(_SERIES, series, strict=False):
        items.append(element(Box(x=x, y=6, width=10, height=10, radius=2, fill=colour, stroke="none")))
        items.append(_text(name, x + 15, 11, "start", _QUIET))
        x += 70
    return items


def _text(said: str, x: float, y: float, anchor: str, colour: str) -> str:
    return element(Text(x=x, y=y, words=said, size=_SIZE, anchor=anchor, colour=colour))  # type: ignore[arg-type]
