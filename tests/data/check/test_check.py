"""Check on data in memory: groups, several classes, counts, drift, and what is said and left out of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resnets.data.check import check as checking
from resnets.data.check.check import Checked, check
from resnets.data.check.classes import find_classes
from resnets.data.check.report import report_html
from resnets.data.check.rules import RULES, verdicts
from resnets.data.check.single import TESTS
from resnets.data.dataset import DataSet
from resnets.data.errors import DataError
from resnets.data.manifest import obey
from resnets.data.source import ArraySource


def noise(count: int, *, seed: int = 0, side: int = 32, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, channels), np.uint8)


def dataset(
    train: np.ndarray, labels: Any, test: np.ndarray | None = None, test_labels: Any = (), **parts: Any
) -> DataSet:
    held = None if test is None else ArraySource(test, np.asarray(test_labels), "test", groups=parts.pop("held", None))
    source = ArraySource(train, np.asarray(labels), "train", groups=parts.pop("groups", None))
    return DataSet(name="made", classes=("a", "b", "c"), train=source, test=held, fingerprint="0" * 64, **parts)


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> Any:
    def run(data: DataSet, **settings: Any) -> Checked:
        monkeypatch.setattr(checking, "open_for_check", lambda *_: (data, None, None))
        return check("made", **settings)

    return run


def rows(checked: Checked) -> list[tuple[str, tuple[int, ...], tuple[int, ...]]]:
    return [(finding.rule, finding.pictures, finding.out) for finding in checked.findings]


def test_noise_has_no_faults(checked: Any) -> None:
    assert rows(checked(dataset(noise(30), [0, 1, 2] * 10, noise(6, seed=1), [0, 1, 2] * 2))) == []


def test_repeats_leave_the_first_and_test_keeps_all(checked: Any) -> None:
    train, test = noise(9), noise(6, seed=1)
    train[3] = train[6] = train[0]
    test[3] = test[0]
    result = checked(dataset(train, [0, 1, 2] * 3, test, [0, 1, 2] * 2))
    assert rows(result) == [("duplicate", (0, 3, 6), (3, 6)), ("duplicate", (9, 12), ())]
    assert [entry.name for entry in result.manifest().left_out] == ["train[3]", "train[6]"]
    assert result.manifest().kept == {"duplicate": 1}


def test_copies_across_splits_leave_the_training_ones_out(checked: Any) -> None:
    train, test = noise(9), noise(6, seed=1)
    train[4] = train[1] = test[1]
    result = checked(dataset(train, [0, 1, 2] * 3, test, [0, 1, 2] * 2))
    assert rows(result) == [("duplicate-across-splits", (1, 4, 10), (1, 4))]
    left = obey(result.dataset, result.manifest())
    assert left.train is not None and left.test is not None
    assert (len(left.train), len(left.test)) == (7, 6)


def test_a_picture_under_two_classes_is_left_out_whole(checked: Any) -> None:
    train, test = noise(9), noise(6, seed=1)
    train[5] = test[0]
    result = checked(dataset(train, [0, 1, 2] * 3, test, [0, 1, 2] * 2))
    assert rows(result) == [("two-classes", (5, 9), (5, 9))]
    assert "under c and a" in result.findings[0].reason


def test_several_classes_are_compared_as_sets(checked: Any) -> None:
    train = noise(4)
    train[1], train[3] = train[0], train[2]
    labels = np.array([[1, 1, 0], [1, 1, 0], [0, 1, 1], [1, 1, 1]], bool)
    assert [row[:2] for row in rows(checked(dataset(train, labels)))] == [
        ("two-classes", (2, 3)),
        ("duplicate", (0, 1)),
    ]


def test_numbers_to_predict_have_no_classes(checked: Any) -> None:
    train = noise(4)
    train[1] = train[0]
    labels = np.arange(12, dtype=np.float32).reshape(4, 3)
    assert [row[:2] for row in rows(checked(dataset(train, labels)))] == [("duplicate", (0, 1))]


def test_constant_pictures_are_no_copies_of_each_other(checked: Any) -> None:
    train = noise(6)
    train[0], train[1] = 0, 0
    assert [row[:2] for row in rows(checked(dataset(train, [0, 1, 2] * 2)))] == [("constant", (0,)), ("constant", (1,))]


def test_groups_in_both_splits_are_found_with_all_their_pictures(checked: Any) -> None:
    data = dataset(
        noise(6),
        [0, 1, 2] * 2,
        noise(3, seed=1),
        [0, 1, 2],
        groups=np.array([0, 0, 1, 1, 2, 2]),
        held=np.array([3, 1, 4]),
    )
    result = checked(data)
    assert rows(result) == [("group-across-splits", (2, 3, 7), (2, 3))]
    assert result.manifest().left_out == ()
    chosen = checked(data, leave_out=["group-across-splits"]).manifest()
    assert [entry.name for entry in chosen.left_out] == ["train[2]", "train[3]"]


def test_bands_are_checked_too(checked: Any) -> None:
    train = noise(6, channels=5)
    train[3] = train[0]
    assert [row[:2] for row in rows(checked(dataset(train, [0, 1, 2] * 2)))] == [("duplicate", (0, 3))]


@pytest.mark.parametrize(
    ("train", "test", "wanted"),
    [
        ((100, 100, 100), (30, 30, 30), []),
        ((100, 100, 100), (60, 20, 10), ["drift"]),
        ((10, 10, 10), (3, 2, 0), ["missing-class"]),
        ((10, 10, 10), (5, 3, 4), []),  # too few to say
        ((1000, 50, 400), (250, 12, 100), ["imbalance"]),
        ((100, 1, 100), (30, 1, 30), ["single-picture"]),
        ((50, 0, 50), (10, 0, 10), ["empty-class"]),
    ],
)
def test_class_counts(train: tuple[int, ...], test: tuple[int, ...], wanted: list[str]) -> None:
    labels = [np.repeat(np.arange(3), counts) for counts in (train, test)]
    pixels = [np.zeros((len(each), 1, 1, 1), np.uint8) for each in labels]
    found = find_classes(dataset(pixels[0], labels[0], pixels[1], labels[1]), frozenset())
    assert [finding.rule for finding in found.findings] == wanted


def test_the_json_holds_every_finding_and_verdict(checked: Any) -> None:
    train = noise(9)
    train[3] = train[0]
    facts = json.loads(json.dumps(checked(dataset(train, [0, 1, 2] * 3)).to_dict()))
    assert facts["counts"] == {"duplicate": 1}
    assert [each["name"] for each in facts["findings"][0]["pictures"]] == ["train[0]", "train[3]"]
    assert facts["left_out"][0]["name"] == "train[3]"
    assert facts["classes"]["a"] == {"train": 3, "test": 0}


def test_every_rule_of_one_picture_is_in_the_table() -> None:
    assert set(TESTS) <= {name for name, rule in RULES.items() if rule.leave_out is not None}
    assert all(rule.sentence.endswith(".") and rule.advice.endswith(".") for rule in RULES.values())


@pytest.mark.parametrize(
    ("keep", "leave_out", "said"),
    [
        (["nonsense"], [], "'nonsense' is no rule; rules that can be kept or left out: unreadable, "),
        ([], ["drift"], "'drift' concerns no single picture"),
        (["small"], ["small"], "'small' cannot be both kept and left out"),
    ],
)
def test_a_wrong_rule_is_refused(keep: list[str], leave_out: list[str], said: str) -> None:
    with pytest.raises(DataError, match=said):
        verdicts(keep, leave_out)


def test_the_report_is_small_and_asks_nobody(checked: Any) -> None:
    train = noise(200, side=64)
    train[100:] = train[:100]
    page = report_html(checked(dataset(train, [0] * 200)))
    assert len(page) < 5_000_000
    assert page.count('<img src="data:image/jpeg;base64,') == page.count("<img") > 24
    assert "76 more are not shown" in page


def test_the_report_is_of_one_size_for_any_number_of_pictures(checked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resnets.data.check.report.MOST_BYTES", 20_000)
    train = noise(200, side=64)
    train[100:] = train[:100]
    page = report_html(checked(dataset(train, [0] * 200)))
    assert len(page) < 120_000
    assert "cannot be shown" in page


def test_nothing_to_look_at_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    (tmp_path / "dog").mkdir()
    with pytest.raises(DataError, match="holds no pictures"):
        check(tmp_path)


@pytest.mark.slow
def test_cifar_10_has_the_copies_that_others_found(cifar10_folder: Path) -> None:
    """Barz and Denzler, "Do we train on test data?", 2020, found copies of 3.3 % of the test set."""
    result = check(cifar10_folder)
    across = [finding for finding in result.findings if finding.rule == "near-duplicate-across-splits"]
    places = [result.pictures.place(number) for finding in across for number in finding.pictures]
    assert len({index for source, index in places if source is result.dataset.test}) == 111
    assert len(result.manifest().left_out) == 116  # training pictures: docs/check.md says so
    assert not result.of_rule("duplicate-across-splits")


@pytest.mark.slow
def test_written_digits_are_not_called_copies(shared_data: Path) -> None:
    assert check(shared_data / "mnist").findings == ()
