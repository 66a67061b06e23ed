"""Units: runs of convolution, norm and ReLU read as the steps of a stem, a branch or a shortcut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from resnets.files.errors import FileError
from resnets.spec.architecture import Order
from resnets.weights.dialects.graph import Node

Nodes = tuple[Node, ...]
Skip = Literal["none", "identity", "subsample", "zero_pad", "projection"]


@dataclass(frozen=True, slots=True)
class Step:
    """A convolution and the norm that goes with it: after it, or before it where the order is `pre`."""

    conv: Node
    norm: Node | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Unit:
    """One residual unit, or one unit of a plain network; `title` says where it is."""

    title: str
    steps: tuple[Step, ...]
    gate: Node | None = None
    skip: Skip = "none"
    projection: Step | None = None
    pool: Node | None = None  # averages before the projection
    thinning: Node | None = None  # keeps every stride-th pixel of the shortcut
    widening: Node | None = None  # option A's zero channels

    @property
    def all_steps(self) -> tuple[Step, ...]:
        """The branch's steps and the shortcut's."""
        return (*self.steps, self.projection) if self.projection else self.steps


def unexpected(node: Node, wanted: str) -> FileError:
    """Return the refusal of a layer that stands where another kind of layer has to."""
    what = f"it {node.why}, and" if node.why else "there"
    return FileError(f"{node.title} cannot be followed: {what} a network of this family has {wanted}")


def read_post(nodes: Sequence[Node]) -> tuple[list[Step], bool]:
    """Read conv, norm, ReLU, conv, ...; the norms may be missing. Return the steps, and if a ReLU comes last.

    Raises `FileError` naming a layer that stands elsewhere.
    """
    steps: list[Step] = []
    rest = list(nodes)
    while rest:
        conv = rest.pop(0)
        if conv.kind != "conv":
            raise unexpected(conv, "a convolution")
        norm = rest.pop(0) if rest and rest[0].kind == "norm" else None
        steps.append(Step(conv, norm))
        if not rest:
            return steps, False
        relu = rest.pop(0)
        if relu.kind != "relu":
            raise unexpected(relu, "a ReLU" if norm else "a norm or a ReLU")
    return steps, bool(steps)


def read_pre(nodes: Sequence[Node]) -> list[Step]:
    """Read norm, ReLU, conv, norm, ReLU, conv, ...; raise `FileError` naming a layer that stands elsewhere."""
    steps: list[Step] = []
    rest = list(nodes)
    while rest:
        norm = rest.pop(0) if rest[0].kind == "norm" else None
        for wanted in ("relu", "conv"):
            if not rest or rest[0].kind != wanted:
                raise unexpected(rest[0] if rest else nodes[-1], f"a {wanted} after each norm, in this order")
            last = rest.pop(0)
        steps.append(Step(last, norm))
    return steps


def read_unit(add: Node, lead: Nodes, ways: tuple[Nodes, Nodes], order: Order, *, first: bool) -> Unit:
    """Read the unit that ends in an addition.

    `lead` goes from the unit before (or the stem) to where the two `ways` part.

    Raises `FileError` naming a layer that this family has no place for.
    """
    branch, shortcut = sorted(ways, key=_convolutions, reverse=True)
    if _convolutions(branch) == _convolutions(shortcut):
        raise FileError(f"{add.title} adds two ways of {_convolutions(branch)} convolutions; one has to be a shortcut")
    title = f"the unit that ends in {add.title}"
    projects = any(node.kind == "conv" for node in shortcut)
    if order == "post":
        if [node.kind for node in lead] != ([] if first else ["relu"]):
            odd = next((node for node in lead if node.kind != "relu"), None) or add
            raise unexpected(odd, "nothing between stem and first unit" if first else "one ReLU between two units")
    elif bool(lead) != projects:
        what = "projects what has had no norm and ReLU" if projects else "keeps what has had its norm and ReLU"
        raise FileError(
            f"{title} {what}: a pre-activation unit here keeps the raw sum, and projects after its first norm and ReLU"
        )
    gate = branch[-1] if branch[-1].kind == "gate" else None
    body = branch[:-1] if gate else branch
    if order == "pre":
        steps = read_pre((*lead, *body))
    else:
        steps, activated = read_post(body)
        if activated:
            raise unexpected(body[-1], "no ReLU between a branch and the sum")
    return _with_shortcut(Unit(title=title, steps=tuple(steps), gate=gate), shortcut)


def _with_shortcut(unit: Unit, shortcut: Nodes) -> Unit:
    """The unit with its shortcut: nothing, fewer pixels, zero channels, or [pool] conv [norm]."""
    kinds = [node.kind for node in shortcut]
    named = dict(zip(kinds, shortcut, strict=True))
    if kinds in ([], ["subsample"]):
        return replace(unit, skip="subsample" if kinds else "identity", thinning=named.get("subsample"))
    if kinds in (["subsample", "pad_channels"], ["pad_channels"]):
        return replace(unit, skip="zero_pad", thinning=named.get("subsample"), widening=named["pad_channels"])
    pool = shortcut[0] if kinds[0] == "pool_average" else None
    steps, activated = read_post(shortcut[1:] if pool else shortcut)
    if activated or len(steps) != 1:
        raise unexpected(shortcut[-1], "nothing but a convolution and its norm in a shortcut")
    return replace(unit, skip="projection", pool=pool, projection=steps[0])


def plain_units(nodes: Nodes) -> list[Unit]:
    """Read the units of a plain network, two 3x3 or 1x1, 3x3, 1x1; raise `FileError` if they do not come out."""
    steps, activated = read_post(nodes)
    if not activated:
        raise unexpected(nodes[-1], "a ReLU after its last norm")
    each = 3 if steps[0].conv.kernel == (1, 1) else 2
    if len(steps) % each:
        raise FileError(
            f"its graph adds nowhere, and {len(steps)} convolutions after the stem are no plain units of {each}"
        )
    groups = [tuple(steps[number : number + each]) for number in range(0, len(steps), each)]
    return [Unit(title=f"the plain unit that begins with {group[0].conv.title}", steps=group) for group in groups]


def _convolutions(nodes: Nodes) -> int:
    return sum(node.kind == "conv" for node in nodes)
