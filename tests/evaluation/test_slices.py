"""Slices: how a model did on parts of the pictures."""

from __future__ import annotations

import json

import numpy as np
import pytest

from resnets.evaluation.intervals import share_interval
from resnets.evaluation.judge import judge
from resnets.evaluation.slices import slices
from tests.evaluation import planted


def test_each_value_has_its_share_and_the_worst_comes_first() -> None:
    right = np.array([True, True, False, False, True, False])
    found = slices("camera", ["b", "b", "b", "c", "a", "c"], right)
    assert [(one.value, one.pictures, one.top1.value) for one in found] == [("c", 2, 0), ("b", 3, 2 / 3), ("a", 1, 1)]
    assert found[1].top1 == share_interval(2, 3)
    assert json.loads(json.dumps(found[0].to_dict()))["column"] == "camera"


def test_a_report_has_those_of_every_column_in_turn() -> None:
    answers = planted.answers(60)
    report = judge(answers, None, {"day": ["mon", "tue"] * 30, "site": ["x"] * 60})
    assert [(one.column, one.pictures) for one in report.slices] == [("day", 30), ("day", 30), ("site", 60)]
    assert report.slices[2].top1.value == report.headline[1]


def test_of_several_classes_a_picture_is_right_where_all_are() -> None:
    answers = planted.of([[1, -1], [1, 1], [-1, -1]], [[True, False], [True, False], [False, True]])
    (found,) = judge(answers, None, {"site": ["x"] * 3}).slices
    assert (found.pictures, found.top1.value) == (3, 1 / 3)


def test_a_column_of_names_is_no_slice() -> None:
    assert len(slices("n", [str(n) for n in range(100)], np.ones(100, bool))) == 100
    with pytest.raises(ValueError, match="column n has 101 different values for 101 pictures; allowed: up to 100"):
        slices("n", [str(n) for n in range(101)], np.ones(101, bool))
