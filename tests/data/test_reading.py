"""Reading: what a user may say is checked at once, and written down whole."""

from __future__ import annotations

import json
from typing import Any

import pytest

from resnets.data.errors import DataError
from resnets.data.reading import Columns, Reading, json_able
from resnets.spec.preprocess import FORMATS

REFUSALS: list[tuple[dict[str, Any], str]] = [
    ({"formats": ("HEIC",)}, "formats=HEIC is not possible; allowed: one or more of JPEG"),
    ({"formats": ()}, "formats=nothing is not possible"),
    ({"class_order": "reverse"}, "class_order='reverse' is not possible; allowed: natural, string"),
    ({"test_share": 0}, "test_share=0 is not possible; allowed: None, or a share between 0 and 1"),
    ({"test_share": 1.0}, "test_share=1.0 is not possible"),
    ({"test_share": float("nan")}, "test_share=nan is not possible"),
    ({"split_seed": -1}, "split_seed=-1 is not possible; allowed: 0 or more"),
]


@pytest.mark.parametrize(("fields", "sentence"), REFUSALS, ids=str)
def test_a_value_that_cannot_be_is_refused(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(DataError) as refusal:
        Reading(**fields)
    assert sentence in str(refusal.value)


def test_endings_are_those_of_the_formats() -> None:
    assert Reading().endings == (".jpg", ".jpeg", ".png", ".webp")
    assert set(Reading(formats=tuple(FORMATS)).endings) == {end for ends in FORMATS.values() for end in ends}


def test_a_reading_is_written_down_and_read_again() -> None:
    reading = Reading(formats=("PNG",), empty_classes=("b",), columns=Columns(path="file", numbers=("x", "y")))
    assert Reading.from_dict(json.loads(json.dumps(reading.to_dict()))) == reading
    assert Reading.from_dict(Reading().to_dict()) == Reading()


@pytest.mark.parametrize("facts", [{"fromats": ["PNG"]}, {"columns": {"paths": "x"}}, {"columns": 7}, [], 7], ids=str)
def test_facts_that_are_no_reading_are_refused(facts: Any) -> None:
    with pytest.raises(DataError, match="these are not the facts of a reading"):
        Reading.from_dict(facts)


@pytest.mark.parametrize("facts", [{"empty_classes": [["a"]]}, {"columns": {"numbers": [{}]}}], ids=str)
def test_facts_that_no_reading_can_hold_are_refused(facts: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="these are not the facts of a reading"):
        Reading.from_dict(facts)


def test_what_is_written_down_is_lists_and_texts_all_the_way_down() -> None:
    nested = {"a": (1, ("b", {"c": (2.5, None)})), "d": [True, ("e",)]}
    assert json_able(nested) == {"a": [1, ["b", {"c": [2.5, None]}]], "d": [True, ["e"]]}
    restored = Reading.from_dict(Reading(columns=Columns(numbers=("x",))).to_dict())
    assert restored.columns.numbers == ("x",)
    assert hash(restored)
