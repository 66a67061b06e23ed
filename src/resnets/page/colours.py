"""Colours: dark words on light boxes on a white card, so that a drawing reads the same on any page."""

from __future__ import annotations

from typing import NamedTuple

INK = "#1b1f24"
QUIET = "#57606a"  # words of second rank: 6.4 to 1 on white
LINE = "#434a53"
ACCENT = "#b4460b"  # shortcuts that change something
WHITE = "#ffffff"
EDGE = "#d0d7de"
BAND = "#f4f6f8"


class Tint(NamedTuple):
    """The colours of one kind of box."""

    fill: str
    stroke: str
    dark: str  # for words of that colour on white or on a band


NEUTRAL = Tint("#e9edf1", "#7d8793", "#434a53")
STAGES = (
    Tint("#e6ddfb", "#7b57c9", "#5a37a8"),
    Tint("#d6f0da", "#2f8f46", "#1c6b30"),
    Tint("#fde0dc", "#cf4b3d", "#a5342a"),
    Tint("#d8e8fd", "#2f6fc4", "#1d5299"),
    Tint("#fbeac7", "#b07a12", "#7d5504"),
    Tint("#d3f0ee", "#1f8a84", "#12635e"),
)
WEIGHT = Tint("#d8e8fd", "#2f6fc4", "#1d5299")
NORM = Tint("#fbeac7", "#b07a12", "#7d5504")
RELU = Tint("#d6f0da", "#2f8f46", "#1c6b30")
GATE = Tint("#e6ddfb", "#7b57c9", "#5a37a8")


def stage_tint(level: str) -> Tint:
    """Return the colours of a level: C2 the first, C3 the next, and round again; what is no stage is grey."""
    number = int(level[1:]) - 2 if level[:1] == "C" else -1
    return STAGES[number % len(STAGES)] if number >= 0 else NEUTRAL
