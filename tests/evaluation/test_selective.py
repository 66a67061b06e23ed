"""Selective answers: the curve by its definition, and the threshold that leaves the share that was asked for."""

from __future__ import annotations

import json

import numpy as np
import pytest

from resnets.evaluation.selective import risk_coverage, threshold_at
from tests.evaluation import planted


def by_definition(confidences: np.ndarray, right: np.ndarray) -> list[float]:
    """The risk of the n surest, for each n (Geifman et al. 2019, section 2), as a mean over orders of equal ones."""
    risks = np.zeros(len(right))
    for seed in range(400):
        order = np.lexsort([np.random.default_rng(seed).random(len(right)), -confidences])
        risks += np.cumsum(~right[order]) / np.arange(1, len(right) + 1) / 400
    return list(risks)


def test_the_curve_and_its_area_are_those_of_the_definition() -> None:
    answers = planted.answers(250, skill=1)
    probabilities = answers.probabilities()
    confidences, right = probabilities.max(1), probabilities.argmax(1) == answers.labels
    order = np.argsort(-confidences)
    risks = [float(np.mean(~right[order][: n + 1])) for n in range(250)]
    found = risk_coverage(confidences, right)
    assert found.area == pytest.approx(np.mean(risks))
    assert len(found.points) == 100
    for point in found.points:
        answered = round(point.coverage * 250)
        assert point.risk == pytest.approx(risks[answered - 1])
        assert point.threshold == sorted(confidences)[-answered]
    assert (found.points[-1].coverage, found.points[-1].risk) == (1, pytest.approx(1 - right.mean()))


def test_equal_confidences_are_as_wrong_as_they_are_on_average() -> None:
    chance = np.random.default_rng(2)
    confidences, right = chance.integers(1, 5, 40) / 5, chance.random(40) < 0.6
    found, expected = risk_coverage(confidences, right), by_definition(confidences, right)
    assert found.area == pytest.approx(np.mean(expected), abs=0.01)
    assert [point.risk for point in found.points] == pytest.approx(expected, abs=0.05)
    back = slice(None, None, -1)
    assert risk_coverage(confidences[back], right[back]).area == pytest.approx(found.area)


@pytest.mark.parametrize("count", [1, 2, 7, 99, 100, 101, 5000])
def test_there_is_a_point_for_each_hundredth_that_can_be_told_apart(count: int) -> None:
    sure = np.linspace(0.1, 0.9, count)
    points = risk_coverage(sure, np.ones(count, bool)).points
    coverages = [point.coverage for point in points]
    assert len(points) == min(count, 100)
    assert coverages == sorted(set(coverages)) and coverages[-1] == 1
    if count == 100:
        assert coverages == [(n + 1) / 100 for n in range(100)]
    assert {point.risk for point in points} == {0}


def test_all_wrong_is_a_risk_of_one() -> None:
    found = risk_coverage(np.array([0.2, 0.9]), np.array([False, False]))
    assert found.area == 1
    assert json.loads(json.dumps(found.to_dict()))["points"][0] == {"coverage": 0.5, "risk": 1.0, "threshold": 0.9}


@pytest.mark.parametrize("coverage", [0.01, 0.07, 0.29, 0.5, 0.57, 0.951, 1.0])
def test_the_threshold_leaves_the_share_that_was_asked_for(coverage: int) -> None:
    for count in (100, 333):
        probabilities = planted.answers(count, seed=count).probabilities()
        threshold = threshold_at(probabilities, coverage)
        answered = int((probabilities.max(1) >= threshold).sum())
        assert answered == int(np.ceil(round(coverage * count, 6)))
        as_predicted = probabilities.astype(np.float32).max(1) >= np.float32(threshold)
        assert int(as_predicted.sum()) == answered


def test_what_is_certain_is_answered_and_a_threshold_is_above_zero() -> None:
    assert threshold_at(np.array([[1.0, 0.0]]), 1.0) == 0.999999
    assert threshold_at(np.full((3, 2_000_000), 5e-7), 1.0) == 1e-6


@pytest.mark.parametrize("coverage", [0, -0.1, 1.001, float("nan")])
def test_no_other_coverage_is_possible(coverage: float) -> None:
    with pytest.raises(ValueError, match="allowed: above 0, up to 1, the share that is answered"):
        threshold_at(np.ones((2, 1)), coverage)
