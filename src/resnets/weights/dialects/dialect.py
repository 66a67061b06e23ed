"""Dialect: one codebase's names, layouts and habits, as a row; names in both directions follow from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from resnets.spec.architecture import Architecture
from resnets.spec.plan import Conv, Linear, Norm, Plan, layer_tensors
from resnets.weights.dialects import tokens

Kind = Literal["conv", "norm", "linear"]
Slots = Mapping[Kind, Mapping[str, tuple[str, ...]]]
"""Kind of layer -> our tensor ("weight") -> its name in a file, "*" standing for the layer's; first what we write."""

Layout = Literal["torch", "keras"]
Shape = tuple[int, ...]

OUR_LAYERS: Mapping[str, Kind] = {
    "stem.conv{n}": "conv",
    "stem.norm{n}": "norm",
    "stages.{stage}.{block}.branch.conv{n}": "conv",
    "stages.{stage}.{block}.branch.norm{n}": "norm",
    "stages.{stage}.{block}.branch.gate.squeeze": "conv",
    "stages.{stage}.{block}.branch.gate.excite": "conv",
    "stages.{stage}.{block}.shortcut.conv": "conv",
    "stages.{stage}.{block}.shortcut.norm": "norm",
    "norm": "norm",
    "head.hidden": "linear",
    "head.linear": "linear",
}
"""Every layer that a Plan can have, as templates."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Dialect:
    """What one codebase calls the tensors of a network, how it stores them, and what its code does with them.

    `layers`: our layer's template -> theirs, first the one that is written; the rest are read too. A row of ours
    with a number (`stem.conv1`) goes before the template with `{n}`.
    `allows`: fact of an Architecture -> the values that this codebase can have. One value is the codebase's rule,
    several are open where the tensors do not tell; a fact that is not named may be anything.
    `defaults`: our tensor -> what it is where a file of this dialect stores none.
    `preprocess`: names of rows of `preprocessing.PREPROCESSES`, the usual one first; none where it is not known.
    """

    name: str  # of the row: "timm-d"
    family: str  # what a person types: "timm"
    title: str  # in a sentence: "timm's ResNet-D"
    source: str
    layers: Mapping[str, tuple[str, ...]]
    slots: Slots
    layout: Layout = "torch"
    allows: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)
    preprocess: tuple[str, ...] = ()
    classes: str | None = None  # the class list that comes with as many logits: "imagenet"
    conv_head: bool = False  # the last layer is stored as a 1x1 convolution
    licence: str | None = None


def our_place(layer: str) -> tuple[str, tokens.Place]:
    """Return our template for a layer's name, and its place: "stages.{stage}..." and {"stage": 1, ...}."""
    for template in OUR_LAYERS:
        place = tokens.read(template, layer)
        if place is not None:
            return template, place
    raise ValueError(f"{layer!r} is no layer of a plan")


def names(dialect: Dialect, network: Plan) -> dict[str, str]:
    """Return their name for each tensor of ours that the dialect stores.

    Raises `ValueError` naming the layer for which it has no word.
    """
    blocks = network.architecture.blocks
    found: dict[str, str] = {}
    for layer in network.layers():
        template, place = our_place(layer.name)
        exact = template.replace("{n}", str(place.get("n")))
        theirs = dialect.layers.get(exact) or dialect.layers.get(template)
        if not theirs:
            raise ValueError(f"{dialect.title} has no name for {layer.name}")
        for name in layer_tensors(layer):
            slots = dialect.slots[kind_of(layer)].get(name.rpartition(".")[2])
            if slots:
                found[name] = slots[0].replace("*", tokens.write(theirs[0], place, blocks))
    return found


def parse(dialect: Dialect, key: str) -> str | None:
    """Return our name for a tensor that a file of this dialect calls `key`, or None."""
    for ours, alternatives in dialect.layers.items():
        kind = OUR_LAYERS[ours if ours in OUR_LAYERS else ours[:-1] + "{n}"]
        for tensor, slots in dialect.slots[kind].items():
            for before, after in (slot.split("*") for slot in slots):
                if not (key.startswith(before) and key.endswith(after)):
                    continue
                for theirs in alternatives:
                    place = tokens.read(theirs, key[len(before) : len(key) - len(after)])
                    if place is not None:
                        return f"{tokens.write(ours, place, ())}.{tensor}"
    return None


def kind_of(layer: Conv | Norm | Linear) -> Kind:
    """Return "conv", "norm" or "linear"."""
    return {Conv: "conv", Norm: "norm", Linear: "linear"}[type(layer)]  # type: ignore[return-value]


def kind_of_tensor(ours: str) -> Kind:
    """Return the kind of the layer that a tensor of ours belongs to."""
    return OUR_LAYERS[our_place(ours.rpartition(".")[0])[0]]


KERAS_AXES: Mapping[Kind, Mapping[int, tuple[int, ...]]] = {
    "conv": {4: (3, 2, 0, 1)},
    "linear": {2: (1, 0)},
    "norm": {},
}
"""Keras stores (k, k, in, out) and (in, out): the axes that make ours of them."""

KERAS_AXES_BACK: Mapping[Kind, Mapping[int, tuple[int, ...]]] = {
    "conv": {4: (2, 3, 1, 0)},
    "linear": {2: (1, 0)},
    "norm": {},
}


def our_axes(dialect: Dialect, kind: Kind, dimensions: int) -> tuple[int, ...] | None:
    """Return the order of their axes that is ours, or None where it is the same."""
    return KERAS_AXES[kind].get(dimensions) if dialect.layout == "keras" else None


def our_shape(dialect: Dialect, ours: str, shape: Shape) -> Shape:
    """Return the shape that a tensor of theirs has with us."""
    kind = kind_of_tensor(ours)
    axes = our_axes(dialect, kind, len(shape))
    if axes:
        return tuple(shape[axis] for axis in axes)
    if kind == "linear" and ours.endswith("weight"):
        return _last_sides(shape, 2)
    if not ours.endswith(".weight") or kind == "norm":
        return _last_sides(shape, 1)
    return shape


def _last_sides(shape: Shape, count: int) -> Shape:
    """(1, 1, 1000, 2048) of an old Caffe file or (1000, 2048, 1, 1) of a 1x1 convolution as (1000, 2048)."""
    while len(shape) > count and 1 in (shape[0], shape[-1]):
        shape = shape[:-1] if shape[-1] == 1 else shape[1:]
    return shape


def relevant(arch: Architecture) -> set[str]:
    """Return the facts of an architecture that do something in it; the others may be anything."""
    from dataclasses import fields

    idle = {"name", "source", "size"}
    if arch.block == "basic":
        idle |= {"stride_on", "cardinality", "base_width"}
    if arch.shortcut != "zero_pad":
        idle |= {"zero_pad_side"}
    if arch.shortcut in ("none", "zero_pad"):
        idle |= {"projects", "projection_norm"}
    if arch.stem == "cifar":
        idle |= {"pool_padding", "pool_fill"}
    elif arch.pool_padding == "ceil":
        idle |= {"pool_fill"}
    if arch.head == "none":
        idle |= {"num_classes", "head_width", "dropout", "head_pooling"}
    elif arch.head == "linear":
        idle |= {"head_width", "dropout"}
    return {field.name for field in fields(arch)} - idle
