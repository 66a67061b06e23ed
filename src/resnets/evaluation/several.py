"""SeveralReport: how a model of any number of classes for each picture did, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from resnets.evaluation.answers import Answers
from resnets.evaluation.calibration import Calibration
from resnets.evaluation.intervals import Interval
from resnets.evaluation.per_class import ClassResult, mean_f1
from resnets.evaluation.precision import ranking
from resnets.evaluation.slices import Slice


@dataclass(frozen=True, kw_only=True, slots=True)
class SeveralReport:
    """How a model did that gives each picture any number of classes, each with a probability of its own."""

    per_class: tuple[ClassResult, ...]
    pictures: int
    loss: float  # mean binary cross-entropy over pictures and classes, in nats
    skipped: tuple[tuple[str, str], ...]  # (picture, reason)
    intervals: Mapping[str, Interval] = field(default_factory=lambda: MappingProxyType({}))  # by name of the number
    calibration: Calibration | None = None
    slices: tuple[Slice, ...] = ()
    notes: tuple[str, ...] = ()

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

    @property
    def f1(self) -> float:
        """Mean F1 of the classes (macro average), each told from the others by a probability above one half."""
        return mean_f1(self.per_class)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values, with the numbers of each class."""
        return {
            "pictures": self.pictures,
            "map": self.mean_average_precision,
            "f1": self.f1,
            "loss": self.loss,
            "intervals": {name: one.to_dict() for name, one in self.intervals.items()},
            "per_class": [{**one.to_dict(), "average_precision": one.average_precision} for one in self.per_class],
            "calibration": None if self.calibration is None else self.calibration.to_dict(),
            "slices": [one.to_dict() for one in self.slices],
            "notes": list(self.notes),
            "skipped": [{"path": path, "error": reason} for path, reason in self.skipped],
        }


def several_report(answers: Answers) -> SeveralReport:
    """Return the report on pictures that may have several classes.

    Average precision is the sum over n of (R_n - R_n-1) P_n, as scikit-learn's, which does not interpolate. Raises
    `ValueError` where no picture has a class.
    """
    labels, logits = answers.labels, answers.logits
    if not labels.any():
        raise ValueError("no picture has any of the classes, so no ranking of them is better than another")
    above = logits > 0  # a probability above one half
    once, results = np.ones(len(answers), np.int32), []
    for name, has, said, ranked in zip(answers.classes, labels.T, above.T, logits.T, strict=True):
        precision = ranking(ranked, has).average_precision(once)
        found, missed, mistaken = (int((a & b).sum()) for a, b in ((has, said), (has, ~said), (~has, said)))
        results.append(
            ClassResult(name=name, average_precision=precision, found=found, missed=missed, mistaken=mistaken)
        )
    return SeveralReport(
        per_class=tuple(results),
        pictures=len(answers),
        loss=answers.loss(),
        skipped=answers.skipped,
        notes=answers.notes,
    )
