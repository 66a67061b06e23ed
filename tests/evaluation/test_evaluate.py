"""Evaluation: scikit-learn's numbers on the same predictions, each picture counted once, classes by their names."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn import metrics

from resnets.data.dataset import DataSet
from resnets.data.errors import TooManyBadImages
from resnets.data.open import open_data
from resnets.data.source import ArraySource
from resnets.evaluation.evaluate import answer, evaluate
from resnets.evaluation.report import Report
from resnets.weights.modelfile import Model
from tests import tiny

SEVEN = tuple("abcdefg")


def numbers(model: Model, source: ArraySource) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities, worked out picture by picture without our loader."""
    preprocess = model.card.preprocess
    pixels = torch.from_numpy(source.pixels).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        logits = model.network((pixels - preprocess.mean[0]) / preprocess.std[0])
    return source.labels, logits.double().softmax(1).numpy()


@pytest.fixture(scope="module")
def case() -> tuple[Model, DataSet]:
    return tiny.model(classes=SEVEN), tiny.data_set(test_count=100, classes=SEVEN)


def test_accuracy_confusion_loss_and_top_five_are_those_of_scikit_learn(case: tuple[Model, DataSet]) -> None:
    model, data = case
    report = evaluate(model, data, batch_size=33)
    assert isinstance(data.test, ArraySource)
    labels, probabilities = numbers(model, data.test)
    first = probabilities.argmax(1)
    assert 0 < report.top1 < report.top5 < 1
    assert report.top1 == metrics.accuracy_score(labels, first)
    assert report.right == metrics.accuracy_score(labels, first, normalize=False)
    assert np.array_equal(report.confusion, metrics.confusion_matrix(labels, first, labels=range(7)))
    assert report.top5 == metrics.top_k_accuracy_score(labels, probabilities, k=5, labels=range(7))
    assert report.loss == pytest.approx(metrics.log_loss(labels, probabilities, labels=range(7)), rel=1e-5)
    each = metrics.precision_recall_fscore_support(labels, first, labels=range(7), zero_division=np.nan)
    for row, *theirs in zip(report.to_dict()["per_class"], *each, strict=True):
        ours = [row["precision"], row["recall"], row["f1"], row["pictures"]]
        assert [np.nan if one is None else one for one in ours] == pytest.approx(theirs, nan_ok=True)
    assert report.f1 == pytest.approx(metrics.f1_score(labels, first, average="macro"))


@pytest.mark.parametrize("batch_size", [1, 7, 99, 100, 1000])
def test_the_batch_size_changes_nothing_and_a_last_picture_alone_is_counted(
    batch_size: int, case: tuple[Model, DataSet]
) -> None:
    report, whole = evaluate(*case, batch_size=batch_size), evaluate(*case)
    assert report.pictures == 100
    assert report.confusion == whole.confusion
    assert report.loss == pytest.approx(whole.loss, rel=1e-5)


def test_the_train_split_is_evaluated_where_it_is_asked_for(case: tuple[Model, DataSet]) -> None:
    model, data = case
    assert isinstance(data.train, ArraySource)
    labels, probabilities = numbers(model, data.train)
    assert evaluate(model, data, split="train").top1 == metrics.accuracy_score(labels, probabilities.argmax(1))


def report_of(right: int, count: int) -> Report:
    return Report(
        classes=("a", "b"), confusion=((right, count - right), (0, 0)), top5_right=count, loss=0.5, skipped=()
    )


def test_a_class_without_pictures_has_no_recall_and_the_report_is_json() -> None:
    facts = json.loads(json.dumps(report_of(3, 4).to_dict(), allow_nan=False))
    assert facts["per_class"] == [
        {"class": "a", "pictures": 4, "precision": 1.0, "recall": 0.75, "f1": 6 / 7},
        {"class": "b", "pictures": 0, "precision": 0.0, "recall": None, "f1": 0.0},
    ]
    assert (facts["pictures"], facts["top1"], facts["confusion"]) == (4, 0.75, [[3, 1], [0, 0]])
    low, high = facts["top1_interval"]
    assert 0 < low < 0.75 < high <= 1


def test_with_fewer_than_five_classes_all_are_among_the_first_five() -> None:
    assert evaluate(tiny.model(), tiny.data_set()).top5 == 1.0


def test_classes_in_another_order_are_mapped_by_name(case: tuple[Model, DataSet]) -> None:
    model, data = case
    turned = [3, 0, 6, 1, 5, 2, 4]  # old label -> new label
    assert isinstance(data.test, ArraySource)
    other = replace(
        data,
        classes=tuple(SEVEN[turned.index(k)] for k in range(7)),
        test=replace(data.test, labels=np.array(turned)[data.test.labels]),
    )
    (note,) = evaluate(model, other).notes
    assert note == "the data's classes stand in another order than the model's; they are matched by name"
    assert replace(evaluate(model, other), notes=()) == evaluate(model, data)
    assert evaluate(model, replace(other, classes=SEVEN)) != evaluate(model, data)


def test_other_classes_are_refused_before_a_picture_is_read() -> None:
    with pytest.raises(ValueError, match="the data lacks ant, bee, cat; the model does not know"):
        evaluate(tiny.model(), "digits")


def test_a_split_that_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match="noise has no test pictures; give --split all"):
        evaluate(tiny.model(), tiny.data_set(test_count=None))


def test_a_network_without_a_head_cannot_be_evaluated() -> None:
    headless = tiny.network(head="none")
    card = replace(tiny.model().card, architecture=headless.architecture, classes=())
    with pytest.raises(ValueError, match="has no head, so there are no classes to evaluate"):
        evaluate(Model(headless, card), tiny.data_set())


def pictures(tmp_path: Path) -> Path:
    """Two classes; alone in a test folder, all of them are the test pictures."""
    tiny.write_pictures(tmp_path / "data" / "test", each=8)
    return tmp_path / "data"


def test_a_picture_that_cannot_be_read_is_reported_and_not_counted(tmp_path: Path) -> None:
    folder = pictures(tmp_path)
    bad = folder / "test" / "bee" / "5.png"
    bad.write_bytes(b"no picture")
    report = evaluate(tiny.model(classes=("ant", "bee")), folder)
    assert report.pictures == 15
    assert [sum(row) for row in report.confusion] == [8, 7]
    assert [Path(path) for path, _ in report.skipped] == [bad]
    assert report.to_dict()["skipped"] == [{"path": str(bad), "error": report.skipped[0][1]}]


def test_too_many_bad_pictures_are_no_result(tmp_path: Path) -> None:
    folder = pictures(tmp_path)
    for number in range(2):
        (folder / "test" / "bee" / f"{number}.png").write_bytes(b"no picture")
    with pytest.raises(TooManyBadImages, match="2 of 16 images are bad"):
        evaluate(tiny.model(classes=("ant", "bee")), folder)


def test_pictures_in_files_are_prepared_as_the_model_says(tmp_path: Path) -> None:
    """A grey model of 8x8 pictures on colour files of 13x20: only its card knows what to do."""
    tiny.write_pictures(tmp_path / "data" / "test", each=8, side=13)
    model = tiny.model(classes=("ant", "bee"), channels=1)
    labels, right = [], 0
    data = open_data(tmp_path / "data")
    assert data.test is not None
    for index, label in enumerate(data.test.labels):
        image = data.test.image(index).convert("L").resize((8, 8), 2)
        x = (torch.from_numpy(np.array(image)).float() / 255 - 0.5) / 0.25
        with torch.no_grad():
            right += int(model.network(x[None, None]).argmax() == label)
        labels.append(label)
    report = evaluate(model, data)
    assert (report.right, report.pictures) == (right, len(labels))


def test_no_picture_of_a_known_class_is_no_result() -> None:
    data = tiny.data_set()
    assert isinstance(data.test, ArraySource)
    only_cats = data.test.take(np.flatnonzero(data.test.labels == 2))
    with pytest.raises(ValueError, match="no picture to evaluate on; none has a class that the model knows"):
        answer(tiny.model(), replace(data, test=only_cats), classes={"cat": None})
    with pytest.raises(ValueError, match=r"there is no picture to evaluate on$"):
        answer(tiny.model(), replace(data, test=data.test.take(np.arange(0))))
