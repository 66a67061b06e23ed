"""Average precision of many sets drawn from the same answers, without ranking each anew."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from resnets.evaluation.answers import Answers
from resnets.evaluation.intervals import RESAMPLES, Interval, ends_of

Counts = npt.NDArray[np.int32]

MOST_LOOKS, FEWEST = 200_000_000, 200
"""Answers that are looked at for an interval, before fewer than `RESAMPLES` sets are drawn, and the fewest of these:
200 million are 2,000 sets of 5,000 pictures of 20 classes, and some seconds."""


@dataclass(frozen=True, eq=False, slots=True)
class Ranking:
    """The pictures in the order in which one class ranks them, and those that have it.

    Pictures of equal answers are found together, at the `ends` of their runs; only runs in which somebody has the class
    are looked at. `having` are those pictures, and `firsts` where the ones of each run begin among them.
    """

    order: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    having: npt.NDArray[np.int64]
    firsts: npt.NDArray[np.int64]

    def average_precision(self, counts: Counts) -> float | None:
        """Return the sum over n of (R_n - R_n-1) P_n, where picture i stands `counts[i]` times; None where none has it.

        As scikit-learn's `average_precision_score` with weights.
        """
        if not len(self.having):
            return None
        more = np.add.reduceat(counts[self.having], self.firsts)
        found = np.cumsum(more)
        if not found[-1]:
            return None
        looked_at = np.cumsum(counts.take(self.order), dtype=np.int32)[self.ends]
        return float((more * (found / np.maximum(looked_at, 1))).sum() / found[-1])


def ranking(scores: npt.NDArray[np.float32], has: npt.NDArray[np.bool_]) -> Ranking:
    """Rank N pictures by one class's logits (N,)."""
    order = np.argsort(-scores, kind="stable")
    ranked, there = scores[order], np.flatnonzero(has[order])
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    ends, firsts = np.unique(last[np.searchsorted(last, there)], return_index=True)
    return Ranking(order, ends, order[there], firsts)


def precision_interval(answers: Answers, seed: int = 0) -> Interval:
    """Return the mean average precision over the classes that occur, and its percentile bootstrap interval.

    A class that a drawn set lacks counts there as little as one that the pictures lack.
    """
    rankings = [ranking(logits, has) for logits, has in zip(answers.logits.T, answers.labels.T, strict=True)]
    generator, size = np.random.default_rng(seed), len(answers)
    times = min(max(MOST_LOOKS // (size * len(rankings)), FEWEST), RESAMPLES)
    drawn = [_mean(rankings, _counts(generator.integers(size, size=size))) for _ in range(times)]
    low, high = ends_of(np.array([one for one in drawn if one is not None]))
    value = _mean(rankings, _counts(np.arange(size)))
    assert value is not None  # a report is made of pictures that have a class
    return Interval(value, low, high)


def _counts(pictures: npt.NDArray[np.int64]) -> Counts:
    return np.bincount(pictures, minlength=len(pictures)).astype(np.int32)


def _mean(rankings: list[Ranking], counts: Counts) -> float | None:
    known = [one for each in rankings if (one := each.average_precision(counts)) is not None]
    return float(np.mean(known)) if known else None
