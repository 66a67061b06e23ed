"""Intervals: what such a test set can tell, by drawing it anew many times (the bootstrap; Efron 1979)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

RESAMPLES = 2_000
"""Times that a set is drawn anew: enough that the ends of an interval hardly move with the seed."""

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """A number, and between which ends it lies at 95 %."""

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float]:
        """Return the three numbers."""
        return {"value": self.value, "low": self.low, "high": self.high}


def ends_of(drawn: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Return the ends between which 95 % of the drawn numbers lie (the percentile interval)."""
    low, high = np.quantile(drawn, ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2))
    return float(low), float(high)


def interval_of_counts(
    statistic: Callable[[npt.NDArray[np.int64]], float], counts: npt.NDArray[np.int64], seed: int = 0
) -> Interval:
    """Return a statistic of K counts and its percentile bootstrap interval.

    To draw N pictures anew is to draw their counts from a multinomial distribution: no picture is drawn by itself.
    """
    total, generator = int(counts.sum()), np.random.default_rng(seed)
    drawn = [statistic(generator.multinomial(total, counts / total)) for _ in range(RESAMPLES)]
    return Interval(float(statistic(counts)), *ends_of(np.array(drawn)))


def share_interval(part: int, whole: int, seed: int = 0) -> Interval:
    """Return a share of N pictures and its bootstrap interval; where all or none are, Wilson's.

    To draw such a set anew is to draw from a binomial distribution. A set without a mistake has none however it is
    drawn, and yet does not prove that there is none: Wilson's interval says so.
    """
    if part in (0, whole):
        from scipy.stats import binomtest

        low, high = binomtest(part, whole).proportion_ci(CONFIDENCE, method="wilson")
        return Interval(part / whole, float(low), float(high))
    drawn = np.random.default_rng(seed).binomial(whole, part / whole, RESAMPLES) / whole
    return Interval(part / whole, *ends_of(drawn))
