"""Real predictions: two published CIFAR-10 networks, judged by us and by scikit-learn and scipy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator

from resnets.data.open import open_data
from resnets.evaluation.answers import Answers
from resnets.evaluation.calibration import BINS, calibration, fit_temperature, reliability
from resnets.evaluation.evaluate import answer
from resnets.evaluation.judge import judge
from resnets.evaluation.paired import paired
from resnets.evaluation.report import Report, among_first
from resnets.evaluation.selective import risk_coverage

FEW = 3_000
"""Pictures that ResNet-56 is asked about here; benchmarks/judgement.py asks all four networks about all 10,000."""


@pytest.fixture(scope="module")
def asked(shared_data: Path, cifar10_folder: Path) -> tuple[Answers, Answers]:
    """ResNet-20 on the 10,000 test pictures, and ResNet-56 on the first of them."""
    weights, data = shared_data / "weights-cifar10-akamaster", open_data(cifar10_folder)
    assert data.test is not None
    few = replace(data, test=data.test.take(np.arange(FEW)))
    one, other = (
        answer(next(weights.glob(f"{name}-*.th")), some, device="cpu", batch_size=250)
        for name, some in (("resnet20", data), ("resnet56", few))
    )
    return one, other


@pytest.fixture(scope="module")
def answers(asked: tuple[Answers, Answers]) -> Answers:
    return asked[0]


def test_the_published_accuracy_is_inside_our_interval(asked: tuple[Answers, Answers]) -> None:
    for answers, published in zip(asked, (0.9173, 0.9339), strict=True):
        report = judge(answers)
        top1 = report.intervals["top1"]
        assert top1.low <= published <= top1.high
        assert 0.008 < top1.high - top1.low < 0.02
    assert len(asked[0]) == 10_000


def test_every_number_is_that_of_scikit_learn(answers: Answers) -> None:
    report, labels, said = judge(answers), answers.labels, answers.logits.argmax(1)
    assert isinstance(report, Report)
    probabilities = answers.probabilities()
    assert report.top1 == metrics.accuracy_score(labels, said)
    assert report.top5 == pytest.approx(metrics.top_k_accuracy_score(labels, answers.logits, k=5))
    assert np.array_equal(report.confusion, metrics.confusion_matrix(labels, said))
    assert report.f1 == pytest.approx(metrics.f1_score(labels, said, average="macro"))
    each = metrics.precision_recall_fscore_support(labels, said)
    for one, *theirs in zip(report.per_class, *each, strict=True):
        assert [one.precision, one.recall, one.f1, one.pictures] == pytest.approx(theirs)
    assert report.loss == pytest.approx(metrics.log_loss(labels, probabilities))
    brier = metrics.brier_score_loss(labels, probabilities, scale_by_half=False)
    assert report.calibration is not None and report.calibration.before.brier == pytest.approx(brier)
    assert [among_first(answers, k).mean() for k in (1, 2, 5)] == pytest.approx(
        [metrics.top_k_accuracy_score(labels, answers.logits, k=k) for k in (1, 2, 5)]
    )


class Logits(ClassifierMixin, BaseEstimator):
    """What scikit-learn takes for a trained classifier: its decision is the row that it is given."""

    def fit(self, x: np.ndarray, y: np.ndarray) -> Logits:
        self.classes_, self.n_features_in_ = np.unique(y), x.shape[1]
        return self

    def decision_function(self, x: np.ndarray) -> np.ndarray:
        return x

    def predict(self, x: np.ndarray) -> np.ndarray:
        return self.classes_[x.argmax(1)]


def test_the_temperature_is_scikit_learns(answers: Answers) -> None:
    logits = answers.logits.astype(np.float64)
    frozen = FrozenEstimator(Logits().fit(logits, answers.labels))
    fitted = CalibratedClassifierCV(frozen, method="temperature", ensemble=False, cv=5).fit(logits, answers.labels)
    inverse = fitted.calibrated_classifiers_[0].calibrators[0].beta_
    assert fit_temperature(answers) == pytest.approx(1 / inverse, rel=1e-3)
    assert answers.probabilities(1 / inverse) == pytest.approx(fitted.predict_proba(logits), abs=1e-6)
    theirs = metrics.log_loss(answers.labels, fitted.predict_proba(logits))
    assert answers.loss(fit_temperature(answers)) <= theirs + 1e-10


def test_too_sure_a_network_is_calibrated_by_a_temperature_that_others_fitted(answers: Answers) -> None:
    found = calibration(answers, None)
    assert 0.04 < found.before.ece < 0.06
    assert found.after.ece < 0.01
    assert 2.2 < found.temperature < 2.5
    confidences = answers.probabilities().max(1)
    right = answers.logits.argmax(1) == answers.labels
    inside = np.clip(np.ceil(confidences * BINS).astype(int) - 1, 0, BINS - 1)
    gaps = [abs((right[inside == k]).sum() - confidences[inside == k].sum()) for k in range(BINS)]
    assert reliability(answers).ece == pytest.approx(sum(gaps) / len(answers))


def test_intervals_are_those_of_scipys_bootstrap(answers: Answers) -> None:
    report, right = judge(answers), (answers.logits.argmax(1) == answers.labels).astype(float)
    theirs = stats.bootstrap(
        (right,), np.mean, n_resamples=2000, batch=100, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    ours = report.intervals["top1"]
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.0006)
    assert report.intervals["f1"].low < report.intervals["f1"].value < report.intervals["f1"].high
    widths = [report.intervals[name].high - report.intervals[name].low for name in ("f1", "top1")]
    assert widths[0] == pytest.approx(widths[1], rel=0.1)  # classes of equal size: macro F1 is as sure as accuracy


def test_the_risk_coverage_curve_is_that_of_its_definition(answers: Answers) -> None:
    probabilities = answers.probabilities(2.3)
    confidences, wrong = probabilities.max(1), probabilities.argmax(1) != answers.labels
    risks = np.cumsum(wrong[np.argsort(-confidences, kind="stable")]) / np.arange(1, len(answers) + 1)
    found = risk_coverage(confidences, ~wrong)
    assert found.area == pytest.approx(risks.mean())
    assert [point.risk for point in found.points] == pytest.approx(risks[99::100])
    assert found.area < risks[-1] / 5  # what it is less sure of is what it gets wrong


def test_resnet_20_and_resnet_56_part_by_more_than_noise(asked: tuple[Answers, Answers]) -> None:
    one, other = asked
    found = paired(one, other)
    right = [each.logits[:FEW].argmax(1) == each.labels[:FEW] for each in asked]
    assert (found.one_alone, found.other_alone) == ((right[0] & ~right[1]).sum(), (~right[0] & right[1]).sum())
    assert found.pictures == FEW
    assert found.verdict == "other"
    assert found.p_value == pytest.approx(
        2 * stats.binom(found.one_alone + found.other_alone, 0.5).cdf(min(found.one_alone, found.other_alone))
    )
    assert found.gap.high < 0


def test_two_networks_of_equal_skill_are_noise(answers: Answers) -> None:
    """One network whose answers are dithered in two ways: where the two part, each is as often right."""
    chance = np.random.default_rng(0)
    both = [
        replace(answers, logits=answers.logits + chance.normal(size=answers.logits.shape).astype(np.float32))
        for _ in range(2)
    ]
    found = paired(*both)
    assert found.one_alone + found.other_alone > 100
    assert found.verdict == "noise"
