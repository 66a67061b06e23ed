"""Data set: what kind of labels it has, what is refused for it, and the fingerprint that it is known by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from resnets.data.dataset import DataSet, fingerprint_source, require_classes
from resnets.data.errors import DataError
from resnets.data.source import ArraySource, FileSource, Labels

LABELS: dict[str, Labels] = {
    "class": np.zeros(2, np.int64),
    "classes": np.zeros((2, 3), bool),
    "numbers": np.zeros((2, 1), np.float32),
}


def dataset(labels: Labels) -> DataSet:
    pixels = np.zeros((len(labels), 1, 1, 1), np.uint8)
    return DataSet(name="toy", classes=("a",), train=None, test=ArraySource(pixels, labels, "toy"), fingerprint="")


@pytest.mark.parametrize("task", LABELS)
def test_the_task_follows_from_the_labels(task: str) -> None:
    given = dataset(LABELS[task])
    assert given.task == task
    assert (given.split, given.class_order, len(given.group_names)) == ("given", "natural", 0)


@pytest.mark.parametrize(("task", "sentence"), [("classes", "may have several classes"), ("numbers", "has numbers in")])
def test_what_needs_one_class_refuses_the_others(task: str, sentence: str) -> None:
    require_classes(dataset(LABELS["class"]))
    with pytest.raises(DataError, match=f"a picture of toy {sentence}.*--read label=NAME"):
        require_classes(dataset(LABELS[task]))


def test_what_takes_several_classes_refuses_numbers_only() -> None:
    for task in ("class", "classes"):
        require_classes(dataset(LABELS[task]), several=True)
    with pytest.raises(DataError, match=r"has numbers in place of a class; this works with classes: .*column of clas"):
        require_classes(dataset(LABELS["numbers"]), several=True)


def test_a_fingerprint_is_of_classes_labels_groups_sides_names_and_pictures(tmp_path: Path) -> None:
    pixels, labels, groups = np.zeros((2, 1, 1, 1), np.uint8), np.array([0, 1]), np.array([0, 0])
    (tmp_path / "a").write_bytes(b"12")
    files = [FileSource.of([tmp_path / name, tmp_path / "none"], labels) for name in ("a", "b")]
    found = {
        fingerprint_source(("a", "b"), ArraySource(pixels, labels, "toy")),
        fingerprint_source(("a", "c"), ArraySource(pixels, labels, "toy")),
        fingerprint_source(("a", "b"), ArraySource(pixels + np.uint8(1), labels, "toy")),
        fingerprint_source(("a", "b"), ArraySource(pixels, labels[::-1].copy(), "toy")),
        fingerprint_source(("a", "b"), ArraySource(pixels, labels, "toy", groups=groups)),
        fingerprint_source(("a", "b"), ArraySource(pixels, labels, "toy", groups=labels)),
        fingerprint_source(("a", "b"), ArraySource(pixels, labels, "toy"), b"\1"),
        *(fingerprint_source(("a", "b"), each) for each in files),
    }
    assert len(found) == 9
    again = fingerprint_source(("a", "b"), files[0])
    assert again in found
    (tmp_path / "a").write_bytes(b"123")
    assert fingerprint_source(("a", "b"), files[0]) not in found
