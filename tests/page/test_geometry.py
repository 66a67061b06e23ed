"""Every drawing of every row: nothing overlaps, is cut off, or has a line through it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import pairwise

import pytest

from resnets.page.draw_block import block_scene
from resnets.page.draw_network import network_scene
from resnets.page.scene import Bounds, Box, Circle, Line, Point, Scene, Text
from resnets.spec.plan import Block
from resnets.spec.resolve import plan
from resnets.spec.variants import VARIANTS, architecture

UNFOLDED = 10_000
BACKGROUNDS = ("band", "panel")
PAIRS = (
    ("resnet34", "plain34"),
    ("resnet20_cifar", "plain20_cifar"),
    ("resnet50", "resnet34"),
    ("resnet152d", "resnet101"),
    ("resnet50_mrcnn_c4", "resnet18"),
    ("resnet34_note002", "plain18"),
    ("resnet110_cifar", "resnext50_32x4d"),
    ("plain18", "plain20_cifar"),
)


def kinds_of_block() -> dict[tuple[object, ...], tuple[str, Block]]:
    """One block of each kind that the table holds, with the row it came from."""
    found: dict[tuple[object, ...], tuple[str, Block]] = {}
    for name, row in VARIANTS.items():
        for block in plan(row).blocks:
            kind = (
                block.order,
                len(block.branch),
                block.branch[-2].conv.groups,
                block.gate is not None,
                block.shortcut.kind,
                block.shortcut.stride,
                block.shortcut.unit is not None and block.shortcut.unit.norm is not None,
                block.in_channels,
                block.out_channels,
            )
            found.setdefault(kind, (name, block))
    return found


BLOCKS = {f"{name}-{block.name}": block for name, block in kinds_of_block().values()}


@pytest.mark.parametrize("fold_beyond", [0, UNFOLDED])
@pytest.mark.parametrize("name", VARIANTS)
def test_a_network_is_drawn_without_a_collision(name: str, fold_beyond: int) -> None:
    check(network_scene(plan(VARIANTS[name]), fold_beyond=fold_beyond))


@pytest.mark.parametrize("fold_beyond", [0, UNFOLDED])
@pytest.mark.parametrize("names", PAIRS, ids="+".join)
def test_two_networks_are_drawn_without_a_collision(names: tuple[str, str], fold_beyond: int) -> None:
    first, second = (plan(VARIANTS[name]) for name in names)
    check(network_scene(first, beside=second, fold_beyond=fold_beyond))
    check(network_scene(second, beside=first, fold_beyond=fold_beyond))


@pytest.mark.parametrize(
    "differences",
    [
        {"blocks": (2, 1, 3, 1, 1, 1, 1), "size": 5000, "in_channels": 128},
        {"blocks": (70,), "num_classes": 21_841, "head": "mlp"},
        {"shortcut": "zero_pad", "zero_pad_side": "both", "strides": (1, 3, 3, 1)},
        {"shortcut": "pooled_projection", "projects": "always", "stem": "deep", "se_reduction": 16},
        {"widths": (64, 4096, 16, 4096), "stride_in": "last", "head": "none"},
    ],
    ids=str,
)
def test_what_is_in_no_table_is_drawn_without_a_collision(differences: dict[str, object]) -> None:
    odd = plan(architecture("resnet18", **differences))
    check(network_scene(odd))
    check(network_scene(odd, beside=plan(VARIANTS["resnet101"])))
    for block in odd.blocks:
        check(block_scene(block, counts=True))


@pytest.mark.parametrize("counts", [False, True])
@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS)
def test_a_block_is_drawn_without_a_collision(block: Block, counts: bool) -> None:
    check(block_scene(block, counts=counts))


def test_a_name_without_end_is_cut_not_spilled() -> None:
    row = VARIANTS["resnet18"]
    longest = "mein netz / 我的网络 " * 20
    scene = network_scene(plan(replace(row, name=longest)))
    check(scene)
    assert any(text.role == "name" and text.words.endswith("…") for text in scene.texts())
    check(block_scene(plan(row).blocks[0], title=longest))


@pytest.mark.parametrize("dx", [-4000, -30, 45, 4000])
def test_the_checks_find_words_that_were_moved(dx: float) -> None:
    scene = network_scene(plan(VARIANTS["resnet18"]))
    label = next(text for text in scene.having("level") if isinstance(text, Text))
    moved = tuple(replace(item, x=item.x + dx) if item is label else item for item in scene.items)
    with pytest.raises(AssertionError):
        check(replace(scene, items=moved))


def test_the_checks_find_a_line_through_a_box() -> None:
    box = Bounds(10, 10, 50, 30)
    assert list(crossings([Line(points=((0, 20), (60, 20)))], [box]))
    assert list(crossings([Line(points=((0, 0), (60, 0), (60, 40), (30, 40), (30, 20)), radius=9)], [box]))
    assert not list(crossings([Line(points=((0, 5), (60, 5), (60, 40)), radius=9)], [box]))
    assert not list(crossings([Line(points=((5, 40), (5, 5), (60, 5)), radius=9)], [box]))


def check(scene: Scene) -> None:
    """Assert every rule of the drawings."""
    canvas = Bounds(0, 0, scene.width, scene.height)
    texts = list(scene.texts())
    lines = [item for item in scene.items if isinstance(item, Line)]
    boxes = [item for item in scene.items if isinstance(item, Box) and item.role not in BACKGROUNDS]
    circles = [item for item in scene.items if isinstance(item, Circle)]
    for item in (*scene.items, *texts):
        assert item.bounds.inside(canvas), item
    for box in boxes:
        for text in box.texts:
            assert text.bounds.inside(box.bounds), (text, box)
    words = [item.bounds for item in scene.items if isinstance(item, Text)]
    solid = [item.bounds for item in (*boxes, *circles) if item.role != "mark"]
    assert not list(collisions([text.bounds for text in texts]))
    assert not list(collisions([*words, *solid]))
    assert not list(crossings(lines, [text.bounds for text in texts]))
    assert not list(crossings([line for line in lines if line.role != "sign"], [shrunk(b) for b in solid]))


def collisions(bounds: Iterable[Bounds]) -> Iterator[tuple[Bounds, Bounds]]:
    """Yield the pairs that overlap."""
    active: list[Bounds] = []
    for one in sorted(bounds, key=lambda b: b.top):
        active = [other for other in active if other.bottom > one.top]
        yield from ((one, other) for other in active if one.overlaps(other))
        active.append(one)


def crossings(lines: Iterable[Line], bounds: Iterable[Bounds]) -> Iterator[tuple[Line, Bounds]]:
    """Yield each line with what it runs through."""
    events = [(line.bounds.top, 0, line) for line in lines] + [(b.top, 1, b) for b in bounds]
    active_lines: list[Line] = []
    active: list[Bounds] = []
    for top, _, thing in sorted(events, key=lambda event: event[:2]):
        active_lines = [line for line in active_lines if line.bounds.bottom >= top]
        active = [b for b in active if b.bottom >= top]
        if isinstance(thing, Line):
            active_lines.append(thing)
            yield from ((thing, b) for b in active if runs_through(thing, b))
        else:
            active.append(thing)
            yield from ((line, thing) for line in active_lines if runs_through(line, thing))


def runs_through(line: Line, bounds: Bounds) -> bool:
    return any(enters(start, end, bounds) for start, end in pairwise(traced(line)))


def traced(line: Line) -> list[Point]:
    """The points of a line with its corners rounded as SVG rounds them."""
    points = [line.points[0]]
    for before, corner, after in zip(line.points, line.points[1:], line.points[2:], strict=False):
        reach = min(line.radius, math.dist(before, corner) / 2, math.dist(corner, after) / 2)
        start, end = (
            tuple(c + (g - c) * reach / (math.dist(corner, goal) or 1) for c, g in zip(corner, goal, strict=True))
            for goal in (before, after)
        )
        centre = start[0] + end[0] - corner[0], start[1] + end[1] - corner[1]
        for step in range(9):  # a quarter of a circle around that centre
            along, out = math.sin(step * math.pi / 16), math.cos(step * math.pi / 16)
            x, y = (c + (s - c) * out + (e - c) * along for c, s, e in zip(centre, start, end, strict=True))
            points.append((x, y))
    return [*points, line.points[-1]]


def enters(start: Point, end: Point, bounds: Bounds) -> bool:
    """Say whether a straight piece has a part strictly inside (Liang and Barsky)."""
    low, high = 0.0, 1.0
    sides = ((bounds.left, bounds.right), (bounds.top, bounds.bottom))
    for origin, goal, (least, most) in zip(start, end, sides, strict=True):
        step = goal - origin
        if step == 0:
            if not least < origin < most:
                return False
            continue
        near, far = sorted(((least - origin) / step, (most - origin) / step))
        low, high = max(low, near), min(high, far)
    return low < high - 1e-9


def shrunk(bounds: Bounds) -> Bounds:
    """What is inside an outline: lines may end on it."""
    return Bounds(bounds.left + 0.5, bounds.top + 0.5, bounds.right - 0.5, bounds.bottom - 0.5)
