"""Keras order: the layers with numbers of a Keras file, by kind, in the order in which its model lists them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from resnets.files.errors import FileError
from resnets.weights.containers.contents import Contents
from resnets.weights.dialects.graph import Numbers, Slot
from resnets.weights.dialects.keras_numbers import KerasNumbers, Shapes, numbers

KINDS = {"conv2d": "conv", "batch_normalization": "norm", "sync_batch_normalization": "norm", "dense": "linear"}
"""What Keras calls a layer that it names itself, without its number."""

WITHOUT_PART = ("dropout", "normalization", "seed_generator", "rescaling")
"""Counted layers that may have numbers and are no part of a network: random states, a picture's mean."""


@dataclass(frozen=True, slots=True)
class Counted:
    """One layer of a file: what it is called, and its numbers by our slot."""

    name: str
    numbers: Mapping[Slot, Numbers]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of its weight, in our order; of a norm, its channels."""
        held = self.numbers.get("weight") or self.numbers["running_mean"]
        return held.shape


@dataclass(slots=True)
class Sequences:
    """The layers of a file by kind, in order."""

    convs: list[Counted] = field(default_factory=list)
    norms: list[Counted] = field(default_factory=list)
    linears: list[Counted] = field(default_factory=list)


def sequences(contents: Contents) -> Sequences:
    """Return the layers of a legacy file or of a `.weights.h5`, by kind, in their order.

    Raises `FileError` for a layer that no network of this family has, or where the order is open.
    """
    shapes = {name: tensor.shape for name, tensor in contents.tensors.items()}
    held = KerasNumbers(shapes)
    rows = _counted_rows(held, shapes) if held.counted else _legacy_rows(held, contents)
    found = Sequences()
    for _, kind, counted in sorted(rows, key=lambda row: row[0]):
        {"conv": found.convs, "norm": found.norms, "linear": found.linears}[kind].append(counted)
    if not found.convs:
        raise FileError("it holds no convolution of a Keras network")
    return found


_Place = tuple[int, ...]
_Rows = list[tuple[_Place, str, Counted]]


def _legacy_rows(held: KerasNumbers, contents: Contents) -> _Rows:
    """Layers where the file's own list has them; for a model inside it lists the weights of its layers.

    A program may have made them in any order: `clone_model` counts projections and their norms the other way round.
    """
    listed = {name: number for number, name in enumerate(contents.facts.get("layer_names", ()))}
    weights = contents.facts.get("weight_names", {})
    rows: _Rows = []
    for (top, leaf), slots in held.legacy.items():
        if top not in listed:
            raise FileError(
                f"it holds no list of its layers with {top[:80]!r} in it (layer_names, which Keras writes), and "
                "numbers in names do not tell which is which"
            )
        kind = _kind(leaf, slots, contents)
        inside = [name.split("/")[-2] for name in weights.get(top, ()) if "/" in name]
        place = listed[top], inside.index(leaf) if leaf in inside else 0
        held_numbers = {slot: numbers(kind, name, contents.tensors[name].shape) for slot, name in slots.items()}
        rows.append((place, kind, Counted(f"{top}/{leaf}" if top != leaf else top, held_numbers)))
    return rows


def _kind(leaf: str, slots: Mapping[Slot, str], contents: Contents) -> str:
    if "running_mean" in slots:
        return "norm"
    sides = len(contents.tensors[slots["weight"]].shape) if "weight" in slots else 0
    if sides not in (2, 4):
        raise FileError(f"layer {leaf[:80]!r} is no convolution of two dimensions, batch norm or dense layer")
    return "conv" if sides == 4 else "linear"


def _counted_rows(held: KerasNumbers, shapes: Shapes) -> _Rows:
    """Layers by the number that Keras 3 gives them, of each class apart."""
    rows: _Rows = []
    parents: set[str] = set()
    for place, variables in held.counted.items():
        parent, _, leaf = place.rpartition("/")
        if not place.startswith("layers/") or leaf.startswith(WITHOUT_PART):
            continue
        kind, number = _automatic(leaf)
        parents |= {parent} if kind == "conv" else set()
        slots = _counted_slots(kind, place, variables)
        counted = Counted(place, {slot: numbers(kind, name, shapes[name]) for slot, name in slots.items()})
        rows.append(((-parent.count("/"), number), kind, counted))
    if len(parents) > 1:
        raise FileError(
            f"it keeps convolutions in {len(parents)} models ({', '.join(sorted(parents)[:3])}); which of them comes "
            "first is open"
        )
    return rows


def _automatic(name: str) -> tuple[str, int]:
    """Return a layer's kind and number; raise `FileError` for a name that a person gave."""
    match = re.fullmatch(r"(.+?)(?:_(\d+))?", name)
    word = match[1] if match else name
    if match is None or word not in KINDS:
        raise FileError(
            f"layer {name[:80]!r} is none that this family has under a name that Keras counts: {', '.join(KINDS)}"
        )
    return KINDS[word], int(match[2] or 0)


def _counted_slots(kind: str, place: str, variables: Mapping[int, str]) -> dict[Slot, str]:
    known: dict[tuple[str, int], tuple[Slot, ...]] = {
        ("conv", 1): ("weight",),
        ("conv", 2): ("weight", "bias"),
        ("linear", 1): ("weight",),
        ("linear", 2): ("weight", "bias"),
        ("norm", 2): ("running_mean", "running_var"),
        ("norm", 4): ("weight", "bias", "running_mean", "running_var"),
    }
    slots = known.get((kind, len(variables)))
    if slots is None or sorted(variables) != list(range(len(variables))):
        raise FileError(f"layer {place!r} has {len(variables)} tensors; which of them is which is open")
    return {slot: variables[number] for number, slot in enumerate(slots)}
