"""Natural order: numbers inside a name count as numbers, so 1, 2, 10 come in that order."""

from __future__ import annotations

import re
from collections.abc import Iterable

from resnets.data.reading import ClassOrder


def natural_key(name: str) -> str:
    """Return a text that sorts as the name does: a number before any other sign, and a shorter one first.

    The name itself decides between 1 and 01, which are the same number.
    """
    key = re.sub(r"[0-9]+", _number, name)
    return f"{key}\x01{name}" if re.search(r"(?<![0-9])0[0-9]", name) else key


def _number(digits: re.Match[str]) -> str:
    text = digits[0].lstrip("0")
    return f"\x02{chr(len(text))}{text}"


def natural_order(names: Iterable[str]) -> list[str]:
    """Return names in natural order."""
    return sorted(names, key=natural_key)


def class_sorted(names: Iterable[str], order: ClassOrder) -> list[str]:
    """Return class names in the order of their numbers: natural, or as strings (1, 10, 2)."""
    return natural_order(names) if order == "natural" else sorted(names)
