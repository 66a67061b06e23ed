"""Paired: McNemar's test by its definition, and a number of pictures that shows what it promises to show."""

from __future__ import annotations

import json
from dataclasses import replace
from math import comb

import numpy as np
import pytest
from scipy import stats

from resnets.evaluation.answers import Answers
from resnets.evaluation.intervals import share_interval
from resnets.evaluation.paired import NOISE, POWER, Paired, paired
from tests.evaluation import planted


def table(one: int, other: int, both: int = 50, neither: int = 10) -> Paired:
    return Paired(both=both, one_alone=one, other_alone=other, neither=neither)


@pytest.mark.parametrize(("one", "other"), [(0, 1), (3, 3), (7, 2), (2, 7), (0, 12), (40, 61)])
def test_the_chance_is_that_of_so_many_coins(one: int, other: int) -> None:
    """Both tails of the binomial with p 1/2, each as far out as what was seen (McNemar 1947)."""
    tail = sum(comb(one + other, k) for k in range(min(one, other) + 1)) / 2 ** (one + other)
    assert table(one, other).p_value == pytest.approx(min(1, 2 * tail))


@pytest.mark.parametrize(
    ("one", "other", "verdict"), [(0, 5, "noise"), (0, 6, "other"), (6, 0, "one"), (0, 0, "noise"), (30, 31, "noise")]
)
def test_the_verdict_is_the_tests(one: int, other: int, verdict: str) -> None:
    found = table(one, other)
    assert found.verdict == verdict == found.to_dict()["verdict"]
    assert (found.p_value < NOISE) == (verdict != "noise")
    better = {"noise": ": noise", "one": ": the first is better", "other": ": the second is better"}
    assert better[verdict] in found.sentence()
    json.dumps(found.to_dict(), allow_nan=False)


def test_the_gap_has_the_interval_of_scipys_paired_bootstrap() -> None:
    found = table(30, 18, both=120, neither=32)
    differences = np.repeat([1, -1, 0], [30, 18, 152])
    theirs = stats.bootstrap(
        (differences,), np.mean, n_resamples=4000, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    assert found.gap.value == pytest.approx(12 / 200)
    assert (found.gap.low, found.gap.high) == pytest.approx((theirs.low, theirs.high), abs=0.006)


def test_two_that_never_part_might_on_other_pictures() -> None:
    found = table(0, 0, both=90, neither=10)
    end = share_interval(0, 100).high
    assert (found.gap.value, found.gap.low, found.gap.high, found.needed) == (0, -end, end, None)
    assert found.sentence().endswith("right alone 0 and 0 of 100, McNemar's p 1: noise")


@pytest.mark.parametrize(("one", "other"), [(60, 40), (30, 20), (115, 85)])
def test_on_as_many_pictures_as_are_advised_the_gap_shows_as_often_as_promised(one: int, other: int) -> None:
    seen = table(one, other, both=1000 - one - other, neither=0)
    assert seen.needed is not None
    assert f"such a gap would show on about {seen.needed:,} pictures" in seen.sentence() or seen.verdict != "noise"
    drawn = np.random.default_rng(0).multinomial(seen.needed, [one / 1000, other / 1000, 1 - (one + other) / 1000], 600)
    shown = [table(int(a), int(b), both=int(c), neither=0).p_value < NOISE for a, b, c in drawn]
    assert POWER - 0.06 < np.mean(shown) < POWER + 0.05  # the exact test shows a little less than Connor's normal one


def test_where_every_picture_parts_the_same_way_few_are_needed() -> None:
    assert table(10, 0, both=0, neither=0).needed == 4


def answers_right_on(rows: list[int], count: int = 8) -> Answers:
    said = np.zeros((count, 2))
    said[:, 1] = 1  # wrong
    said[rows, 0] = 2
    return planted.of(said, np.zeros(count, int))


def test_pictures_are_counted_by_who_was_right() -> None:
    found = paired(answers_right_on([0, 1, 2, 3]), answers_right_on([2, 3, 4]))
    assert found == Paired(both=2, one_alone=2, other_alone=1, neither=3)


def test_a_picture_that_one_could_not_be_shown_is_left_out() -> None:
    one, other = answers_right_on([0, 1, 2, 3]), answers_right_on([2, 3, 4])
    found = paired(one.take(np.array([0, 2, 5, 7])), other.take(np.array([1, 2, 4, 5])))
    assert found == Paired(both=1, one_alone=0, other_alone=0, neither=1)
    with pytest.raises(ValueError, match="not asked about one picture in common"):
        paired(one.take(np.arange(4)), other.take(np.arange(4, 8)))


def test_of_several_classes_all_must_be_right_and_the_order_does_not_matter() -> None:
    answers = planted.answers(80, 3, several=True)
    turned = replace(
        answers, classes=answers.classes[::-1], logits=answers.logits[:, ::-1], labels=answers.labels[:, ::-1]
    )
    found = paired(answers, turned)
    assert (found.one_alone, found.other_alone) == (0, 0)
    assert found.both == int(((answers.logits > 0) == answers.labels).all(1).sum())
