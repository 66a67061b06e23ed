"""ClassResult: how one class was told from the others, as counts; precision, recall and F1 are shares of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassResult:
    """How one class was told from the others. A number that nothing was there to tell is None; shares are in [0, 1]."""

    name: str
    found: int  # pictures that have it, and were said to
    missed: int  # pictures that have it, and were not said to
    mistaken: int  # pictures that do not have it, and were said to
    average_precision: float | None = None  # of pictures ranked by its probability, where there may be several classes

    @property
    def pictures(self) -> int:
        """Number of pictures that have it."""
        return self.found + self.missed

    @property
    def precision(self) -> float | None:
        """Share of the pictures it was found in that have it."""
        return _share(self.found, self.found + self.mistaken)

    @property
    def recall(self) -> float | None:
        """Share of the pictures that have it in which it was found."""
        return _share(self.found, self.pictures)

    @property
    def f1(self) -> float | None:
        """The harmonic mean of precision and recall."""
        return _share(2 * self.found, 2 * self.found + self.missed + self.mistaken)

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers of what was said as JSON-able values, without the ranking."""
        shares = {"precision": self.precision, "recall": self.recall, "f1": self.f1}
        return {"class": self.name, "pictures": self.pictures, **shares}


def mean_f1(classes: tuple[ClassResult, ...]) -> float:
    """Return the mean F1 of the classes that occur or were said: each counts alike, however rare (macro average)."""
    known = [one.f1 for one in classes if one.f1 is not None]
    return sum(known) / len(known)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
