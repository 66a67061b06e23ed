"""Slices: how a model did on parts of the pictures, such as those of each camera."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from resnets.evaluation.intervals import Interval, share_interval

MOST = 100
"""Values of a column that are told apart; a column of more is a number or a name, not a kind."""


@dataclass(frozen=True, slots=True)
class Slice:
    """The pictures that have one value in one column, and the share of them that was answered rightly."""

    column: str
    value: str
    pictures: int
    top1: Interval

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values."""
        return {"column": self.column, "value": self.value, "pictures": self.pictures, "top1": self.top1.to_dict()}


def slices(column: str, values: Sequence[str], right: npt.NDArray[np.bool_]) -> tuple[Slice, ...]:
    """Return how N pictures with these values did, the worst first; raise `ValueError` for too many values."""
    kinds, places = np.unique(np.asarray(values, dtype=np.str_), return_inverse=True)
    if len(kinds) > MOST:
        raise ValueError(
            f"column {column} has {len(kinds):,} different values for {len(values):,} pictures; allowed: up to {MOST}. "
            "Slice by a column of few kinds, or make one from it"
        )
    counts, good = np.bincount(places), np.bincount(places, weights=right)
    found = [
        Slice(column, str(kind), int(count), share_interval(int(hits), int(count)))
        for kind, count, hits in zip(kinds, counts, good, strict=True)
    ]
    return tuple(sorted(found, key=lambda one: (one.top1.value, one.value)))
