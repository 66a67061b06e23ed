"""Intervals: exact quantiles, scipy's bootstrap, and Wilson where there is nothing to draw."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from resnets.evaluation.intervals import RESAMPLES, interval_of_counts, share_interval
from resnets.evaluation.judge import judge
from resnets.evaluation.precision import precision_interval
from resnets.evaluation.report import Report
from tests.evaluation import planted


@pytest.mark.parametrize(("part", "whole"), [(9_173, 10_000), (5, 10), (350, 360), (1, 50_000)])
def test_a_share_lies_between_quantiles_of_the_binomial(part: int, whole: int) -> None:
    """As near to the exact ones as so many draws come: the quantiles of 1.5 and 3.5 %, and so above, hold it."""
    found, exact = share_interval(part, whole), stats.binom(whole, part / whole)
    assert found.value == part / whole
    assert exact.ppf(0.015) / whole <= found.low <= exact.ppf(0.035) / whole
    assert exact.ppf(0.965) / whole <= found.high <= exact.ppf(0.985) / whole


def test_it_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    held = [
        share.low <= 0.8 <= share.high for share in (share_interval(int(n), 400) for n in rng.binomial(400, 0.8, 500))
    ]
    assert 0.92 <= np.mean(held) <= 0.98


@pytest.mark.parametrize(("part", "whole"), [(0, 12), (12, 12), (1, 1), (0, 1)])
def test_where_none_or_all_are_it_is_wilsons(part: int, whole: int) -> None:
    """Wilson 1927, J. Amer. Statist. Assoc. 22: (p + z²/2n ± z sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n)."""
    z, p = 1.959963984540054, part / whole
    middle, spread = p + z * z / (2 * whole), z * np.sqrt(p * (1 - p) / whole + z * z / (4 * whole**2))
    found = share_interval(part, whole)
    assert (found.low, found.high) == pytest.approx(
        tuple((middle + sign * spread) / (1 + z * z / whole) for sign in (-1, 1)), abs=1e-9
    )


def test_macro_f1_has_the_interval_of_scipys_bootstrap_over_pictures() -> None:
    answers = planted.answers(300, 4, skill=1)
    report = judge(answers)
    assert isinstance(report, Report)
    said = answers.logits.argmax(1)
    theirs = stats.bootstrap(
        (answers.labels, said),
        lambda labels, firsts: metrics.f1_score(labels, firsts, average="macro"),
        paired=True,
        vectorized=False,
        n_resamples=300,
        method="percentile",
        rng=np.random.default_rng(1),
    ).confidence_interval
    ours = report.intervals["f1"]
    assert ours.value == pytest.approx(metrics.f1_score(answers.labels, said, average="macro"))
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.012)


def test_mean_average_precision_has_the_interval_of_scipys_bootstrap_over_pictures() -> None:
    answers = planted.answers(120, 3, skill=1, several=True)

    def mean_precision(*columns: np.ndarray) -> float:
        labels, logits = np.stack(columns[:3], 1) > 0, np.stack(columns[3:], 1)
        return float(metrics.average_precision_score(labels, logits))

    theirs = stats.bootstrap(
        (*answers.labels.T.astype(int), *answers.logits.T),
        mean_precision,
        paired=True,
        vectorized=False,
        n_resamples=300,
        method="percentile",
        rng=np.random.default_rng(1),
    ).confidence_interval
    ours = precision_interval(answers)
    assert ours.value == pytest.approx(metrics.average_precision_score(answers.labels, answers.logits))
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.015)


def test_counts_are_drawn_as_pictures_are() -> None:
    """The share of the first of three kinds: the same interval as a binomial's."""
    counts = np.array([60, 25, 15])
    seen: list[int] = []

    def share(drawn: np.ndarray) -> float:
        seen.append(int(drawn.sum()))
        return float(drawn[0] / 100)

    found, exact = interval_of_counts(share, counts), stats.binom(100, 0.6)
    assert seen == [100] * (RESAMPLES + 1)
    assert exact.ppf(0.015) / 100 <= found.low <= exact.ppf(0.035) / 100
    assert exact.ppf(0.965) / 100 <= found.high <= exact.ppf(0.985) / 100


def test_equal_answers_have_equal_intervals() -> None:
    assert judge(planted.answers(60)) == judge(planted.answers(60))
    several = planted.answers(60, several=True)
    assert precision_interval(several) == precision_interval(several) != precision_interval(several, seed=1)
