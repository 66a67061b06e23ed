"""Where the parts of a residual unit stand: the branch in the middle, its gate left, the shortcut right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from resnets.page.arcs import plus, shortcut_colour, times
from resnets.page.colours import QUIET
from resnets.page.labels import changes_shape
from resnets.page.lane import boxes, detour, lane_height, lane_width
from resnets.page.measure import text_width
from resnets.page.scene import Box, Item, Line, Text
from resnets.page.steps import (
    RELU_STEP,
    Step,
    branch_steps,
    gate_steps,
    shortcut_steps,
    starts_after_relu,
)
from resnets.spec.plan import Block

MARGIN = 22.0
LEAST_WIDTH = 150.0  # of a box with weights
ENTRY = 26.0  # length of the arrow in at the top and out at the bottom
FORK = 15.0  # from a box to where a line leaves the flow, and from there to the next box
CURVE, FREE_CURVE = 34.0, 58.0  # radius of a shortcut's corners, with boxes on it and without
ASIDE = 28.0  # between the branch and what runs beside it
CIRCLE = 11.0  # radius of the circles in which things are added and multiplied
LABEL_SIZE = 17.0  # of x, y, F(x)


def unit(block: Block, top: float, *, counts: bool) -> Iterator[Item]:
    """Yield a block's drawing, `top` being the y of its x."""
    branch, gate = branch_steps(block, counts=counts), gate_steps(block)
    heavy = max(LEAST_WIDTH, lane_width(branch))
    bracket = MARGIN + text_width("F(x)", LABEL_SIZE) + 8
    middle = bracket + 14 + max(heavy / 2, lane_width(gate) + ASIDE if gate else 0)

    yield from _ends("x", block.in_channels, middle, top)
    start = top + LABEL_SIZE * 0.7
    fork, first = start + FORK, start + 2 * FORK
    if starts_after_relu(block):
        first = start + ENTRY
        inside = boxes(branch[:2], middle, first)
        fork = inside[-1].bounds.bottom + FORK
        inside += boxes(branch[2:], middle, fork + FORK, heavy=heavy)
    else:
        inside = boxes(branch, middle, first, heavy=heavy)
    yield from _flow(inside, middle, start)
    end = inside[-1].bounds.bottom
    if gate:
        centre = end + 2 * FORK + lane_height(gate) + 2 * FORK
        yield from _gated(gate, middle, middle - ASIDE - lane_width(gate) / 2, end, centre)
        end = centre + CIRCLE
    yield from _bracket(bracket, inside[0].bounds.top, end)
    if block.shortcut.kind != "none":
        centre = end + FORK + CIRCLE
        yield Line(points=((middle, end), (middle, centre - CIRCLE)), arrow=True)
        yield from _shortcut(block, middle, middle + heavy / 2 + ASIDE, fork, centre, counts=counts)
        yield from plus(middle, centre, CIRCLE)
        end = centre + CIRCLE
    if block.order == "post":
        last = boxes((RELU_STEP,), middle, end + FORK)
        yield from _flow(last, middle, end)
        end = last[0].bounds.bottom
    yield Line(points=((middle, end), (middle, end + ENTRY)), arrow=True)
    yield from _ends("y", block.out_channels, middle, end + ENTRY + LABEL_SIZE * 0.7)


def _ends(name: str, channels: int, x: float, y: float) -> Iterator[Item]:
    """Yield what enters or leaves, with its channels."""
    yield Text(x=x, y=y, words=name, size=LABEL_SIZE, italic=True, role="end")
    yield Text(x=x + 14, y=y, words=f"{channels}-d", size=13, anchor="start", colour=QUIET, role="channels")


def _flow(stops: Sequence[Box], x: float, start: float) -> Iterator[Item]:
    """Yield boxes with an arrow into each, the first from `start`."""
    for stop in stops:
        yield Line(points=((x, start), (x, stop.bounds.top)), arrow=True)
        yield stop
        start = stop.bounds.bottom


def _gated(gate: Sequence[Step], middle: float, gate_middle: float, end: float, centre: float) -> Iterator[Item]:
    """Yield the gate beside the flow from `end` down to the product at `centre`."""
    stops = boxes(gate, gate_middle, end + 2 * FORK)
    yield Line(points=((middle, end), (middle, centre - CIRCLE)), arrow=True)
    pen = partial(Line, radius=FORK, arrow=True)
    yield from detour((middle, end + FORK / 2), (middle - CIRCLE, centre), gate_middle, stops, pen)
    yield from times(middle, centre, CIRCLE)


def _bracket(x: float, top: float, bottom: float) -> Iterator[Item]:
    """Yield the mark that says which part is F."""
    points = ((x + 6, top), (x, top), (x, bottom), (x + 6, bottom))
    yield Line(points=points, radius=5, colour=QUIET, width=1.2, role="bracket")
    yield Text(x=x - 7, y=(top + bottom) / 2, words="F(x)", size=LABEL_SIZE, italic=True, anchor="end", role="branch")


def _shortcut(block: Block, middle: float, left: float, fork: float, centre: float, *, counts: bool) -> Iterator[Item]:
    """Yield the curve from the fork to the sum, and what it computes on its way, all right of `left`."""
    steps = shortcut_steps(block, counts=counts)
    x = left + lane_width(steps, least=2 * ASIDE) / 2
    stops = boxes(steps, x, (fork + centre - lane_height(steps)) / 2, heavy=lane_width(steps))
    pen = partial(
        Line,
        radius=CURVE if steps else FREE_CURVE,
        dashed=changes_shape(block),
        arrow=True,
        colour=shortcut_colour(block.shortcut.kind),
        role="shortcut",
    )
    yield from detour((middle, fork), (middle + CIRCLE, centre), x, stops, pen)
    if not steps:
        y = (fork + centre) / 2
        yield Text(x=x + 10, y=y - 11, words="x", size=LABEL_SIZE, italic=True, anchor="start", role="carried")
        yield Text(x=x + 10, y=y + 10, words="identity", size=14, anchor="start", role="carried")
