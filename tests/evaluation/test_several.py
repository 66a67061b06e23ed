"""Several classes for each picture: scikit-learn's numbers on the same answers, and who may be evaluated on what."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn import metrics

from resnets.data.dataset import DataSet
from resnets.data.source import ArraySource
from resnets.evaluation.evaluate import evaluate, evaluate_network
from resnets.evaluation.report import Report
from resnets.evaluation.several import SeveralReport, several_report
from resnets.weights.modelfile import Model
from tests import tiny
from tests.evaluation import planted

FIVE = tuple("abcde")


def several_model(classes: tuple[str, ...] = FIVE, **facts: Any) -> Model:
    """A model for any number of classes for each picture, whose answers lie on both sides of one half."""
    made = tiny.model(classes=classes, **facts)
    assert made.network.head is not None
    with torch.no_grad():
        made.network.head.get_parameter("linear.weight").mul_(4)
    return Model(made.network, replace(made.card, task="classes"))


def several_data(count: int = 90, classes: tuple[str, ...] = FIVE, seed: int = 1) -> DataSet:
    """Noise in which each class is there or not by chance, and the last one never."""
    source = tiny.array(count, classes=3, seed=seed)
    labels = np.random.default_rng(seed).random((count, len(classes))) < np.linspace(0.5, 0.1, len(classes))
    labels[:, -1] = False
    return DataSet(name="scenes", classes=classes, train=None, test=replace(source, labels=labels), fingerprint="")


def logits_of(model: Model, source: ArraySource) -> np.ndarray:
    """Logits, worked out without our loader."""
    pixels = torch.from_numpy(source.pixels).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        return model.network((pixels - 0.5) / 0.25).double().numpy()


@pytest.fixture(scope="module")
def case() -> tuple[Model, DataSet]:
    return several_model(), several_data()


def report_on(model: Model, data: DataSet, **request: Any) -> SeveralReport:
    report = evaluate(model, data, device="cpu", **request)
    assert isinstance(report, SeveralReport)
    return report


def test_every_number_is_that_of_scikit_learn(case: tuple[Model, DataSet]) -> None:
    model, data = case
    report = report_on(model, data, batch_size=32)
    assert isinstance(data.test, ArraySource)
    labels, logits = data.test.labels, logits_of(model, data.test)
    probabilities = 1 / (1 + np.exp(-logits))
    said = probabilities > 0.5
    assert 0 < said.mean() < 1
    occur = labels[:, :4]
    expected = metrics.average_precision_score(occur, probabilities[:, :4], average="macro")
    assert report.mean_average_precision == pytest.approx(expected, abs=1e-9)
    assert report.headline == ("map", report.mean_average_precision)
    precision, recall, f1, support = metrics.precision_recall_fscore_support(labels, said, zero_division=np.nan)
    each = metrics.average_precision_score(occur, probabilities[:, :4], average=None)
    for k, one in enumerate(report.per_class):
        assert one.name == FIVE[k] and one.pictures == support[k]
        assert one.average_precision == (pytest.approx(each[k], abs=1e-9) if k < 4 else None)
        for ours, theirs in ((one.precision, precision[k]), (one.recall, recall[k]), (one.f1, f1[k])):
            assert ours is None if np.isnan(theirs) else ours == pytest.approx(theirs)
    losses = [metrics.log_loss(labels[:, k], probabilities[:, k], labels=[False, True]) for k in range(5)]
    assert report.loss == pytest.approx(np.mean(losses), rel=1e-5)
    assert (report.pictures, report.skipped, report.classes) == (90, (), FIVE)


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_the_batch_size_changes_nothing(batch_size: int, case: tuple[Model, DataSet]) -> None:
    one, whole = report_on(*case, batch_size=batch_size), report_on(*case)
    assert one.mean_average_precision == pytest.approx(whole.mean_average_precision)
    assert one.loss == pytest.approx(whole.loss)


def test_the_report_is_json_and_a_class_that_is_nowhere_has_no_number() -> None:
    labels = np.array([[True, False], [True, False], [False, False]])
    logits = np.array([[2.0, -1], [-1, -1], [1, -1]], np.float32)
    answers = replace(planted.of(logits, labels, "ab"), skipped=(("x.png", "damaged"),))
    report = several_report(answers)
    ours = {"class": "a", "pictures": 2, "average_precision": pytest.approx(0.5 * 1 + 0.5 * 2 / 3)}
    nothing = dict.fromkeys(("average_precision", "precision", "recall", "f1"))
    facts = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert facts["per_class"] == [
        {**ours, "precision": 0.5, "recall": 0.5, "f1": 0.5},
        {"class": "b", "pictures": 0, **nothing},
    ]
    assert (facts["pictures"], facts["map"]) == (3, ours["average_precision"])
    assert facts["skipped"] == [{"path": "x.png", "error": "damaged"}]
    expected = torch.nn.functional.binary_cross_entropy_with_logits(torch.tensor(logits), torch.tensor(labels).float())
    assert facts["loss"] == pytest.approx(float(expected))


def test_a_class_that_is_found_where_it_never_is_has_a_precision_of_nothing() -> None:
    report = several_report(planted.of([[1, 1]], [[True, False]], "ab"))
    assert [(one.precision, one.recall, one.f1) for one in report.per_class] == [(1, 1, 1), (0, None, 0)]


def test_classes_in_another_order_are_mapped_by_name(case: tuple[Model, DataSet]) -> None:
    model, data = case
    assert isinstance(data.test, ArraySource)
    turned = [3, 0, 4, 1, 2]
    other = replace(
        data, classes=tuple(FIVE[k] for k in turned), test=replace(data.test, labels=data.test.labels[:, turned])
    )
    (note,) = evaluate(model, other, device="cpu").notes
    assert "stand in another order than the model's" in note
    assert replace(report_on(model, other), notes=()) == evaluate(model, data, device="cpu")
    assert evaluate(model, replace(other, classes=FIVE), device="cpu") != evaluate(model, data, device="cpu")


def test_a_model_of_one_class_and_pictures_of_several_are_refused_both_ways() -> None:
    with pytest.raises(
        ValueError, match=r"gives each picture one class, and a picture of scenes may have several; .*--"
    ):
        evaluate(tiny.model(classes=FIVE), several_data())
    with pytest.raises(ValueError, match=r"any number of classes, and noise names one for each: .*parted by \| or ;"):
        evaluate(several_model(("ant", "bee", "cat")), tiny.data_set())


def test_numbers_are_refused() -> None:
    data = several_data()
    assert isinstance(data.test, ArraySource)
    numbers = replace(data.test, labels=data.test.labels.astype(np.float32))
    with pytest.raises(ValueError, match="has numbers in place of a class; this works with classes"):
        evaluate(several_model(), replace(data, test=numbers))
    model = several_model()
    with pytest.raises(ValueError, match="these pictures have numbers in place of classes"):
        evaluate_network(model.network, numbers, model.card.preprocess, classes=FIVE)


@pytest.mark.parametrize(
    ("labels", "logits", "sentence"),
    [
        (np.zeros((0, 2), bool), np.zeros((0, 2)), "there is no picture to evaluate on"),
        (np.zeros((3, 2), bool), np.zeros((3, 2)), "no picture has any of the classes"),
        (np.ones((3, 2), bool), np.full((3, 2), np.nan), "numbers that are not finite; take an earlier checkpoint"),
    ],
)
def test_what_nothing_can_be_said_of_is_refused(labels: Any, logits: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        several_report(planted.of(logits, labels, "ab"))


def test_both_reports_have_the_same_face(case: tuple[Model, DataSet]) -> None:
    one, several = evaluate(tiny.model(), tiny.data_set(), device="cpu"), report_on(*case)
    assert isinstance(one, Report)
    assert one.headline == ("top1", one.top1)
    for report in (one, several):
        name, value = report.headline
        facts = report.to_dict()
        assert facts[name] == value
        assert (facts["pictures"], facts["loss"]) == (report.pictures, report.loss)
        assert len(facts["per_class"]) == len(report.classes)


def test_a_table_of_several_classes_is_evaluated_as_it_is_read(tmp_path: Path) -> None:
    tiny.write_pictures(tmp_path, classes=("ant", "bee"), each=6)
    rows = [f"ant/{k}.png,{'a|b' if k % 2 else 'a'},test\nbee/{k}.png,b,test" for k in range(6)]
    (tmp_path / "photos.csv").write_text("\n".join(["path,labels,split", *rows]))
    report = report_on(several_model(("b", "a")), tmp_path / "photos.csv")  # type: ignore[arg-type]
    assert [(one.name, one.pictures) for one in report.per_class] == [("b", 9), ("a", 6)]
