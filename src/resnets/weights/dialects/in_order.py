"""In order: Keras files without a graph, whose layers stand one after the other: conv2d, conv2d_1, ...

Keras lists the layers of a model by how far they are from its output, and those equally far by which way of a sum
comes first. Legacy files keep that list (`layer_names`), and Keras 3 counts by it (`layers/conv2d_17`). So the
projection of a block stands right before or right after its branch's last convolution, and its norm likewise.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from resnets.files.errors import FileError
from resnets.spec.architecture import CHOICES, Architecture, Role
from resnets.spec.plan import Conv, Linear, Norm, Plan, Unit, layer_tensors
from resnets.spec.resolve import plan
from resnets.weights.containers.contents import Contents
from resnets.weights.dialects.graph import Numbers
from resnets.weights.dialects.keras_order import Counted, Sequences, sequences
from resnets.weights.dialects.rows import Row, candidates, telling

MOST_STEPS = 100_000
"""Tried while convolutions are cut into units; ResNet-1202 takes 1,200."""

EPSILONS = (1e-3, 1.001e-5, 1e-5)
"""Keras's own default, Keras Applications', PyTorch's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class InOrder:
    """A network as the order of its layers says it.

    `facts` are fields of an `Architecture`, without name and source. Those in `unknown` are assumed: the file does
    not tell them, and there stand the values they may have (none where any number may be). `layers`, `tensors`
    and `filled` are those of `Followed`.
    """

    facts: Mapping[str, Any]
    unknown: Mapping[str, tuple[Any, ...]]
    layers: Mapping[str, str]
    tensors: Mapping[str, Numbers]
    filled: Mapping[str, float]


def in_order(contents: Contents, known: Mapping[str, Any] | None = None) -> InOrder:
    """Return the network whose layers, in the order of the file, are these.

    `known` are facts that a person states, such as {"order": "post"}. Every block adds its projection on the same
    side. A norm after the projection of a pre-activation block is no known network.

    Raises `FileError` if no network has such layers, or if several have, in which tensors have other places.
    """
    found = sequences(contents)
    known = {**_order_told(contents.facts.get("layer_names", ()), found), **(known or {})}
    fits: dict[tuple[str, ...], tuple[Architecture, dict[str, Counted]]] = {}
    for arch, mapping in _fits(found, known):
        key = tuple(counted.name for counted in mapping.values())
        # "first_block" stays true wherever the strides turn out to be.
        if key not in fits or (arch.projects == "first_block") > (fits[key][0].projects == "first_block"):
            fits[key] = arch, mapping
    if not fits:
        raise FileError(
            f"its {len(found.convs)} convolutions, {len(found.norms)} norms and {len(found.linears)} dense layers are, "
            "in their order, no network of this family that is known; a file with its graph (model.save) says more "
            "than one with weights alone"
        )
    if len(fits) > 1:
        raise FileError(
            f"the order of its layers leaves open {_open([arch for arch, _ in fits.values()])}; a file with its graph "
            "(model.save) tells"
        )
    ((arch, mapping),) = fits.values()
    tensors = {f"{ours}.{slot}": held for ours, counted in mapping.items() for slot, held in counted.numbers.items()}
    rest = [name for name in plan(arch).tensors() if name not in tensors]
    facts = telling(arch)
    return InOrder(
        facts=facts,
        unknown=_unknown(arch, facts, known),
        layers={ours: counted.name for ours, counted in mapping.items()},
        tensors=tensors,
        filled={name: 1.0 if name.endswith((".weight", ".running_var")) else 0.0 for name in rest},
    )


def _order_told(layer_names: Sequence[str], found: Sequences) -> dict[str, Any]:
    """What stands after the last convolution in a legacy file's list: its norm, or the sum that the norm follows."""
    names = list(layer_names)
    last, norms = found.convs[-1].name, {counted.name for counted in found.norms}
    following = names[names.index(last) + 1 :][:1] if last in names else []
    if following and following[0] in norms:
        return {"order": "post"}
    if following and re.fullmatch(r"add(_\d+)?", following[0]):
        return {"order": "pre"}
    return {}


def _fits(found: Sequences, known: Mapping[str, Any]) -> Iterator[tuple[Architecture, dict[str, Counted]]]:
    """Yield each architecture whose layers are those of the file, with the file's layer for each of ours."""
    for stem, length in (("imagenet", 1), ("cifar", 1), ("deep", 3)):
        if known.get("stem", stem) != stem or len(found.convs) <= length:
            continue
        shape = found.convs[0].shape
        if len(shape) != 4 or shape[2:] != ((7, 7) if stem == "imagenet" else (3, 3)):
            continue
        for kernels in ((3, 3), (1, 3, 1)):
            for place in (len(kernels) - 1, len(kernels)):
                for rows in _cuts(found.convs[length:], kernels, place, found.convs[length - 1].shape[0]):
                    yield from _fits_of(found, stem, length, place, rows, known)


def _fits_of(
    found: Sequences, stem: str, length: int, place: int, rows: Sequence[Row], known: Mapping[str, Any]
) -> Iterator[tuple[Architecture, dict[str, Counted]]]:
    for order in ("post", "pre"):
        facts = _facts(found, stem, length, place, rows, order)
        if known.get("order", order) != order:
            continue
        try:
            for arch in candidates(rows, facts):
                mapping = _mapping(plan(arch), found, place)
                if mapping:
                    yield arch, mapping
        except FileError:
            continue  # units of which no architecture is made


def _cuts(convs: Sequence[Counted], kernels: tuple[int, ...], place: int, channels: int) -> Iterator[list[Row]]:
    """Yield each way to cut the convolutions into units, the projection of a unit standing at `place`."""
    rows: list[Row] = []
    todo = [(0, 0, channels, projects) for projects in (False, True)]
    for _ in range(MOST_STEPS):
        if not todo:
            return
        number, start, channels, projects = todo.pop()
        del rows[number:]
        unit = list(convs[start : start + len(kernels) + projects])
        projection = unit.pop(place).shape if projects and place < len(unit) else None
        row = _row(unit, kernels, channels, projection) if projects == (projection is not None) else None
        if row is None:
            continue
        rows.append(row)
        start += len(kernels) + projects
        if start == len(convs):
            yield list(rows)
        todo += [(number + 1, start, row.out, projects) for projects in (False, True)]


def _row(
    unit: Sequence[Counted], kernels: tuple[int, ...], channels: int, projection: tuple[int, ...] | None
) -> Row | None:
    """The unit that these convolutions are, if they fit one upon the other."""
    shapes = [counted.shape for counted in unit]
    if len(shapes) != len(kernels) or any(
        len(shape) != 4 or shape[2:] != (kernel, kernel) for shape, kernel in zip(shapes, kernels, strict=True)
    ):
        return None
    widths = [channels, *(shape[0] for shape in shapes)]
    groups = max(widths[1] // max(shapes[1][1], 1), 1) if len(kernels) == 3 else 1
    into = [shape[1] * (groups if number == 1 and len(kernels) == 3 else 1) for number, shape in enumerate(shapes)]
    out = shapes[-1][0]
    if into != widths[:-1] or (projection is None and out != channels):
        return None
    if projection is not None and projection != (out, channels, 1, 1):
        return None
    title = f"the unit of {unit[0].name}"
    return Row(title=title, channels=tuple(widths), groups=groups, projects=projection is not None)


def _facts(found: Sequences, stem: str, length: int, place: int, rows: Sequence[Row], order: str) -> dict[str, Any]:
    """The facts that the units' channels do not tell."""
    roles: dict[Role, bool] = dict.fromkeys(("stem", "inner", "last", "projection"), False)
    for conv in found.convs[:length]:
        roles["stem"] |= "bias" in conv.numbers
    start = length
    for row in rows:
        names: list[Role] = ["inner", "last"] if len(row.channels) == 3 else ["inner", "inner", "last"]
        if row.projects:
            names.insert(place, "projection")
        for role, conv in zip(names, found.convs[start:], strict=False):
            roles[role] |= "bias" in conv.numbers
        start += len(names)
    facts: dict[str, Any] = {
        "stem": stem,
        "stem_width": found.convs[length - 1].shape[0],
        "in_channels": found.convs[0].shape[1],
        "order": order,
        "norm_eps": EPSILONS[0],
        "conv_bias": tuple(role for role, there in roles.items() if there),
    }
    projecting = sum(row.projects for row in rows)
    inside = sum(len(row.channels) - 1 for row in rows) + length
    facts["projection_norm"] = bool(projecting) and order == "post" and len(found.norms) == inside + projecting
    if not found.linears:
        return facts | {"head": "none"}
    facts |= {"head": "linear", "num_classes": found.linears[-1].shape[0]}
    if len(found.linears) == 2:
        facts |= {"head": "mlp", "head_width": found.linears[0].shape[0]}
    return facts


def _mapping(network: Plan, found: Sequences, place: int) -> dict[str, Counted] | None:
    """Our layer -> the file's, in our order, or None where a shape or a count is another."""
    convs: list[Conv] = []
    norms: list[Norm] = []
    for unit in _units(network, place):
        convs.append(unit.conv)
        norms += [unit.norm] if unit.norm else []
    norms += [network.norm] if network.norm else []
    linears = [layer for layer in (network.head.hidden, network.head.linear) if layer] if network.head else []
    if (len(convs), len(norms), len(linears)) != (len(found.convs), len(found.norms), len(found.linears)):
        return None
    mapping: dict[str, Counted] = {}
    layers: list[Conv | Norm | Linear] = [*convs, *norms, *linears]
    for layer, counted in zip(layers, (*found.convs, *found.norms, *found.linears), strict=True):
        wanted = {name.rpartition(".")[2]: shape for name, shape in layer_tensors(layer).items()}
        if any(wanted.get(slot, wanted["weight"][:1]) != held.shape for slot, held in counted.numbers.items()):
            return None
        mapping[layer.name] = counted
    return {layer.name: mapping[layer.name] for layer in network.layers()}


def _units(network: Plan, place: int) -> Iterator[Unit]:
    """The convolutions with their norms in the order of the file, a block's projection at `place`."""
    yield from network.stem.units
    for block in network.blocks:
        units = list(block.branch)
        if block.shortcut.unit:
            units.insert(place, block.shortcut.unit)
        yield from units


def _open(fits: Sequence[Architecture]) -> str:
    """What differs between the networks that fit."""
    differing = [
        f"{field} ({' or '.join(sorted({repr(getattr(arch, field)) for arch in fits}))})"
        for field in Architecture.__dataclass_fields__
        if len({getattr(arch, field) for arch in fits}) > 1
    ]
    return ", ".join(differing) or "whether a projection is made before its branch's last convolution or after it"


def _unknown(arch: Architecture, facts: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
    """The facts that shapes and order do not tell, with what they may be."""
    fields = ("stride_on", "stride_in", "padding", "pool_padding", "pool_fill", "head_pooling")
    unknown: dict[str, tuple[Any, ...]] = {field: CHOICES[field] for field in fields if field in facts}
    stages = len(arch.strides)
    if stages > 1:
        unknown["strides"] = ((1,) + (2,) * (stages - 1), (2,) * (stages - 1) + (1,))
    unknown["norm_eps"] = EPSILONS
    if arch.head == "mlp":
        unknown["dropout"] = ()
    return {field: values for field, values in unknown.items() if field not in known}
