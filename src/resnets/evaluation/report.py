"""Report: how a model of one class for each picture did, as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """How a model did. `confusion[t][p]` counts pictures of class t taken for class p; shares are in [0, 1]."""

    classes: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    top5_right: int
    loss: float  # mean cross-entropy, in nats
    skipped: tuple[tuple[str, str], ...]  # (picture, reason)

    @property
    def headline(self) -> tuple[str, float]:
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

    def interval(self) -> tuple[float, float]:
        """Return Wilson's 95 % interval of `top1`: what such a test set can tell."""
        from scipy.stats import binomtest

        low, high = binomtest(self.right, self.pictures).proportion_ci(method="wilson")
        return float(low), float(high)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values, with accuracy and number of pictures for each class."""
        per_class = [
            {"class": name, "pictures": sum(row), "top1": row[index] / sum(row) if sum(row) else None}
            for index, (name, row) in enumerate(zip(self.classes, self.confusion, strict=True))
        ]
        return {
            "pictures": self.pictures,
            "top1": self.top1,
            "top1_interval": list(self.interval()),
            "top5": self.top5,
            "loss": self.loss,
            "per_class": per_class,
            "confusion": [list(row) for row in self.confusion],
            "skipped": [{"path": path, "error": reason} for path, reason in self.skipped],
        }


def class_report(
    labels: npt.NDArray[np.int64],
    firsts: npt.NDArray[np.int64],
    among_five: npt.NDArray[np.bool_],
    losses: npt.NDArray[np.float64],
    classes: tuple[str, ...],
    skipped: Sequence[tuple[str, str]],
) -> Report:
    """Return the report on N pictures, of which each argument has a value: `among_five` says whether the label is.

    Raises `ValueError` where there is no picture.
    """
    if not len(labels):
        raise ValueError("there is no picture to evaluate on")
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(confusion, (labels, firsts), 1)
    return Report(
        classes=classes,
        confusion=tuple(tuple(int(n) for n in row) for row in confusion),
        top5_right=int(among_five.sum()),
        loss=float(losses.sum()) / len(labels),
        skipped=tuple(skipped),
    )
