"""Selective answers: which share of its mistakes a model is spared when it may say that it does not know.

El-Yaniv and Wiener 2010, On the foundations of noise-free selective classification; Geifman et al. 2019,
Bias-reduced uncertainty estimation for deep neural classifiers, for the area.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt

from resnets.evaluation.answers import Probabilities

POINTS = 100
"""Of the curve: one for each hundredth of the pictures."""


@dataclass(frozen=True, slots=True)
class Point:
    """What happens when a model answers `coverage` of the pictures, those it is surest of."""

    coverage: float  # share of pictures that are answered
    risk: float  # share of the answers that are wrong
    threshold: float  # the lowest probability that is still answered


@dataclass(frozen=True, slots=True)
class RiskCoverage:
    """The curve, from the surest answers to all; `area` below it is the mean risk over all coverages (AURC)."""

    points: tuple[Point, ...]
    area: float

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values."""
        points = [{"coverage": p.coverage, "risk": p.risk, "threshold": p.threshold} for p in self.points]
        return {"area": self.area, "points": points}


def risk_coverage(confidences: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> RiskCoverage:
    """Return the curve of N answers, by their confidence in [0, 1] and whether they are right.

    Answers of equal confidence come and go together: of them each counts as wrong as they are on average.
    """
    order = np.argsort(-confidences, kind="stable")
    sure, wrong = confidences[order], 1.0 - right[order]
    _, starts, sizes = np.unique(-sure, return_index=True, return_counts=True)
    wrong = np.repeat(np.add.reduceat(wrong, starts) / sizes, sizes)
    risks = np.cumsum(wrong) / np.arange(1, len(wrong) + 1)
    places = np.unique(-(-np.arange(1, POINTS + 1) * len(sure) // POINTS)) - 1  # whole numbers: 7 % of 100 are 7
    points = tuple(Point((place + 1) / len(sure), float(risks[place]), float(sure[place])) for place in places)
    return RiskCoverage(points, float(risks.mean()))


def check_coverage(coverage: float) -> None:
    """Raise `ValueError` for a coverage outside (0, 1]."""
    if not 0 < coverage <= 1:
        raise ValueError(f"coverage={coverage} is not possible; allowed: above 0, up to 1, the share that is answered")


def threshold_at(probabilities: Probabilities, coverage: float) -> float:
    """Return the probability from which answers are given so that `coverage` of these pictures get one, to six digits.

    `probabilities` are (N, C), of pictures like those to come. Raises `ValueError` for a coverage outside (0, 1].
    """
    check_coverage(coverage)
    sure = np.sort(probabilities.max(1))[::-1]
    answered = ceil(round(coverage * len(sure), 6))  # 0.07 of 100 is 7.000000000000001
    lowest = float(sure[answered - 1])
    # Half a millionth below: who asks for it computes in float32, and must find the same pictures.
    return max(float(np.floor(lowest * 1e6 - 0.5) / 1e6), 1e-6)
