"""Facts: the plain values beside a checkpoint's tensors, the shallowest first, within bounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from resnets.files.pickled_objects import Named, Span
from resnets.weights.containers.tensor_views import NotRead, Storage

MOST_FACTS = 2_000
"""Of one file; a whole pickled ResNet-50 says some hundred settings of its layers."""

MOST_LOOKED_AT = 50_000
"""Before the shallowest are chosen."""

MOST_ITEMS = 1_000
"""Of a list that is kept as one fact: ImageNet's class names."""

MOST_CHARACTERS = 1 << 20
"""Of all texts together."""


class Facts:
    """What was found so far."""

    def __init__(self) -> None:
        self._found: list[tuple[int, str, Any]] = []

    def add(self, name: str, depth: int, value: object) -> bool:
        """Note a plain value or a list of such; return whether it was one, whose parts need no look."""
        if isinstance(value, list | tuple):
            if not value or not is_plain(value):
                return not value
        elif isinstance(value, set | frozenset):
            return True
        elif not is_plain(value):
            value = _words(value)
        if value is not None and name and len(self._found) < MOST_LOOKED_AT:
            self._found.append((depth, name, value))
        return True

    def chosen(self) -> Mapping[str, Any]:
        """Return the shallowest ones by name, in the file's order within a depth."""
        chosen: dict[str, Any] = {}
        left = MOST_CHARACTERS
        for _, name, value in sorted(self._found, key=lambda fact: fact[0]):
            left_after = left - _characters(name) - _characters(value)
            if len(chosen) >= MOST_FACTS:
                break
            if name not in chosen and left_after >= 0:
                chosen[name], left = value, left_after
        return chosen


def is_plain(value: object) -> bool:
    """Return whether a value is one fact: a number, a text, a truth value, or a short list of them."""
    if isinstance(value, list | tuple):
        return len(value) <= MOST_ITEMS and all(isinstance(item, _PLAIN) for item in value)
    return isinstance(value, _PLAIN)


_PLAIN = (bool, int, float, str)


def _characters(value: object) -> int:
    if isinstance(value, list | tuple):
        return sum(map(_characters, value))
    return len(value) if isinstance(value, str) else 8


def _words(value: object) -> str | None:
    """Say what a value is that is not plain and has no parts; None for what is not worth a word."""
    match value:
        case NotRead():
            return f"not read: {value.what}"
        case Storage():
            return f"not read: a storage of {value.size:,} bytes"
        case Span():
            return f"not read: a string of {value.size:,} bytes"
        case Named():
            return value.name.replace(" ", ".")
    return None
