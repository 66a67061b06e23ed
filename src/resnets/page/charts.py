"""Charts: curves over axes as SVG, in the colours of the page that they stand in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10
from statistics import median

from resnets.page.bars import WIDTH
from resnets.page.measure import FONTS, text_width
from resnets.page.scene import Text
from resnets.page.svg import element, number, words

INK, QUIET, GRID = "var(--ink)", "var(--quiet)", "var(--edge)"
SERIES = ("var(--first)", "var(--second)", "var(--good)")
SIZE = 12.0  # of words, in pixels
LEFT, RIGHT, BOTTOM, TOP = 46.0, 20.0, 38.0, 12.0  # around a plot
LEGEND = 20.0
HEIGHT = 168.0  # of a plot
MOST_POINTS = 1_000
"""Of a curve: more than a chart has pixels."""

DWARFED = 10
"""Times the median that a loss may be before the others are no longer told apart on a plain axis."""

_DOTS = 40  # a curve of more points has no dots on it


@dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    """One line of a chart, through points whose y is a finite number."""

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis: its ends, the numbers that are written on it, and how."""

    low: float
    high: float
    ticks: tuple[float, ...]
    form: str = "{:g}"
    is_log: bool = False

    def share(self, value: float) -> float:
        """Return where a value lies: 0 at the low end, 1 at the high end."""
        if self.is_log:
            return log10(max(value, self.low) / self.low) / log10(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


@dataclass(frozen=True, kw_only=True, slots=True)
class Plot:
    """Where things stand in a chart."""

    x: Axis
    y: Axis
    top: float
    height: float = HEIGHT

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return the place of a point, in pixels."""
        return (
            LEFT + (WIDTH - LEFT - RIGHT) * self.x.share(x),
            self.top + self.height * (1 - self.y.share(y)),
        )

    def frame(self, x_label: str) -> Iterator[str]:
        """Yield lines and numbers of both axes, and what the horizontal one is."""
        bottom = self.top + self.height
        for tick in self.y.ticks:
            y = self.at(self.x.low, tick)[1]
            yield rule(LEFT, y, WIDTH - RIGHT, y)
            yield label(self.y.form.format(tick), LEFT - 7, y, "end")
        for tick in self.x.ticks:
            yield label(self.x.form.format(tick), self.at(tick, self.y.low)[0], bottom + 12, "middle")
        yield label(x_label, (LEFT + WIDTH - RIGHT) / 2, bottom + 29, "middle")


def curve_chart(
    title: str, curves: Sequence[Curve], *, x_label: str, x: Axis | None = None, y: Axis | None = None
) -> str:
    """Return curves over axes as an SVG element; "" where there is no point. Axes not given fit the points."""
    kept = [Curve(name=one.name, points=_thinned(one.points)) for one in curves]
    kept = [one for one in kept if one.points]
    if not kept:
        return ""
    xs, ys = zip(*(point for one in kept for point in one.points), strict=True)
    names = [one.name for one in kept if one.name]
    plot = Plot(x=x or axis(xs), y=y or axis(ys), top=TOP + LEGEND * bool(names))
    items = [*legend(names), *plot.frame(x_label)]
    for colour, one in zip(SERIES, kept, strict=False):
        places = [plot.at(*point) for point in one.points]
        items.append(path(places, colour))
        if len(places) <= _DOTS:
            items += [dot(place, colour) for place in places]
    return drawing(title, items, plot.top + plot.height + BOTTOM)


def axis(values: Sequence[float], form: str = "{:g}", count: int = 4) -> Axis:
    """Return an axis around values, its ends being round numbers about `count` steps apart."""
    low, high = min(values), max(values)
    if high - low < 1e-12 * max(1e-300, abs(high)):
        low, high = (0.0, high * 2 or 1.0) if high >= 0 else (low - 1, high + 1)
    rough = (high - low) / count
    power = 10.0 ** floor(log10(rough))
    step = next(power * times for times in (1, 2, 2.5, 5, 10) if power * times >= rough * 0.999)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    ticks = tuple(float(f"{place * step:.12g}") for place in range(first, last + 1))
    return Axis(ticks[0], ticks[-1], ticks, form)


def loss_axis(values: Sequence[float]) -> Axis:
    """Return an axis from 0 around values of 0 and more; in powers of ten where one of them dwarfs the usual."""
    known = [value for value in values if value > 0]
    if not known or max(known) <= DWARFED * median(known):
        return axis([0.0, *values])
    low, high = floor(log10(min(known))), ceil(log10(max(known)))
    every = ceil((high - low) / 6)
    return Axis(10.0**low, 10.0**high, tuple(10.0**power for power in range(low, high + 1, every)), is_log=True)


PERCENT = "{:.0%}"
SHARES = Axis(0.0, 1.0, (0.0, 0.25, 0.5, 0.75, 1.0), PERCENT)
"""An axis of shares, from none to all."""


def share_axis(values: Sequence[float]) -> Axis:
    """Return an axis of shares in [0, 1] around values, with as many decimals as its steps need."""
    found = axis(values)
    low, high = max(0.0, found.low), min(1.0, found.high)
    ticks = tuple(tick for tick in found.ticks if low <= tick <= high)
    step = ticks[1] - ticks[0] if len(ticks) > 1 else high - low
    decimals = max(0, ceil(-log10(step * 100) - 1e-9)) if step > 0 else 0
    decimals += abs(round(step * 100, decimals) - step * 100) > 1e-9  # 2.5 %
    return Axis(low, high, ticks, f"{{:.{decimals}%}}")


def legend(names: Sequence[str]) -> Iterator[str]:
    """Yield a square and a name for each series."""
    x = LEFT
    for colour, name in zip(SERIES, names, strict=False):
        yield f'<rect x="{number(x)}" y="5" width="10" height="10" rx="2" fill="{colour}"/>'
        yield label(name, x + 15, 10.5, "start")
        x += 15 + text_width(name, SIZE) + 14


def drawing(title: str, items: Sequence[str], height: float, width: float = WIDTH) -> str:
    """Return items as one SVG element of this size, with its words for those who cannot see it."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {number(width)} {number(height)}" '
        f'width="{number(width)}" height="{number(height)}" role="img" font-family="{FONTS}">'
        f"<title>{words(title)}</title>{''.join(items)}</svg>"
    )


def label(said: str, x: float, y: float, anchor: str, colour: str = QUIET, size: float = SIZE) -> str:
    """Return words at a place, `y` being the middle of their capitals."""
    return element(Text(x=x, y=y, words=said, size=size, anchor=anchor, colour=colour))  # type: ignore[arg-type]


def rule(x1: float, y1: float, x2: float, y2: float, colour: str = GRID, dash: str = "") -> str:
    """Return a thin straight line."""
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<line x1="{number(x1)}" y1="{number(y1)}" x2="{number(x2)}" y2="{number(y2)}" stroke="{colour}"{dashed}/>'


def path(places: Sequence[tuple[float, float]], colour: str) -> str:
    """Return a line through places."""
    spelled = "L".join(f"{number(x)} {number(y)}" for x, y in places)
    return f'<path d="M{spelled}" fill="none" stroke="{colour}" stroke-width="1.8" stroke-linejoin="round"/>'


def dot(place: tuple[float, float], colour: str, radius: float = 2.2) -> str:
    """Return a point."""
    return f'<circle cx="{number(place[0])}" cy="{number(place[1])}" r="{number(radius)}" fill="{colour}"/>'


def _thinned(points: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    good = [point for point in points if all(map(isfinite, point))]
    step = ceil(len(good) / MOST_POINTS)
    return (*good[:-1:step], good[-1]) if good else ()
