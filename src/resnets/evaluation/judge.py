"""Judging: from a network's answers to a report with everything that can be said of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from resnets.evaluation.answers import Answers
from resnets.evaluation.calibration import calibration, confidence
from resnets.evaluation.intervals import Interval, interval_of_counts, share_interval
from resnets.evaluation.precision import precision_interval
from resnets.evaluation.report import Report, class_report
from resnets.evaluation.selective import risk_coverage
from resnets.evaluation.several import SeveralReport, several_report
from resnets.evaluation.slices import slices

AnyReport = Report | SeveralReport
"""Both have `headline`, the number to go by with its name, `loss`, `pictures`, `classes`, `skipped` and `to_dict()`."""


def count(answers: Answers) -> AnyReport:
    """Return what can be counted in answers: what a training run looks at after each epoch."""
    return several_report(answers) if answers.task == "classes" else class_report(answers)


def judge(
    answers: Answers, temperature: float | None = None, columns: Mapping[str, Sequence[str]] | None = None
) -> AnyReport:
    """Return the whole report on answers: counts, intervals, calibration, and slices.

    `temperature` is the one of the model's card, where it has one. `columns` have a value for each picture, by which
    they are told apart. Raises `ValueError` for a column of too many values.
    """
    report = count(answers)
    calibrated = calibration(answers, temperature)
    cut = tuple(one for column, values in (columns or {}).items() for one in slices(column, values, all_right(answers)))
    if isinstance(report, SeveralReport):
        return replace(report, calibration=calibrated, slices=cut, intervals={"map": precision_interval(answers)})
    seen = [confidence(part, part.probabilities(temperature or 1.0)) for _, part in answers.parts()]
    confidences, right = (np.concatenate(column) for column in zip(*seen, strict=True))
    found: dict[str, Interval] = {
        "top1": share_interval(report.right, report.pictures),
        "top5": share_interval(report.top5_right, report.pictures),
        "f1": _f1_interval(np.array(report.confusion, np.int64)),
    }
    return replace(
        report, calibration=calibrated, slices=cut, intervals=found, coverage=risk_coverage(confidences, right)
    )


def all_right(answers: Answers) -> npt.NDArray[np.bool_]:
    """Say of each picture whether its class, or all of its classes and no other, were answered."""
    if answers.task == "classes":
        right: npt.NDArray[np.bool_] = ((answers.logits > 0) == answers.labels).all(1)
    else:
        right = answers.logits.argmax(1) == answers.labels
    return right


def _f1_interval(confusion: npt.NDArray[np.int64]) -> Interval:
    """The mean F1 of the classes that occur or were said. Of a thousand classes most cells are empty: not looked at."""
    of_class, said = np.nonzero(confusion)
    size = len(confusion)

    def mean_f1(counts: npt.NDArray[np.int64]) -> float:
        there = np.bincount(of_class, counts, size) + np.bincount(said, counts, size)
        found = np.bincount(of_class, counts * (of_class == said), size)
        known = there > 0
        return float((2 * found[known] / there[known]).mean())

    return interval_of_counts(mean_f1, confusion[of_class, said])
