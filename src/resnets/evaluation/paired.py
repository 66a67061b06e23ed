"""Paired: two models on the same pictures, and whether their gap is more than noise."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from resnets.evaluation.answers import Answers
from resnets.evaluation.intervals import Interval, interval_of_counts, share_interval
from resnets.evaluation.judge import all_right

NOISE = 0.05
"""Chance that two equally good models are taken for unequal ones."""

POWER = 0.8
"""Chance with which so many pictures as are advised show a gap that is there."""

Verdict = Literal["noise", "one", "other"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Paired:
    """Two models on the same pictures: how often each alone was right (McNemar 1947)."""

    both: int
    one_alone: int
    other_alone: int
    neither: int

    @property
    def pictures(self) -> int:
        """Number of pictures."""
        return self.both + self.one_alone + self.other_alone + self.neither

    @property
    def p_value(self) -> float:
        """The chance of so uneven a parting, or a more uneven one, if neither were better: McNemar's exact test."""
        from scipy.stats import binomtest

        parted = self.one_alone + self.other_alone
        return float(binomtest(self.one_alone, parted).pvalue) if parted else 1.0

    @property
    def gap(self) -> Interval:
        """The share by which the first is right more often, with its paired 95 % bootstrap interval."""
        parted = self.one_alone + self.other_alone
        if not parted:  # however they are drawn they never part, and yet on others they might: Wilson says how often
            end = share_interval(0, self.pictures).high
            return Interval(0.0, -end, end)
        cells = np.array([self.one_alone, self.other_alone, self.pictures - parted])
        return interval_of_counts(lambda drawn: float((drawn[0] - drawn[1]) / self.pictures), cells)

    @property
    def verdict(self) -> Verdict:
        """Which is better, or noise where the test does not tell them apart."""
        if self.p_value >= NOISE:
            return "noise"
        return "one" if self.one_alone > self.other_alone else "other"

    @property
    def needed(self) -> int | None:
        """How many pictures would show a gap like this one, if it is there; None where there is none to show.

        Connor 1987, Sample size for testing differences in proportions for the paired-sample design.
        """
        from scipy.stats import norm

        parted = (self.one_alone + self.other_alone) / self.pictures
        gap = abs(self.one_alone - self.other_alone) / self.pictures
        if not gap:
            return None
        sure, power = norm.ppf(1 - NOISE / 2), norm.ppf(POWER)
        return ceil(float((sure * parted**0.5 + power * (parted - gap**2) ** 0.5) / gap) ** 2)

    def sentence(self) -> str:
        """Return what was found, in one line."""
        gap, alone = self.gap, f"{self.one_alone:,} and {self.other_alone:,} of {self.pictures:,}"
        told = (
            f"gap {100 * gap.value:+.2f} points ({100 * gap.low:+.2f} to {100 * gap.high:+.2f} at 95 %); "
            f"right alone {alone}, McNemar's p {self.p_value:.2g}"
        )
        if self.verdict != "noise":
            return f"{told}: the {'first' if self.verdict == 'one' else 'second'} is better"
        enough = "" if self.needed is None else f"; such a gap would show on about {self.needed:,} pictures"
        return f"{told}: noise{enough}"

    def to_dict(self) -> dict[str, Any]:
        """Return counts, gap, test and verdict as JSON-able values."""
        return {
            "pictures": self.pictures,
            "both": self.both,
            "one_alone": self.one_alone,
            "other_alone": self.other_alone,
            "neither": self.neither,
            "gap": self.gap.to_dict(),
            "p_value": self.p_value,
            "verdict": self.verdict,
            "needed": self.needed,
        }


def paired(one: Answers, other: Answers) -> Paired:
    """Count on which of the same pictures each was right; those that either could not be shown are left out.

    Raises `ValueError` where they have no picture in common.
    """
    _, mine, its = np.intersect1d(one.indices, other.indices, assume_unique=True, return_indices=True)
    if not len(mine):
        raise ValueError("the two were not asked about one picture in common")
    first, second = all_right(one)[mine], all_right(other)[its]
    return Paired(
        both=_count(first & second),
        one_alone=_count(first & ~second),
        other_alone=_count(second & ~first),
        neither=_count(~first & ~second),
    )


def _count(which: npt.NDArray[np.bool_]) -> int:
    return int(which.sum())
