"""Report: how a model of one class for each picture did, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from resnets.evaluation.answers import Answers
from resnets.evaluation.calibration import Calibration
from resnets.evaluation.intervals import Interval, share_interval
from resnets.evaluation.per_class import ClassResult, mean_f1
from resnets.evaluation.selective import RiskCoverage
from resnets.evaluation.slices import Slice

Headline = tuple[str, float]
"""The one number to go by, and what it is called."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """How a model did. `confusion[t][p]` counts pictures of class t taken for class p; shares are in [0, 1].

    What a training run looks at after each epoch is the counts; the rest is there after `judge`.
    """

    classes: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    top5_right: int
    loss: float  # mean cross-entropy, in nats, of the plain logits
    skipped: tuple[tuple[str, str], ...]  # (picture, reason)
    intervals: Mapping[str, Interval] = field(default_factory=lambda: MappingProxyType({}))  # by name of the number
    calibration: Calibration | None = None
    coverage: RiskCoverage | None = None
    slices: tuple[Slice, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def headline(self) -> Headline:
        """Return the one number to go by, and what it is called."""
        return "top1", self.top1

    @property
    def pictures(self) -> int:
        """Number of pictures that were counted."""
        return sum(map(sum, self.confusion))

    @property
    def right(self) -> int:
        """Number of pictures whose first answer is right."""
        return sum(row[index] for index, row in enumerate(self.confusion))

    @property
    def top1(self) -> float:
        """Share of pictures whose first answer is right."""
        return self.right / self.pictures

    @property
    def top5(self) -> float:
        """Share of pictures with the right answer among the first five."""
        return self.top5_right / self.pictures

    @property
    def per_class(self) -> tuple[ClassResult, ...]:
        """How each class was told from the others."""
        columns = [sum(column) for column in zip(*self.confusion, strict=True)]
        return tuple(
            ClassResult(name=name, found=row[k], missed=sum(row) - row[k], mistaken=columns[k] - row[k])
            for k, (name, row) in enumerate(zip(self.classes, self.confusion, strict=True))
        )

    @property
    def f1(self) -> float:
        """Mean F1 of the classes (macro average)."""
        return mean_f1(self.per_class)

    def interval(self) -> tuple[float, float]:
        """Return the 95 % interval of `top1`: what such a test set can tell."""
        found = share_interval(self.right, self.pictures)
        return found.low, found.high

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values."""
        return {
            "pictures": self.pictures,
            "top1": self.top1,
            "top1_interval": list(self.interval()),
            "top5": self.top5,
            "f1": self.f1,
            "loss": self.loss,
            "intervals": {name: one.to_dict() for name, one in self.intervals.items()},
            "per_class": [one.to_dict() for one in self.per_class],
            "confusion": [list(row) for row in self.confusion],
            "calibration": None if self.calibration is None else self.calibration.to_dict(),
            "coverage": None if self.coverage is None else self.coverage.to_dict(),
            "slices": [one.to_dict() for one in self.slices],
            "notes": list(self.notes),
            "skipped": [{"path": path, "error": reason} for path, reason in self.skipped],
        }


def class_report(answers: Answers) -> Report:
    """Return the counts of answers to pictures of one class each."""
    return Report(
        classes=answers.classes,
        confusion=tuple(tuple(int(n) for n in row) for row in confusion(answers)),
        top5_right=int(among_first(answers, 5).sum()),
        loss=answers.loss(),
        skipped=answers.skipped,
        notes=answers.notes,
    )


def confusion(answers: Answers) -> npt.NDArray[np.int64]:
    """Return (C, C) counts of pictures, by their class and by the first answer."""
    count = len(answers.classes)
    cells = answers.labels * count + answers.logits.argmax(1)
    counts: npt.NDArray[np.int64] = np.bincount(cells, minlength=count * count).reshape(count, count)
    return counts


def among_first(answers: Answers, count: int) -> npt.NDArray[np.bool_]:
    """Say of each picture whether its class is among the first answers; of equal ones the first class goes first."""
    own = answers.logits[np.arange(len(answers)), answers.labels][:, None]
    earlier = np.arange(answers.logits.shape[1]) < answers.labels[:, None]
    before: npt.NDArray[np.int64] = ((answers.logits > own) | ((answers.logits == own) & earlier)).sum(1)
    return before < count
