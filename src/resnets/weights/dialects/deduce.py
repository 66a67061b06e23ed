"""Deduce: the architecture of a network found in a file, each fact with how it is known."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from resnets.spec.architecture import Architecture, field_names
from resnets.spec.resolve import plan
from resnets.spec.variants import VARIANTS
from resnets.weights.dialects.dialect import Dialect, relevant
from resnets.weights.dialects.infer import infer
from resnets.weights.dialects.match import Match
from resnets.weights.dialects.origins import Origin

How = Literal["read", "implied", "told", "unknown"]

FREE = frozenset({"name", "source", "size", "num_classes", "in_channels", "head", "head_width", "dropout"})
"""Facts in which a network may differ from a row and still bear its name."""


ADAPTS = {
    "num_classes": "To put another head on it, give the class names: load(..., classes=[...]), --classes a,b,c",
    "in_channels": "To adapt its first convolution: load(..., in_channels={0}), --in-channels {0}",
    "stem": "To cut its stem: load(..., stem='cifar'), --stem cifar",
}
"""What to type instead of telling a file that it is what it is not."""


FROM_GRAPH = "from its graph"
"""Where facts are read that a graph states; only it tells what has no tensors, such as a pool."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing about a network: read from the file, implied by a rule, told by the user, or unknown.

    `why` names the place or the rule. An unknown has a likely `value` and what else it might be.
    """

    value: Any
    how: How
    why: str
    alternatives: tuple[Any, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-able values."""
        facts: dict[str, Any] = {"value": self.value, "how": self.how, "why": self.why}
        return facts | ({"alternatives": list(self.alternatives)} if self.alternatives else {})


@dataclass(frozen=True, slots=True)
class Deduction:
    """An architecture, each fact that does something in it, and what contradicts it (nothing, where it holds)."""

    architecture: Architecture | None
    facts: Mapping[str, Fact]
    problems: tuple[str, ...]

    @property
    def unknown(self) -> dict[str, Fact]:
        """The facts that are open."""
        return {name: fact for name, fact in self.facts.items() if fact.how == "unknown"}


def deduce(
    match: Match,
    origin: Origin | None,
    told: Mapping[str, Any],
    config: Mapping[str, Any] | None = None,
    where: str = "from the settings beside its tensors",
    doubt: str = "",
) -> Deduction:
    """Return what the tensors, the dialect, the origin and the user say of a network, all of it checked.

    `config` holds facts read from `where`: a `config.json`, a graph, an order of layers. `doubt` says why the strides
    may not be the usual ones. Raises `ValueError` where the user contradicts what was read; the sentence has no
    subject, the caller knows the file's name.
    """
    dialect = match.dialect
    try:
        read = infer(match.shapes)
    except ValueError as error:
        return Deduction(None, {}, (str(error),))
    problems: list[str] = []
    if is_folded(match):
        read.pop("projection_norm", None)
    facts = {name: Fact(value, "read", "from its tensors") for name, value in read.items()}
    facts |= {name: Fact(value, "read", where) for name, value in (config or {}).items()}
    if where != FROM_GRAPH:
        kernel = "3x3" if read["stem"] == "cifar" else "7x7" if read["stem"] == "imagenet" else "of three 3x3"
        rest = "no stride and no pool" if read["stem"] == "cifar" else "stride 2 and a pool"
        facts["stem"] = Fact(read["stem"], "implied", f"{kernel} by its tensors; {rest} by habit")
    if any(name.endswith("shortcut.conv.weight") for name in match.shapes):
        kinds = [k for k in dialect.allows.get("shortcut", ("projection",)) if k in ("projection", "pooled_projection")]
        facts["shortcut"] = Fact((kinds or ["projection"])[0], "read", "its blocks hold projections")
    for name, value in told.items():
        if name in facts and facts[name].value != value:
            raise ValueError(
                f"has {name}={facts[name].value!r} ({facts[name].why}), and {name}={value!r} was told. "
                + ADAPTS.get(name, "Leave it out").format(value)
            )
        facts.setdefault(name, Fact(value, "told", "by you"))
    for name in field_names():
        if name not in facts and name not in ("name", "source", "size"):
            fact = _presumed(name, dialect, origin, read)
            if name == "strides" and doubt and fact:
                fact = Fact(fact.value, "unknown", doubt, (fact.value,))
            if fact:
                facts[name] = fact
    architecture, problem = _assembled({name: fact.value for name, fact in facts.items()})
    if architecture is None:
        return Deduction(None, facts, (problem,))
    doing = relevant(architecture)
    facts = {name: fact for name, fact in facts.items() if name in doing}
    problems += refusals(dialect, architecture, among=[name for name in (*read, "shortcut") if name != "conv_bias"])
    problems += _tensor_problems(match, architecture)
    return Deduction(architecture, facts, tuple(problems))


def is_folded(match: Match) -> bool:
    """Say whether its norms were folded into convolutions, which then have biases."""
    no_norms = not any(part in name for name in match.keys for part in (".norm", "norm."))
    return no_norms and not match.filled and any(name.endswith("conv1.bias") for name in match.keys)


def refusals(dialect: Dialect, architecture: Architecture, among: list[str] | None = None) -> list[str]:
    """Return a sentence for each fact of an architecture that a dialect cannot express."""
    doing = relevant(architecture)
    halving = _halving(len(architecture.blocks))
    unsaid = "strides" not in dialect.allows and (among is None or "strides" in among)
    strides = [
        f"{dialect.title} does not say where a network strides, and a reader would take {halving!r} for "
        f"strides={architecture.strides!r}"
    ] * (unsaid and architecture.strides != halving)
    return strides + [
        f"{dialect.title} has no network with {name}={getattr(architecture, name)!r}; it has "
        + " or ".join(map(repr, allowed))
        for name, allowed in dialect.allows.items()
        if name in doing and (among is None or name in among) and not _is_among(getattr(architecture, name), allowed)
    ]


def _halving(stages: int) -> tuple[int, ...]:
    """The strides of stages each of which but the first halves the map."""
    return (1, *(2,) * (stages - 1))


def _is_among(value: Any, allowed: tuple[Any, ...]) -> bool:
    """Roles with a bias are a set, in whichever order they stand; other tuples are sequences."""
    roles = isinstance(value, tuple) and all(isinstance(part, str) for part in value)
    return value in allowed or (roles and any(set(value) == set(other) for other in allowed))


def _presumed(name: str, dialect: Dialect, origin: Origin | None, read: Mapping[str, Any]) -> Fact | None:
    """What nobody wrote down: the maker's rule, the dialect's, the paper's, or nobody's."""
    if origin and name in origin.implies:
        return Fact(origin.implies[name], "implied", f"{origin.name}: {origin.mark}")
    allowed = dialect.allows.get(name, ())
    if name == "shortcut":  # it has no projections
        allowed = tuple(kind for kind in allowed or ("zero_pad", "none") if kind in ("zero_pad", "none"))
        if not allowed:
            return Fact("none", "read", "its blocks hold no projections")
    if name == "strides" and not allowed:
        return Fact(_halving(len(read["blocks"])), "implied", "He et al. 2015: each stage but the first halves the map")
    if len(allowed) == 1:
        return Fact(allowed[0], "implied", f"{dialect.title} ({dialect.source})")
    if allowed:
        return Fact(allowed[0], "unknown", f"{dialect.title} has both", allowed)
    return None  # the architecture's own default


def _assembled(values: dict[str, Any]) -> tuple[Architecture | None, str]:
    """The architecture with these facts, named after the row that it is nearest to."""
    try:
        bare = Architecture(name="unnamed", source="a file", **values)
        plan(bare)
    except (ValueError, TypeError) as error:
        return None, str(error)
    row = min(VARIANTS.values(), key=lambda other: _distance(bare, other))
    doing = relevant(bare)
    kept = {name: getattr(bare, name) for name in values if name in doing}
    if bare.block == "basic":
        kept |= {"cardinality": 1, "base_width": 64}
    return dataclasses.replace(row, **(_idle(bare, row, doing) | kept)), ""


def _idle(bare: Architecture, row: Architecture, doing: set[str]) -> dict[str, Any]:
    """Facts that do nothing are the row's, so that an unchanged network equals its row."""
    return {n: getattr(bare, n) for n in field_names() if n in doing} | {
        n: getattr(row, n) for n in field_names() if n not in doing
    }


def _distance(one: Architecture, other: Architecture) -> tuple[int, int]:
    """Facts that differ: those that make another network, then those in which a row is free."""
    differing = {name for name in relevant(one) if getattr(one, name) != getattr(other, name)}
    return len(differing - FREE), len(differing & FREE)


def _tensor_problems(match: Match, architecture: Architecture) -> list[str]:
    """What the plan wants and the file has not, has in another shape, or has beyond it."""
    wanted = plan(architecture).tensors()
    missing = [name for name in wanted if name not in match.keys and not can_default(match, name)]
    other = [
        f"{match.keys[name]} has shape {match.shapes[name]}, wanted {shape}"
        for name, shape in wanted.items()
        if name in match.shapes and match.shapes[name] != shape
    ]
    extra = [key for name, key in match.keys.items() if name not in wanted]
    return [
        f"{len(names)} {what}: {', '.join(names[:4])}{', ...' if len(names) > 4 else ''}"
        for what, names in (
            ("tensors are missing", missing),
            ("tensors are of another shape", other),
            ("tensors do not belong to it", extra),
        )
        if names
    ]


def can_default(match: Match, name: str) -> bool:
    """Say whether a tensor that is not in the file has a stated value."""
    parts = name.split(".")
    folded = is_folded(match) and any(part.startswith("norm") for part in parts)
    return name in match.filled or parts[-1] in match.dialect.defaults or folded
