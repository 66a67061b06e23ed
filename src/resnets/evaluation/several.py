"""SeveralReport: how a model of any number of classes for each picture did, as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassResult:
    """How one class was told from the others. A number that nothing was there to tell is None; shares are in [0, 1]."""

    name: str
    average_precision: float | None  # of its pictures ranked among all by probability; None where none has it
    found: int  # pictures that have it, and are given a probability above one half
    missed: int  # pictures that have it, and are not
    mistaken: int  # pictures that do not have it, and are

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
        """Return the numbers as JSON-able values."""
        return {
            "class": self.name,
            "pictures": self.pictures,
            "average_precision": self.average_precision,
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class SeveralReport:
    """How a model did that gives each picture any number of classes, each with a probability of its own."""

    per_class: tuple[ClassResult, ...]
    pictures: int
    loss: float  # mean binary cross-entropy over pictures and classes, in nats
    skipped: tuple[tuple[str, str], ...]  # (picture, reason)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return tuple(one.name for one in self.per_class)

    @property
    def mean_average_precision(self) -> float:
        """Mean average precision over the classes that occur."""
        known = [one.average_precision for one in self.per_class if one.average_precision is not None]
        return float(np.mean(known))

    @property
    def headline(self) -> tuple[str, float]:
        """Return the one number to go by, and what it is called."""
        return "map", self.mean_average_precision

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values, with the numbers of each class."""
        return {
            "pictures": self.pictures,
            "map": self.mean_average_precision,
            "loss": self.loss,
            "per_class": [one.to_dict() for one in self.per_class],
            "skipped": [{"path": path, "error": reason} for path, reason in self.skipped],
        }


def several_report(
    labels: npt.NDArray[np.bool_],
    logits: npt.NDArray[np.float32],
    classes: tuple[str, ...],
    skipped: Sequence[tuple[str, str]],
) -> SeveralReport:
    """Return the report on pictures whose labels and logits are (N, classes).

    Average precision is scikit-learn's, sum over n of (R_n - R_n-1) P_n, which does not interpolate. Raises
    `ValueError` where there is no picture, none has a class, or a logit is no number.
    """
    from sklearn.metrics import average_precision_score

    if not len(labels):
        raise ValueError("there is no picture to evaluate on")
    if not labels.any():
        raise ValueError("no picture has any of the classes, so no ranking of them is better than another")
    if not np.isfinite(logits).all():
        raise ValueError("the network answers with numbers that are not finite; take an earlier checkpoint")
    above = logits > 0  # a probability above one half
    results = []
    for name, has, said, ranked in zip(classes, labels.T, above.T, logits.T, strict=True):
        precision = float(average_precision_score(has, ranked)) if has.any() else None
        found, missed, mistaken = (int((a & b).sum()) for a, b in ((has, said), (has, ~said), (~has, said)))
        results.append(
            ClassResult(name=name, average_precision=precision, found=found, missed=missed, mistaken=mistaken)
        )
    wide = logits.astype(np.float64)
    losses = np.logaddexp(0, wide) - wide * labels
    return SeveralReport(
        per_class=tuple(results), pictures=len(labels), loss=float(losses.mean()), skipped=tuple(skipped)
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
