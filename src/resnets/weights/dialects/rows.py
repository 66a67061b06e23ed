"""Rows: the architectures that a list of units could be, most usual first; whoever asks compares their plans."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from resnets.files.errors import FileError
from resnets.spec.architecture import CHOICES, EXPANSION, Architecture
from resnets.spec.resolve import plan

NAME = "as its graph says"
"""Of an architecture that was read; whoever identifies the file gives it another."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """What is known of one unit: channels in and after each convolution, groups of the widest, whether it projects.

    `stride` is the unit's, and `strides_at` which convolution has it; None where a file does not say.
    """

    title: str
    channels: tuple[int, ...]
    groups: int = 1
    projects: bool = False
    stride: int | None = None
    strides_at: int | None = None

    @property
    def out(self) -> int:
        """Channels that leave it."""
        return self.channels[-1]


def candidates(rows: Sequence[Row], facts: dict[str, Any]) -> Iterator[Architecture]:
    """Yield every architecture of such units, `facts` being those that the units do not tell.

    Raises `FileError` for units of which no architecture is made.
    """
    shape = _shape(rows)
    splits = list(dict.fromkeys(_splits(rows)))
    known = rows[0].stride is not None
    for split in splits:
        stages = [rows[begin:end] for begin, end in zip(split, (*split[1:], len(rows)), strict=True)]
        widths = tuple(stage[0].out // EXPANSION[shape["block"]] for stage in stages)
        made = {"blocks": tuple(len(stage) for stage in stages), "widths": widths} | shape
        made |= _groups(rows, widths, split) | facts
        for stride_in in ("first", "last"):
            strides = (1,) + (2,) * (len(stages) - 1)
            if known:
                strides = tuple(stage[0 if stride_in == "first" else -1].stride or 1 for stage in stages)
            for projects in ("shape_changes", "first_block", "always") if "projects" not in facts else ("",):
                for stride_on in ("1x1", "3x3") if shape["block"] == "bottleneck" else ("3x3",):
                    choice = {"stride_in": stride_in, "strides": strides, "stride_on": stride_on}
                    if projects:
                        choice["projects"] = projects
                    try:
                        arch = Architecture(name=NAME, source=NAME, **made | choice)
                        plan(arch)
                    except ValueError as error:
                        raise FileError(f"its units are no network of this family: {error}") from None
                    yield arch


def _shape(rows: Sequence[Row]) -> dict[str, Any]:
    """The kind of block that all units are."""
    counts = {len(row.channels) - 1 for row in rows}
    if counts == {2}:
        return {"block": "basic"}
    if counts == {3}:
        return {"block": "bottleneck"}
    odd = next(row for row in rows if len(row.channels) not in (3, 4) or len(row.channels) != len(rows[0].channels))
    raise FileError(
        f"{odd.title} has {len(odd.channels) - 1} convolutions and the first has {len(rows[0].channels) - 1}; units "
        "of this family have two 3x3, or 1x1, 3x3 and 1x1, all alike"
    )


def _splits(rows: Sequence[Row]) -> Iterator[tuple[int, ...]]:
    """Where stages may begin: where channels change, and where a unit strides, or the one before it did."""
    numbers = range(len(rows))
    widens = {number for number in numbers if number == 0 or rows[number].out != rows[number - 1].out}
    strides = {number for number in numbers if (rows[number].stride or 1) > 1}
    yield tuple(sorted(widens | strides))
    yield tuple(sorted(widens | {number + 1 for number in strides if number + 1 < len(rows)}))
    projects = {number for number in numbers if rows[number].projects}
    if len(projects) < len(rows):
        yield tuple(sorted(widens | projects))
    yield tuple(sorted(widens))


def _groups(rows: Sequence[Row], widths: tuple[int, ...], split: tuple[int, ...]) -> dict[str, Any]:
    """Cardinality and base width (Xie et al. 2016, section 3.3), the same in every unit."""
    if len(rows[0].channels) == 3:
        odd = next((row for row in rows if row.channels[1] != row.out or row.groups > 1), None)
        if odd:
            raise FileError(f"{odd.title} has other channels inside than it gives, or groups; basic units have neither")
        return {}
    stage = 0
    found: set[tuple[int, int]] = set()
    for number, row in enumerate(rows):
        stage += number in split and number > 0
        inner, width = row.channels[1], widths[stage]
        if row.out % 4 or row.channels[2] != inner or inner * 64 % (width * row.groups):
            raise FileError(
                f"{row.title} goes from {row.channels[0]} channels through {row.channels[1]} and {row.channels[2]} "
                f"to {row.out}; a bottleneck ends in 4 times its width, after a 3x3 that keeps its channels"
            )
        found.add((row.groups, inner * 64 // (width * row.groups)))
        if len(found) > 1:
            raise FileError(
                f"{row.title} is {inner} channels wide inside and {row.out} outside, in {row.groups} groups, and the "
                "units before it have another ratio; an architecture has one"
            )
    ((cardinality, base_width),) = found
    return {"cardinality": cardinality, "base_width": base_width}


def telling(arch: Architecture) -> dict[str, Any]:
    """Return the facts of an architecture that do something in it, without its name, source and size.

    A fact with a list of choices is left out when every other choice gives the very same layers.
    """
    facts = {field.name: getattr(arch, field.name) for field in fields(arch)}
    idle = {"name", "source", "size"}
    if arch.head != "mlp":
        idle |= {"head_width", "dropout"}
    if arch.head == "none":
        idle |= {"num_classes", "head_pooling"}
    if arch.block == "basic":
        idle |= {"cardinality", "base_width"}
    for field, choices in CHOICES.items():
        others = [choice for choice in choices if choice != facts[field]]
        if all(_same(arch, {field: other}) for other in others):
            idle.add(field)
    if arch.shortcut not in ("projection", "pooled_projection") or _same(
        arch, {"projection_norm": not arch.projection_norm}
    ):
        idle |= {"projection_norm"}
    return {field: value for field, value in facts.items() if field not in idle}


def _same(arch: Architecture, change: dict[str, Any]) -> bool:
    try:
        one, other = plan(arch), plan(replace(arch, **change))
    except ValueError:
        return False
    return (one.stem, one.stages, one.norm, one.head) == (other.stem, other.stages, other.norm, other.head)
