"""Reliability diagram: what was said against what happened, by steps of confidence (Guo et al. 2017, Fig. 1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from resnets.page.bars import WIDTH
from resnets.page.charts import (
    BOTTOM,
    LEFT,
    LEGEND,
    QUIET,
    RIGHT,
    SERIES,
    SHARES,
    TOP,
    Plot,
    drawing,
    label,
    legend,
    rule,
)
from resnets.page.svg import number

_PLOT, _COUNTS, _GAP = 220.0, 36.0, 20.0  # heights: of the diagram, of the counts below it, between them


@dataclass(frozen=True, slots=True)
class Bin:
    """Answers of about the same confidence: ends, how many, mean confidence and share that was right, in [0, 1]."""

    lower: float
    upper: float
    count: int
    confidence: float | None
    accuracy: float | None


def reliability_chart(
    title: str, bins: Sequence[Bin], *, happened: str, gap: str, x_label: str, counts_label: str
) -> str:
    """Return a reliability diagram as an SVG element, with how many answers each bar stands for below it."""
    plot = Plot(x=SHARES, y=SHARES, top=TOP + LEGEND, height=_PLOT)
    bottom = plot.top + _PLOT + _GAP + _COUNTS
    below = Plot(x=SHARES, y=SHARES, top=bottom - _COUNTS, height=_COUNTS)
    items = list(legend((happened, gap)))
    for tick in SHARES.ticks:
        y = plot.at(0, tick)[1]
        items += [rule(LEFT, y, WIDTH - RIGHT, y), label(SHARES.form.format(tick), LEFT - 7, y, "end")]
        items.append(label(SHARES.form.format(tick), below.at(tick, 0)[0], bottom + 12, "middle"))
    total, most = sum(one.count for one in bins), max((one.count for one in bins), default=0)
    for one in bins:
        if one.confidence is None or one.accuracy is None:
            continue
        items.append(_bar(plot, one, 0.0, one.accuracy, SERIES[0], 0.85))
        low, high = sorted((one.accuracy, one.confidence))
        items.append(_bar(plot, one, low, high, SERIES[1], 0.5))
        items.append(_bar(below, one, 0.0, max(one.count / most, 0.02), QUIET, 0.55))
    start, end = plot.at(0, 0), plot.at(1, 1)
    items.append(rule(*start, *end, QUIET, "4 3"))
    items.append(label(f"{most / total:.0%}" if total else "", LEFT - 7, bottom - _COUNTS + 4, "end"))
    items.append(label(counts_label, LEFT, bottom - _COUNTS - 9, "start"))
    items.append(label(x_label, (LEFT + WIDTH - RIGHT) / 2, bottom + 29, "middle"))
    return drawing(title, items, bottom + BOTTOM)


def _bar(plot: Plot, one: Bin, low: float, high: float, colour: str, opacity: float) -> str:
    left, top = plot.at(one.lower, high)
    right, bottom = plot.at(one.upper, low)
    return (
        f'<rect x="{number(left + 0.75)}" y="{number(top)}" width="{number(right - left - 1.5)}" '
        f'height="{number(max(bottom - top, 0.5))}" fill="{colour}" fill-opacity="{opacity}"/>'
    )
