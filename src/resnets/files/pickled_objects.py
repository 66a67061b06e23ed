"""Pickled objects: what a stream says of a thing that is neither imported nor made here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Named:
    """A name that a stream mentions, such as "numpy ndarray": the name itself, and nothing behind it."""

    name: str


@dataclass(eq=False, slots=True)
class Opaque:
    """What calling `name` with `arguments` would have made, and what the stream then did to it.

    It set `state` (opcode BUILD), `items` (SETITEMS) and `parts` (APPENDS, ADDITEMS). Nothing was called. Two of
    them are equal only where they are the same, so that comparing them is cheap.
    """

    name: str
    arguments: tuple[object, ...] = ()
    state: object = None
    items: dict[Any, Any] = field(default_factory=dict)
    parts: list[Any] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Span:
    """A long string that was left in the file: `size` bytes from `offset` on, which are UTF-8 where `is_text`."""

    offset: int
    size: int
    is_text: bool
