"""Calibration: whether a probability means what it says, and the temperature that makes it so.

Guo et al. 2017, On calibration of modern neural networks, sections 2 and 4.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log
from typing import Any

import numpy as np
import numpy.typing as npt

from resnets.evaluation.answers import Answers, Probabilities, Temperature

BINS = 15
"""Of a reliability diagram: equal steps of confidence, as in Guo et al. 2017, section 5."""

COLDEST, HOTTEST = 1 / 64, 64.0
"""Temperatures that are looked at; a network that wants another one is not to be mended by a temperature."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Answers of about the same confidence, in [0, 1]; the means are None where there is none."""

    lower: float
    upper: float  # inclusive
    count: int
    confidence: float | None  # the mean of what was said
    accuracy: float | None  # the share that was right


@dataclass(frozen=True, slots=True)
class Reliability:
    """How far probabilities are from what happens. All but `loss` are in [0, 1], and 0 is best."""

    bins: tuple[Bin, ...]
    ece: float  # expected calibration error: the mean of |accuracy - confidence| over answers, by bin
    loss: float  # mean negative log-likelihood, in nats
    brier: float  # mean over answers of the squared distance to the truth: up to 2 for one class of many

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values."""
        return {
            "ece": self.ece,
            "loss": self.loss,
            "brier": self.brier,
            "bins": [
                {
                    "lower": b.lower,
                    "upper": b.upper,
                    "count": b.count,
                    "confidence": b.confidence,
                    "accuracy": b.accuracy,
                }
                for b in self.bins
            ],
        }


@dataclass(frozen=True, slots=True)
class Calibration:
    """Reliability of the plain logits, and of the logits over a temperature; `source` says where that comes from."""

    temperature: float
    source: str
    before: Reliability
    after: Reliability

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values."""
        return {
            "temperature": self.temperature,
            "source": self.source,
            "before": self.before.to_dict(),
            "after": self.after.to_dict(),
        }


def reliability(answers: Answers, temperature: Temperature = 1.0, bins: int = BINS) -> Reliability:
    """Return how far the probabilities at a temperature are from what is true of the pictures.

    Of one class for each picture, the confidence is the largest probability, and right is who has that class; where
    there may be several, each class of each picture is an answer, and its confidence the probability that it is there.
    """
    given = np.broadcast_to(temperature, len(answers))
    seen = [_look(part, part.probabilities(given[rows])) for rows, part in answers.parts()]
    confidences, right = (np.concatenate(column) for column in list(zip(*seen, strict=True))[:2])
    edges = np.linspace(0, 1, bins + 1)
    places = np.clip(np.searchsorted(edges, confidences, side="left") - 1, 0, bins - 1)  # a bin has its upper edge
    counts = np.bincount(places, minlength=bins)
    said, happened = (np.bincount(places, weights=values, minlength=bins) for values in (confidences, right))
    found = tuple(
        Bin(
            float(edges[k]),
            float(edges[k + 1]),
            int(counts[k]),
            float(said[k] / counts[k]) if counts[k] else None,
            float(happened[k] / counts[k]) if counts[k] else None,
        )
        for k in range(bins)
    )
    return Reliability(
        bins=found,
        ece=float(np.abs(said - happened).sum() / len(confidences)),
        loss=answers.loss(temperature),
        brier=sum(distance for *_, distance in seen) / len(confidences),
    )


def confidence(answers: Answers, probabilities: Probabilities) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Return the confidence of each answer, in [0, 1], and whether it happened; both (N,), or (N * C,)."""
    if answers.task == "classes":
        return probabilities.reshape(-1), answers.labels.reshape(-1).astype(np.bool_)
    firsts = answers.logits.argmax(1)  # of probabilities that are equal to the last bit the logits may not be
    return probabilities[np.arange(len(firsts)), firsts], firsts == answers.labels


def fit_temperature(answers: Answers) -> float:
    """Return the temperature, to six digits, at which the answers are most likely to be true (Guo et al. 2017, 4.2).

    The loss is convex in 1 / temperature, so where its slope is 0 it is least. Where nothing is wrong, or nothing
    right, it falls to the end of the range, which is returned: 1/64 or 64. Where no temperature changes anything it
    is 1.
    """
    from scipy.optimize import brentq

    def slope(log_inverse: float) -> float:
        """Of the summed loss in 1 / temperature: the sum of (probability - truth) * logit."""
        return sum(_slope(part, exp(-log_inverse)) for _, part in answers.parts())

    ends = -log(HOTTEST), -log(COLDEST)
    hottest, coldest = slope(ends[0]), slope(ends[1])
    if hottest == coldest == 0:
        return 1.0
    if hottest >= 0:
        return HOTTEST
    if coldest <= 0:
        return COLDEST
    return float(f"{exp(-brentq(slope, *ends, xtol=1e-9)):.6g}")


def calibration(answers: Answers, temperature: float | None, source: str = "the model's card") -> Calibration:
    """Return how reliable the plain answers are, and the tempered ones.

    Without a temperature two are fitted, each to one half of the pictures, and judge the other half: so none is judged
    by what it was fitted to. What is then said to be the temperature is their geometric mean.
    """
    before = reliability(answers)
    if temperature is not None:
        return Calibration(temperature, source, before, reliability(answers, temperature))
    half = np.random.default_rng(0).permutation(len(answers)) % 2 == 0
    if half.all():
        return Calibration(1.0, "none: one picture cannot be judged by another", before, before)
    halves = [fit_temperature(answers.take(side)) for side in (half, ~half)]
    source = "fitted to each half of these pictures, and judged on the other"
    crossed = reliability(answers, np.where(half, halves[1], halves[0]))
    return Calibration((halves[0] * halves[1]) ** 0.5, source, before, crossed)


def _slope(answers: Answers, temperature: float) -> float:
    logits = answers.logits.astype(np.float64)
    if answers.task == "classes":
        return float(((answers.probabilities(temperature) - answers.labels) * logits).sum())
    logits -= logits.max(1, keepdims=True)  # changes nothing, and keeps small what is summed
    own = logits[np.arange(len(logits)), answers.labels]
    return float((answers.probabilities(temperature) * logits).sum() - own.sum())


def _look(
    answers: Answers, probabilities: Probabilities
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_], float]:
    """Confidences, whether they were right, and the sum of the squared distances to the truth."""
    if answers.task == "classes":
        return *confidence(answers, probabilities), float(((probabilities - answers.labels) ** 2).sum())
    own = probabilities[np.arange(len(answers)), answers.labels]  # of the others the square alone is left
    return *confidence(answers, probabilities), float(((probabilities**2).sum(1) - 2 * own + 1).sum())
