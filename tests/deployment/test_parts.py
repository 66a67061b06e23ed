"""Parts: no picture is for two purposes, and who has too few is told what they are for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from resnets.data.source import ArraySource, Source
from resnets.deployment.parts import MOST_TRIED, Parts, parts_of
from resnets.runtime.quantize import MOST_PICTURES
from tests import tiny


def names(source: Source) -> set[str]:
    found = [source.name(index) for index in range(len(source))]
    assert len({*found}) == len(found)
    return {*found}


def disjoint(parts: Parts) -> tuple[set[str], set[str], set[str]]:
    three = names(parts.ranges), names(parts.trying), names(parts.reporting)
    assert len(set.union(*three)) == sum(map(len, three)), "a picture is for two purposes"
    return three


@pytest.mark.parametrize("which", ["test", "train"])
def test_ranges_and_repair_have_pictures_of_the_other_side(which: Any) -> None:
    data = tiny.data_set(90, 60)
    ranges, trying, reporting = disjoint(parts_of(data, which))
    other = {"test": data.train, "train": data.test}[which]
    assert other is not None
    assert ranges | trying == names(other) and len(ranges) == len(other) // 2
    assert len(reporting) == {"test": 60, "train": 90}[which]


def test_of_many_some_are_taken_evenly_of_every_class() -> None:
    data = tiny.data_set(3, 6)
    many = ArraySource(np.zeros((9_000, 8, 8, 3), np.uint8), np.sort(np.arange(9_000) % 3), "train")
    ranges, trying, _ = disjoint(parts_of(replace(data, train=many), "test"))
    assert (len(ranges), len(trying)) == (MOST_PICTURES, MOST_TRIED)
    parts = parts_of(replace(data, train=many), "test")
    for part in (parts.ranges, parts.trying):
        counts = np.bincount(np.asarray(part.labels))
        assert counts.max() - counts.min() <= 2


@pytest.mark.parametrize(("train", "which"), [(None, "test"), (60, "all")])
def test_without_another_side_half_is_reported_on(train: int | None, which: Any) -> None:
    data = tiny.data_set(60, 60)
    data = data if train else replace(data, train=None)
    ranges, trying, reporting = disjoint(parts_of(data, which))
    total = 120 if train else 60
    assert (len(ranges), len(trying), len(reporting)) == (total // 4, total // 4, total // 2)
    for part in (parts := parts_of(data, which)).reporting, parts.trying, parts.ranges:
        assert {*np.asarray(part.labels).tolist()} == {0, 1, 2}
    again = parts_of(data, which)
    assert names(again.ranges) == ranges


@pytest.mark.parametrize("count", [1, 2, 5])
def test_who_has_too_few_is_told_what_they_are_for(count: int) -> None:
    data = replace(tiny.data_set(40, count), train=None)
    with pytest.raises(ValueError, match=r"pictures for three purposes \(ranges, repair, report\), and these are too"):
        parts_of(data, "test")


def test_another_side_of_one_picture_is_no_other_side() -> None:
    ranges, trying, reporting = disjoint(parts_of(tiny.data_set(1, 60), "test"))
    assert ranges | trying | reporting <= names(tiny.data_set(1, 60).test)  # type: ignore[arg-type]
