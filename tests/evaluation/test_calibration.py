"""Calibration: Guo et al.'s numbers by other means, and the temperature that torch's LBFGS finds."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn import metrics

from resnets.evaluation import answers as subject
from resnets.evaluation.answers import Answers
from resnets.evaluation.calibration import BINS, calibration, fit_temperature, reliability
from resnets.evaluation.judge import judge
from tests.evaluation import planted

SURE = {"too sure": 3.0, "about right": 1.0, "not sure enough": 0.2}


def answers_of(sure: str, several: bool) -> Answers:
    return planted.answers(1500, 6, sure=SURE[sure], several=several, seed=3)


def by_hand(confidences: np.ndarray, right: np.ndarray, bins: int = BINS) -> float:
    """Guo et al. 2017, equation 3, bin by bin."""
    error = 0.0
    for k in range(bins):
        inside = (confidences > k / bins) & (confidences <= (k + 1) / bins)
        if inside.any():
            error += inside.mean() * abs(right[inside].mean() - confidences[inside].mean())
    return float(error)


def lbfgs(answers: Answers) -> float:
    """Guo et al.'s own way: the loss minimised by torch."""
    logits, labels = torch.from_numpy(answers.logits).double(), torch.from_numpy(answers.labels)
    log_temperature = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [log_temperature], max_iter=200, line_search_fn="strong_wolfe", tolerance_grad=1e-12, tolerance_change=1e-14
    )

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        scaled = logits / log_temperature.exp()
        several = labels.dtype == torch.bool
        loss = (
            F.binary_cross_entropy_with_logits(scaled, labels.double()) if several else F.cross_entropy(scaled, labels)
        )
        loss.backward()
        return loss

    optimizer.step(closure)  # type: ignore[arg-type]
    return float(log_temperature.detach().exp())


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("sure", SURE)
def test_the_temperature_is_the_one_that_torch_finds(sure: str, several: bool) -> None:
    answers = answers_of(sure, several)
    found = fit_temperature(answers)
    assert found == pytest.approx(lbfgs(answers), rel=1e-5)
    losses = [answers.loss(found * by) for by in (0.999, 1, 1.001)]
    assert losses[1] == min(losses)


@pytest.mark.parametrize("sure", SURE)
def test_the_error_is_that_of_the_bins_one_by_one(sure: str) -> None:
    one, several = answers_of(sure, False), answers_of(sure, True)
    probabilities = one.probabilities()
    expected = by_hand(probabilities.max(1), probabilities.argmax(1) == one.labels)
    assert reliability(one).ece == pytest.approx(expected)
    expected = by_hand(several.probabilities().reshape(-1), several.labels.reshape(-1))
    assert reliability(several).ece == pytest.approx(expected)


def test_losses_and_brier_scores_are_those_of_scikit_learn() -> None:
    one, several = answers_of("too sure", False), answers_of("too sure", True)
    found, probabilities = reliability(one, 2.0), one.probabilities(2.0)
    assert found.loss == pytest.approx(metrics.log_loss(one.labels, probabilities))
    assert found.brier == pytest.approx(metrics.brier_score_loss(one.labels, probabilities, scale_by_half=False))
    found, flat = reliability(several), several.probabilities().reshape(-1)
    assert found.brier == pytest.approx(metrics.brier_score_loss(several.labels.reshape(-1), flat))
    assert found.loss == pytest.approx(metrics.log_loss(several.labels.reshape(-1), flat))


def test_a_bin_has_its_upper_edge_and_an_empty_one_no_mean() -> None:
    """Probabilities of exactly one half, and of exactly one: of 15 bins the 8th and the last."""
    answers = planted.of([[0, 0], [0, 0], [900, 0]], [0, 1, 0])
    bins = reliability(answers).bins
    assert [found.count for found in bins] == [0] * 7 + [2] + [0] * 6 + [1]
    assert (bins[7].confidence, bins[7].accuracy) == (0.5, 0.5)
    assert (bins[0].confidence, bins[0].accuracy) == (None, None)
    two = reliability(answers, bins=2).bins
    assert [(found.lower, found.upper, found.count) for found in two] == [(0, 0.5, 2), (0.5, 1, 1)]
    assert sum(found.count for found in reliability(answers_of("too sure", True)).bins) == 1500 * 6


def test_where_none_is_wrong_or_none_right_the_end_of_the_range_is_returned() -> None:
    logits = np.eye(4) * 3
    for names in (False, True):
        labels = np.eye(4, dtype=bool) if names else np.arange(4)
        wrong = ~labels if names else (np.arange(4) + 1) % 4
        assert fit_temperature(planted.of(logits - 1, labels)) == 1 / 64
        assert fit_temperature(planted.of(logits - 1, wrong)) == 64


@pytest.mark.parametrize(
    ("logits", "labels"), [(np.ones((5, 3)), [0, 1, 2, 0, 1]), ([[7.0], [3]], [0, 0]), (np.eye(4) * 1e9, range(4))]
)
def test_where_no_temperature_changes_anything_it_is_one(logits: Any, labels: Any) -> None:
    """Equal logits; a single class; and right answers of which the least sure is surer than float64 can say."""
    assert fit_temperature(planted.of(logits, list(labels))) == 1


def test_many_pictures_are_summed_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    for several in (False, True):
        answers = answers_of("too sure", several)
        whole = fit_temperature(answers), judge(answers).to_dict()
        monkeypatch.setattr(subject, "AT_ONCE", 7)
        assert fit_temperature(answers) == whole[0]
        found = judge(answers).to_dict()
        assert found["loss"] == pytest.approx(whole[1]["loss"])
        assert found["calibration"]["after"]["brier"] == pytest.approx(whole[1]["calibration"]["after"]["brier"])
        assert found["calibration"]["after"]["ece"] == pytest.approx(whole[1]["calibration"]["after"]["ece"])
        if not several:
            assert found["coverage"] == whole[1]["coverage"]
        monkeypatch.undo()


def test_without_a_temperature_each_half_is_judged_by_that_of_the_other() -> None:
    answers = answers_of("too sure", False)
    found = calibration(answers, None)
    half = np.random.default_rng(0).permutation(len(answers)) % 2 == 0
    fitted = [fit_temperature(answers.take(side)) for side in (half, ~half)]
    assert found.temperature == pytest.approx(np.sqrt(fitted[0] * fitted[1]))
    crossed = np.where(half[:, None], answers.probabilities(fitted[1]), answers.probabilities(fitted[0]))
    expected = by_hand(crossed.max(1), crossed.argmax(1) == answers.labels)
    assert found.after.ece == pytest.approx(expected)
    assert found.after.ece < found.before.ece / 4
    assert "judged on the other" in found.source


def test_pictures_that_say_nothing_are_not_made_to_look_calibrated() -> None:
    """Labels by chance: fitted to the very pictures the loss falls below that of a coin; cross-fitted it does not."""
    chance = np.random.default_rng(1)
    answers = planted.of(chance.normal(size=(40, 2)) * 5, chance.integers(0, 2, 40))
    assert answers.loss(fit_temperature(answers)) < np.log(2)
    assert calibration(answers, None).after.loss > answers.loss(fit_temperature(answers))


def test_the_cards_temperature_is_taken_as_it_is() -> None:
    answers = answers_of("too sure", False)
    found = calibration(answers, 2.5)
    assert (found.temperature, found.source) == (2.5, "the model's card")
    assert (found.before, found.after) == (reliability(answers), reliability(answers, 2.5))
    facts = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert facts["after"]["ece"] == found.after.ece and len(facts["before"]["bins"]) == BINS


def test_one_picture_cannot_be_judged_by_another() -> None:
    found = calibration(planted.answers(1), None)
    assert (found.temperature, found.before) == (1.0, found.after)
    assert "one picture" in found.source
