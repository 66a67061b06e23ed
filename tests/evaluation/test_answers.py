"""Answers: probabilities and losses from logits, and what cannot be an answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.evaluation import planted


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_probabilities_and_losses_are_those_of_torch(temperature: float) -> None:
    one, several = planted.answers(sure=3), planted.answers(sure=3, several=True)
    logits, labels = torch.from_numpy(one.logits).double() / temperature, torch.from_numpy(one.labels)
    assert one.probabilities(temperature) == pytest.approx(logits.softmax(1).numpy())
    assert one.loss(temperature) == pytest.approx(float(F.cross_entropy(logits, labels)))
    logits, flags = torch.from_numpy(several.logits).double() / temperature, torch.from_numpy(several.labels).double()
    assert several.probabilities(temperature) == pytest.approx(logits.sigmoid().numpy())
    assert several.loss(temperature) == pytest.approx(float(F.binary_cross_entropy_with_logits(logits, flags)))


def test_a_temperature_may_be_given_for_each_picture() -> None:
    answers = planted.answers(6)
    given = np.array([1.0, 2, 3, 1, 2, 3])
    each = [answers.take(np.array([row])).probabilities(given[row])[0] for row in range(6)]
    assert np.array_equal(answers.probabilities(given), each)
    losses = [answers.take(np.array([row])).loss(given[row]) for row in range(6)]
    assert answers.loss(given) == pytest.approx(np.mean(losses))


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_no_other_temperature_is_possible(temperature: float) -> None:
    with pytest.raises(ValueError, match=r"temperature=.* is not possible; allowed: above 0"):
        planted.answers().probabilities(temperature)
    with pytest.raises(ValueError, match=r"temperature=.* is not possible; allowed: above 0"):
        planted.answers().loss(np.where(np.arange(400) == 7, temperature, 1.0))


def test_a_mistake_that_is_as_good_as_impossible_costs_what_it_costs() -> None:
    """The sigmoid of 50 is 1 to the last bit of float64, and e to the -2000 is 0."""
    assert planted.of([[50.0]], [[False]]).loss() == pytest.approx(50)
    assert planted.of([[0.0, 2000.0]], [0]).loss() == pytest.approx(2000)
    assert planted.of([[3e38, -3e38]], [1]).loss() == pytest.approx(6e38)
    assert planted.of([[3e38, -3e38]], [0]).loss() == 0


def test_rows_are_taken_by_number_or_by_mask() -> None:
    answers = planted.answers(5)
    taken = answers.take(np.array([False, True, False, False, True]))
    assert np.array_equal(taken.logits, answers.take(np.array([1, 4])).logits)
    assert [taken.name(row) for row in range(len(taken))] == ["test[1]", "test[4]"]
    assert np.array_equal(answers.take(np.array([4, 1])).labels, answers.labels[[4, 1]])


def test_what_cannot_be_an_answer_is_refused() -> None:
    answers = planted.answers(4, 3)
    with pytest.raises(ValueError, match="no picture to evaluate on"):
        answers.take(np.zeros(4, bool))
    for number in (float("nan"), float("inf")):
        logits = answers.logits.copy()
        logits[2, 1] = number
        with pytest.raises(ValueError, match="not finite; take an earlier checkpoint"):
            replace(answers, logits=logits)
    for wrong in ({"classes": ("a", "b")}, {"indices": np.arange(3)}, {"labels": np.zeros((4, 2), bool)}):
        with pytest.raises(ValueError, match=r"logits \(4, 3\), labels .* do not fit"):
            replace(answers, **wrong)
