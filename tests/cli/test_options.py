"""Options: texts to values of the field's own type, or a sentence."""

from __future__ import annotations

from typing import Any

import pytest

from resnets.cli.options import parse_facts, parse_reading, parse_settings, parse_size
from resnets.data.reading import Reading


@pytest.mark.parametrize(
    ("text", "size"),
    [(None, None), ("224", (224, 224)), ("480x640", (480, 640)), ("1", (1, 1)), ("7x99999", (7, 99999))],
)
def test_sizes(text: str | None, size: tuple[int, int] | None) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "x", "224X224", "224x0", "0x1", "1e3", "-1", "123456", "224 x 224", "٣"])
def test_what_is_no_size_is_refused(text: str) -> None:
    if text == "٣":  # a digit to Python, and to its int()
        assert parse_size(text) == (3, 3)
        return
    with pytest.raises(ValueError, match="is no size; give a side"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("stem=cifar", "cifar"),
        ("blocks=3,4,23,3", (3, 4, 23, 3)),
        ("blocks=2", (2,)),
        ("in_channels=1", 1),
        ("norm_eps=1e-3", 1e-3),
        ("dropout=0", 0.0),
        ("projection_norm=false", False),
        ("projection_norm=Yes", True),
        ("se_reduction=16", 16),
        ("se_reduction=none", None),
        ("conv_bias=stem,last", ("stem", "last")),
        ("conv_bias=", ()),
    ],
)
def test_a_fact_gets_the_type_of_its_field(text: str, value: Any) -> None:
    ((_, parsed),) = parse_facts([text]).items()
    assert parsed == value
    assert type(parsed) is type(value)


def test_no_text_is_no_fact_and_the_last_of_two_counts() -> None:
    assert parse_facts(None) == {}
    assert parse_facts(["stem=deep", "stem=cifar"]) == {"stem": "cifar"}


def test_facts_of_the_network_and_numbers_of_the_recipe_are_told_apart() -> None:
    numbers_given = ["momentum=0.95", "iterations=100", "milestones=0.3,0.6", "decoding=exact"]
    facts, numbers, pixels = parse_settings(["stem=cifar", "dropout=0.1", "alpha=0,9,255", "exif=no", *numbers_given])
    assert facts == {"stem": "cifar", "dropout": 0.1}
    assert numbers == {"momentum": 0.95, "iterations": 100, "milestones": (0.3, 0.6), "decoding": "exact"}
    assert pixels == {"alpha": (0, 9, 255), "exif": False}


def test_how_data_are_read_is_said_in_words() -> None:
    given = ["formats=jpeg,TIFF", "class_order=string", "test_share=0.1", "empty_classes=a-b,c", "group=patient"]
    reading = parse_reading([*given, "numbers=x,y"])
    assert reading.formats == ("JPEG", "TIFF")
    assert (reading.class_order, reading.test_share, reading.empty_classes) == ("string", 0.1, ("a-b", "c"))
    assert (reading.columns.group, reading.columns.numbers, reading.columns.path) == ("patient", ("x", "y"), None)
    assert parse_reading(None, ("BMP",)).formats == ("BMP",)
    assert parse_reading(["formats=PNG"], ("BMP",)).formats == ("PNG",)
    assert Reading.from_dict(reading.to_dict()) == reading


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("groups=patient", "--read groups=patient is not possible; allowed: formats, class_order"),
        ("formats", "--read formats has no value; write --read formats=VALUE"),
        ("formats=HEIC", "formats=HEIC is not possible; allowed: one or more of JPEG"),
        ("test_share=much", "--read test_share=much: 'much' does not fit; give a number"),
        ("test_share=2", "test_share=2.0 is not possible"),
        ("class_order=random", "class_order='random' is not possible; allowed: natural, string"),
    ],
)
def test_a_way_of_reading_that_cannot_be_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(ValueError) as refusal:
        parse_reading([text])
    assert sentence in str(refusal.value)


def test_a_setting_that_is_neither_is_refused() -> None:
    with pytest.raises(ValueError, match="'stemm' is no field of an architecture"):
        parse_settings(["stemm=cifar"])
