"""Speeds: how fast several things are, as bars with their spread, in an SVG that stands alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from resnets.page.charts import axis
from resnets.page.colours import EDGE, INK, QUIET, STAGES
from resnets.page.measure import shortened
from resnets.page.scene import Box, Item, Line, Scene, Text
from resnets.page.svg import render

WIDTH = 680.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 190.0, 120.0, 48.0, 44.0
_ROW, _BAR, _SIZE = 26.0, 16.0, 12.0


@dataclass(frozen=True, kw_only=True, slots=True)
class SpeedBar:
    """One line: what it is, its value and the lowest and highest of all tries, and what else is said of it.

    `kind` chooses the colour: lines of one kind have one. Without a value only the words stand there.
    """

    label: str
    kind: int = 0
    value: float | None = None
    low: float = 0.0
    high: float = 0.0
    note: str = ""


def speed_chart(title: str, lines: Sequence[SpeedBar], unit: str) -> str:
    """Return horizontal bars over an axis from 0, as an SVG document; `unit` is what the axis counts."""
    across = axis([0.0, *(line.high for line in lines if line.value is not None)])
    room = WIDTH - _LEFT - _RIGHT
    bottom = _TOP + _ROW * len(lines)
    items: list[Item] = [Text(x=20, y=24, words=title, size=14, anchor="start", bold=True)]
    for tick in across.ticks:
        x = _LEFT + room * across.share(tick)
        items.append(Line(points=((x, _TOP), (x, bottom)), colour=EDGE, width=1, role="grid"))
        items.append(Text(x=x, y=bottom + 12, words=f"{tick:g}", size=_SIZE, colour=QUIET))
    items.append(Text(x=_LEFT + room / 2, y=bottom + 30, words=unit, size=_SIZE, colour=QUIET))
    for place, line in enumerate(lines):
        y = _TOP + _ROW * (place + 0.5)
        label = shortened(line.label, _SIZE, _LEFT - 28)
        items.append(Text(x=_LEFT - 8, y=y, words=label, size=_SIZE, anchor="end"))
        if line.value is None:
            words = shortened(line.note, _SIZE, room + _RIGHT - 20)
            items.append(Text(x=_LEFT + 6, y=y, words=words, size=_SIZE, anchor="start", italic=True, colour=QUIET))
            continue
        tint = STAGES[line.kind % len(STAGES)]
        bar = Box(
            x=_LEFT,
            y=y - _BAR / 2,
            width=room * across.share(line.value),
            height=_BAR,
            radius=2,
            fill=tint.fill,
            stroke=tint.stroke,
        )
        low, high = (_LEFT + room * across.share(end) for end in (line.low, line.high))
        items += [bar, Line(points=((low, y), (high, y)), colour=INK, role="spread")]
        words = shortened(line.note, _SIZE, WIDTH - high - 14)
        items.append(Text(x=max(high, bar.x + bar.width) + 6, y=y, words=words, size=_SIZE, anchor="start"))
    said = "; ".join(f"{line.label} {'-' if line.value is None else format(line.value, '.4g')}" for line in lines)
    return render(
        Scene(width=WIDTH, height=bottom + _BOTTOM, title=title, description=f"{said} {unit}", items=tuple(items))
    )
