"""Statistics beside libraries of their own: torchmetrics' calibration errors, statsmodels' tests and intervals."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import rankdata
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint
from torchmetrics.classification import (
    BinaryCalibrationError,
    MulticlassAveragePrecision,
    MulticlassCalibrationError,
    MultilabelAveragePrecision,
)

from resnets.data.open import open_data
from resnets.evaluation.answers import Answers
from resnets.evaluation.calibration import BINS, reliability
from resnets.evaluation.evaluate import answer
from resnets.evaluation.intervals import share_interval
from resnets.evaluation.paired import Paired, paired
from resnets.evaluation.several import several_report
from tests.evaluation import planted

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture(scope="module")
def cifar(tmp_path_factory: pytest.TempPathFactory) -> tuple[Answers, ...]:
    """Two real networks on the first 2,000 test pictures of CIFAR-10."""
    if not SHARED.is_dir():
        pytest.skip("the real data (../shared/data) are not on this machine")
    folder = tmp_path_factory.mktemp("unpacked")
    subprocess.run([sys.executable, str(SHARED / "unpack"), str(folder)], check=True, capture_output=True)
    data = open_data(folder / "cifar-10-batches-py")
    assert data.test is not None
    few = replace(data, test=data.test.take(np.arange(2000)))
    weights = SHARED / "weights-cifar10-akamaster"
    return tuple(answer(next(weights.glob(f"{name}-*.th")), few, device="cpu") for name in ("resnet20", "resnet32"))


def below_one(probabilities: np.ndarray) -> torch.Tensor:
    """What torchmetrics has a bin for: a confidence of one would stand in a sixteenth."""
    return torch.from_numpy(np.minimum(probabilities, np.nextafter(1, 0)))


@pytest.mark.parametrize("temperature", [1.0, 2.3])
def test_the_calibration_error_of_one_class_is_torchmetrics(cifar: tuple[Answers, ...], temperature: float) -> None:
    for answers in (*cifar, planted.answers(3000, 7, sure=3), planted.answers(3000, 7, sure=0.2)):
        metric = MulticlassCalibrationError(num_classes=answers.logits.shape[1], n_bins=BINS, norm="l1")
        theirs = float(metric(below_one(answers.probabilities(temperature)), torch.from_numpy(answers.labels)))
        assert reliability(answers, temperature).ece == pytest.approx(theirs, abs=1e-5)  # it sums in float32


@pytest.mark.parametrize("sure", [0.2, 1.0, 3.0])
def test_the_calibration_error_of_several_classes_is_torchmetrics(sure: float) -> None:
    answers = planted.answers(900, 6, sure=sure, several=True)
    metric = BinaryCalibrationError(n_bins=BINS, norm="l1")
    flat = below_one(answers.probabilities().reshape(-1))
    theirs = float(metric(flat, torch.from_numpy(answers.labels.reshape(-1)).int()))
    assert reliability(answers).ece == pytest.approx(theirs, abs=1e-6)


def test_average_precision_is_torchmetrics(cifar: tuple[Answers, ...]) -> None:
    several = planted.answers(500, 6, several=True)
    metric = MultilabelAveragePrecision(num_labels=6, average="macro")
    theirs = float(metric(torch.from_numpy(several.probabilities()), torch.from_numpy(several.labels).int()))
    assert several_report(several).mean_average_precision == pytest.approx(theirs, abs=1e-6)
    real = planted.of(cifar[0].logits, np.eye(10, dtype=bool)[cifar[0].labels])
    ranked = MulticlassAveragePrecision(num_classes=10, average="macro")
    places = torch.from_numpy(rankdata(cifar[0].logits, axis=0)) / 2001  # in [0, 1] as it wants them, in the same order
    theirs = float(ranked(places, torch.from_numpy(cifar[0].labels)))
    assert several_report(real).mean_average_precision == pytest.approx(theirs, abs=1e-6)


@pytest.mark.parametrize(("one", "other"), [(0, 0), (0, 1), (5, 5), (3, 17), (40, 61), (263, 292)])
def test_mcnemars_test_is_statsmodels(one: int, other: int) -> None:
    found = Paired(both=100, one_alone=one, other_alone=other, neither=20)
    assert found.p_value == pytest.approx(mcnemar([[100, one], [other, 20]], exact=True).pvalue)


def test_mcnemars_test_of_real_networks_is_statsmodels(cifar: tuple[Answers, ...]) -> None:
    found = paired(*cifar)
    right = [answers.logits.argmax(1) == answers.labels for answers in cifar]
    table = [[int((right[0] == a)[right[1] == b].sum()) for b in (True, False)] for a in (True, False)]
    assert table == [[found.both, found.one_alone], [found.other_alone, found.neither]]
    assert found.p_value == pytest.approx(mcnemar(table, exact=True).pvalue)


@pytest.mark.parametrize("count", [1, 12, 10_000])
def test_where_none_or_all_are_right_the_interval_is_statsmodels_wilson(count: int) -> None:
    for part in (0, count):
        found = share_interval(part, count)
        assert (found.low, found.high) == pytest.approx(proportion_confint(part, count, method="wilson"), abs=1e-12)


def test_elsewhere_it_is_near_the_exact_intervals_of_statsmodels() -> None:
    found = share_interval(9173, 10_000)
    for method in ("wilson", "normal", "beta"):
        assert (found.low, found.high) == pytest.approx(proportion_confint(9173, 10_000, method=method), abs=4e-4)
