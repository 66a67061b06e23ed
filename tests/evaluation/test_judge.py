"""Judging: whole reports of the smallest, the largest and the oddest answers."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from sklearn import metrics

from resnets.evaluation.judge import AnyReport, all_right, count, judge
from resnets.evaluation.report import Report
from resnets.evaluation.several import SeveralReport
from tests.evaluation import planted


def is_sane(report: AnyReport) -> bool:
    """Whether a report is JSON, and every share in it one."""
    facts = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    ends = [one[end] for one in facts["intervals"].values() for end in ("low", "value", "high")]
    errors = [facts["calibration"][when]["ece"] for when in ("before", "after")]
    return all(-1e-12 <= share <= 1 + 1e-12 for share in [*ends, *errors]) and math.isfinite(facts["loss"])


def test_one_picture_is_judged() -> None:
    for answers in (planted.answers(1), planted.answers(1, several=True, seed=4)):
        report = judge(answers)
        assert is_sane(report) and report.pictures == 1
    right = judge(planted.of([[2.0, 1.0]], [0]))
    assert right.intervals["top1"].value == 1 and right.intervals["top1"].low < 0.3


def test_one_class_is_judged() -> None:
    report = judge(planted.of([[1.0], [-2.0]], [0, 0]))
    assert isinstance(report, Report)
    assert is_sane(report) and (report.top1, report.f1, report.loss) == (1, 1, 0)
    assert report.calibration is not None and report.calibration.temperature == 1
    several = judge(planted.of([[1.0], [-2.0]], [[True], [False]]))
    assert is_sane(several) and several.headline == ("map", 1.0)


@pytest.mark.parametrize("several", [False, True])
def test_a_class_without_pictures_is_judged(several: bool) -> None:
    answers = planted.answers(60, 4, several=several)
    labels = np.where(answers.labels == 3, 0, answers.labels)
    if several:
        labels = answers.labels.copy()
        labels[:, 3] = False
    report = judge(planted.of(answers.logits, labels))
    last = report.per_class[3]
    assert is_sane(report) and (last.pictures, last.recall) == (0, None)
    assert last.precision == 0 and last.average_precision is None


@pytest.mark.parametrize("classes", [2, 5])
def test_all_right_and_all_wrong_are_judged(classes: int) -> None:
    labels = np.arange(40) % classes
    for right in (True, False):
        report = judge(planted.of(np.eye(classes)[labels if right else (labels + 1) % classes] * 3, labels))
        assert isinstance(report, Report) and report.coverage is not None
        assert is_sane(report) and report.top1 == right == 1 - report.coverage.area
        low, high = report.interval()
        assert (
            (low, high) == (pytest.approx(1 - 0.0876, abs=1e-3), 1) if right else (0, pytest.approx(0.0876, abs=1e-3))
        )
        flags = np.eye(classes, dtype=bool)[labels]
        several = judge(planted.of(np.where(flags == right, 3, -3), flags))
        assert is_sane(several) and bool(all_right(planted.of(np.where(flags == right, 3, -3), flags)).all()) == right


@pytest.mark.parametrize("size", [1e-30, 1e4, 1e30, 3e38])
def test_logits_of_any_size_are_judged(size: float) -> None:
    chance = np.random.default_rng(0)
    logits, labels = np.sign(chance.normal(size=(50, 4))) * chance.random((50, 4)) * size, chance.integers(0, 4, 50)
    one, several = planted.of(logits, labels), planted.of(logits, np.eye(4, dtype=bool)[labels])
    for answers in (one, several):
        report = judge(answers)
        assert is_sane(report)
        assert report.loss < 2 * size + 2
    assert judge(one).headline[1] == metrics.accuracy_score(labels, logits.argmax(1))


def test_equal_answers_go_to_the_first_class() -> None:
    report = count(planted.of(np.zeros((6, 6)), range(6)))
    assert isinstance(report, Report)
    assert (report.right, report.top5_right) == (1, 5)
    assert [row[0] for row in report.confusion] == [1] * 6


def test_what_training_looks_at_after_each_epoch_is_the_counts_alone() -> None:
    for answers in (planted.answers(), planted.answers(several=True)):
        counted = count(answers)
        assert (counted.intervals, counted.calibration, counted.slices) == ({}, None, ())
        whole = judge(answers)
        assert (counted.headline, counted.loss, counted.per_class) == (whole.headline, whole.loss, whole.per_class)
        json.dumps(counted.to_dict(), allow_nan=False)


def test_the_interval_of_accuracy_is_there_without_judging() -> None:
    counted, whole = count(planted.answers()), judge(planted.answers())
    assert isinstance(counted, Report)
    assert counted.interval() == (whole.intervals["top1"].low, whole.intervals["top1"].high)


def test_a_thousand_classes_are_judged() -> None:
    answers = planted.answers(3000, 1000, skill=3)
    report = judge(answers)
    assert isinstance(report, Report)
    said = answers.logits.argmax(1)
    assert is_sane(report) and report.right == (said == answers.labels).sum()
    known = sorted({*answers.labels.tolist(), *said.tolist()})
    assert report.f1 == pytest.approx(metrics.f1_score(answers.labels, said, average="macro", labels=known))
    assert report.intervals["f1"].value == pytest.approx(report.f1)
    assert report.top5 == pytest.approx(
        metrics.top_k_accuracy_score(answers.labels, answers.logits, k=5, labels=range(1000))
    )


def test_several_classes_are_judged_by_ranking_and_at_one_half() -> None:
    answers = planted.answers(200, 4, several=True)
    report = judge(answers)
    assert isinstance(report, SeveralReport)
    assert report.f1 == pytest.approx(metrics.f1_score(answers.labels, answers.logits > 0, average="macro"))
    assert report.intervals["map"].value == pytest.approx(report.headline[1])
    assert report.calibration is not None and len(report.calibration.before.bins) == 15
