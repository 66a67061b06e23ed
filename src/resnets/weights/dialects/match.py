"""Match: find the network in a file, under whichever wrapper and in whichever dialect it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from resnets.weights.containers.contents import Stored
from resnets.weights.dialects import tokens
from resnets.weights.dialects.aside import counted, part_of
from resnets.weights.dialects.dialect import Dialect, our_shape, parse
from resnets.weights.dialects.graph import Numbers
from resnets.weights.dialects.registry import DIALECTS

Tensors = Mapping[str, Stored]

MOST_NETWORKS = 32
"""In one file: a student, a teacher and averages of them are a handful, and each costs a walk through all names."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Match:
    """A network found in a file.

    `keys` leads from each tensor of ours to the file's own name of it. `aside` counts what belongs to other
    parts (a detector's heads, an optimizer); `left` are the names under the prefix that nobody knows.
    """

    dialect: Dialect
    prefix: str
    keys: Mapping[str, str]
    shapes: Mapping[str, tuple[int, ...]]  # of our tensors, as ours are
    aside: Mapping[str, int] = field(default_factory=dict)
    left: tuple[str, ...] = ()
    turns: Mapping[str, Numbers] = field(default_factory=dict)  # where a graph says how each tensor is turned
    filled: Mapping[str, float] = field(default_factory=dict)  # tensors that the file lacks and that change nothing

    def words(self) -> set[str]:
        """Return the last words of its layers' names, such as "linear" or "shortcut"."""
        return {word for key in self.keys.values() for word in key.removeprefix(self.prefix).split(".")}


def matches(tensors: Tensors) -> list[Match]:
    """Return every network found: those that explain more of the file first, then in the table's order.

    Raises `ValueError` for a file of more than `MOST_NETWORKS`; the sentence has no subject.
    """
    found = [
        _match(dialect, prefix, tensors) for dialect in DIALECTS.values() for prefix in _prefixes(dialect, tensors)
    ]
    return sorted(found, key=lambda match: (len(match.left), -len(match.keys)))


def without_head(match: Match) -> Match:
    """Return the trunk of a match, its head and whatever stands in a head's place set aside."""
    trunk = {ours: key for ours, key in match.keys.items() if not ours.startswith("head.")}
    words = {_first_word(key.removeprefix(match.prefix)) for key in trunk.values()}
    aside = [key for key in match.left if _first_word(key.removeprefix(match.prefix)) not in words]
    count = len(aside) + len(match.keys) - len(trunk)
    return replace(
        match,
        keys=trunk,
        shapes={ours: shape for ours, shape in match.shapes.items() if ours in trunk},
        aside={**match.aside, "its head": count} if count else match.aside,
        left=tuple(key for key in match.left if key not in aside),
    )


def _prefixes(dialect: Dialect, tensors: Tensors) -> Iterator[str]:
    """Whatever stands before the stem and before the first block alike: `module.`, `state_dict.`, in any order."""
    slots = dialect.slots["conv"]["weight"]
    stems = _written(dialect, "stem.conv1")
    firsts = _written(dialect, "stages.{stage}.{block}.branch.conv{n}")
    seen: set[str] = set()
    for key in tensors:
        for slot in slots:
            for stem in stems:
                anchor = slot.replace("*", stem)
                prefix = key[: len(key) - len(anchor)]
                if not key.endswith(anchor) or prefix in seen or prefix[-1:] not in ("", ".", "/"):
                    continue
                if any(prefix + slot.replace("*", first) in tensors for first in firsts):
                    seen.add(prefix)
                    if len(seen) > MOST_NETWORKS:
                        raise ValueError(f"holds more than {MOST_NETWORKS} networks under names of {dialect.title}")
                    yield prefix


def _written(dialect: Dialect, ours: str) -> list[str]:
    return [tokens.write(theirs, {"stage": 0, "block": 0, "n": 1}, (1,)) for theirs in dialect.layers[ours]]


def _match(dialect: Dialect, prefix: str, tensors: Tensors) -> Match:
    keys: dict[str, str] = {}
    others: list[str] = []
    for key in tensors:
        ours = parse(dialect, key[len(prefix) :]) if key.startswith(prefix) else None
        if ours is None or ours in keys:
            others.append(key)
        else:
            keys[ours] = key
    if "head.linear.weight" not in keys:
        keys |= _head_outside(dialect, prefix, tensors)
    taken = set(keys.values())
    parts = {key: part_of(key.removeprefix(prefix)) for key in others if key not in taken}
    outside = {key for key in parts if not key.startswith(prefix)}
    return Match(
        dialect=dialect,
        prefix=prefix,
        keys=keys,
        shapes={ours: our_shape(dialect, ours, tensors[key].shape) for ours, key in keys.items()},
        aside=counted(
            part or f"beside it, {_beside(key, prefix)!r}" for key, part in parts.items() if part or key in outside
        ),
        left=tuple(key for key, part in parts.items() if not part and key not in outside),
    )


def _head_outside(dialect: Dialect, prefix: str, tensors: Tensors) -> dict[str, str]:
    """The head of a network whose trunk alone is wrapped: `backbone.layer1...` beside `head.fc.weight`."""
    words = prefix.split(".")[:-1]
    for depth in range(len(words) - 1, -1, -1):
        above = "".join(f"{word}." for word in words[:depth])
        found = {
            ours: key
            for key in tensors
            if key.startswith(above) and (ours := parse(dialect, key[len(above) :])) and ours.startswith("head.")
        }
        if "head.linear.weight" in found:
            return found
    return {}


def _beside(key: str, prefix: str) -> str:
    """Where a tensor outside the wrapper is: its words up to the first that the wrapper has not."""
    words, own = key.replace("/", ".").split("."), prefix.replace("/", ".").split(".")
    same = next((i for i, word in enumerate(words) if i >= len(own) or word != own[i]), len(words) - 1)
    return ".".join(words[: same + 1])


def _first_word(key: str) -> str:
    return key.replace("/", ".").partition(".")[0]
