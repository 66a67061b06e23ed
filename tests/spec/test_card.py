"""Card: one canonical text, read back as it was, and refused where its parts do not fit each other."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from resnets.spec.card import FIELDS, SCHEMA, Card, classes_sha256
from resnets.spec.preprocess import Preprocess
from resnets.spec.variants import VARIANTS, architecture

GOLDEN = Path(__file__).parents[1] / "golden"
PREPROCESS = Preprocess(size=(32, 32), mean=(0.4914, 0.4822, 0.4465), std=(0.247, 0.2435, 0.2616))


def card(**facts: Any) -> Card:
    return Card(
        **{
            "architecture": architecture("resnet20_cifar", num_classes=3),
            "classes": ("cat", "dog", "Füchsin 狐"),
            "preprocess": PREPROCESS,
            "calibration": {"temperature": 1.25},
            "origin": {"recipe": {"name": "cifar-he2015", "epochs": 2.0}, "metrics": {"test_top1": 0.875}},
        }
        | facts
    )


def changed(**facts: Any) -> str:
    """The text of a card with some of its facts overwritten; None takes one away."""
    read = json.loads(card().to_json()) | facts
    return json.dumps({key: value for key, value in read.items() if value is not None})


def test_a_card_is_read_back_as_it_was() -> None:
    assert Card.from_json(card().to_json()) == card()


@pytest.mark.parametrize("row", VARIANTS.values(), ids=lambda row: row.name)
def test_the_card_of_every_row_is_read_back_as_it_was(row: Any) -> None:
    classes = tuple(map(str, range(row.classes_out or 0)))
    preprocess = Preprocess(colour="grey") if row.in_channels == 1 else PREPROCESS
    given = Card(architecture=row, classes=classes, preprocess=preprocess)
    assert Card.from_json(given.to_json()) == given


def test_the_text_is_canonical_json() -> None:
    text = card().to_json()
    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert set(json.loads(text)) == set(FIELDS)


def test_equal_cards_are_equal_bytes() -> None:
    one = card(calibration={"a": 1, "b": 2}, origin={"x": 1, "y": {"p": 1, "q": 2}})
    other = card(calibration={"b": 2.0, "a": 1.0}, origin={"y": {"q": 2, "p": 1}, "x": 1})
    assert one == other
    assert one.to_json().encode() == other.to_json().encode()


def test_fields_of_a_later_version_are_kept_and_written_back() -> None:
    text = changed(thresholds={"cat": 0.7}, audit=["by", "hand"])
    read = Card.from_json(text)
    assert read.unknown == {"thresholds": {"cat": 0.7}, "audit": ["by", "hand"]}
    assert json.loads(read.to_json()) == json.loads(text)


def test_unknown_fields_never_replace_known_ones() -> None:
    assert Card.from_json(card(unknown={"classes": ["x"], "schema": 99}).to_json()) == card()


def test_a_newer_schema_is_refused_with_what_to_do() -> None:
    with pytest.raises(ValueError, match=f"schema {SCHEMA + 1} .* reads up to {SCHEMA}; install a newer resnets"):
        Card.from_json(changed(schema=SCHEMA + 1))


@pytest.mark.parametrize("schema", range(1, SCHEMA + 1))
def test_the_stored_card_of_every_schema_is_read_for_ever(schema: int) -> None:
    text = (GOLDEN / f"card-schema-{schema}.json").read_text(encoding="utf-8")
    read = Card.from_json(text)
    assert read.architecture == architecture("resnet50d", num_classes=3, se_reduction=16)
    assert read.classes == ("cat", "dog", "Füchsin 狐")
    assert read.preprocess == replace(
        Preprocess(size=(96, 128), resize=160, interpolation="bicubic", mean=(0.5,), std=(0.25,)),
        profile="ignore" if schema == 1 else "srgb",
    )
    assert read.task == ("classes" if schema == 3 else "class")
    assert read.calibration == {"temperature": 1.25}
    assert read.origin == {"metrics": {"test_top1": 0.875}, "started_from": "resnet50d"}
    assert read.unknown == {"from_a_later_version": [1, "two", None]}
    if schema == SCHEMA:
        assert read.to_json() + "\n" == text


@pytest.mark.parametrize("task", ["class", "classes"])
def test_what_answers_mean_is_read_back_and_makes_another_card(task: Any) -> None:
    assert Card.from_json(card(task=task).to_json()) == card(task=task)
    assert (card(task=task).to_json() == card().to_json()) == (task == "class")


def test_class_names_that_were_changed_afterwards_are_noticed() -> None:
    with pytest.raises(ValueError, match="class names do not match their hash"):
        Card.from_json(changed(classes=["dog", "cat", "Füchsin 狐"]))
    names = ["dog", "cat", "Füchsin 狐"]
    assert Card.from_json(changed(classes=names, classes_sha256=classes_sha256(tuple(names)))).classes[0] == "dog"


def test_the_hash_of_class_names_tells_order_and_borders_apart() -> None:
    lists = [("a", "b"), ("b", "a"), ("ab",), ("a", "b", ""), ('a","b',)]
    assert len({classes_sha256(names) for names in lists}) == len(lists)


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"classes": ("cat", "dog")}, "2 class names for 3 logits; give one name for each logit"),
        ({"classes": ("cat", "dog", "cat")}, "class names must differ; these stand more than once: cat"),
        ({"classes": ("cat", "dog", "\udcff")}, "class names must be Unicode texts, and '.udcff' is none"),
        ({"preprocess": Preprocess(colour="grey")}, "gives 1 channels and the network takes 3; .*in_channels=1"),
        ({"task": "numbers"}, "task='numbers' is not possible; allowed: class, classes"),
        ({"calibration": {"temperature": 0.0}}, "temperature=0.0 is not possible; allowed: above 0"),
        ({"calibration": {"temperature": float("nan")}}, "temperature=nan is not possible"),
        ({"calibration": {"temperature": "warm"}}, "temperature='warm' is not possible"),
    ],
)
def test_parts_that_do_not_fit_each_other_are_refused(facts: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        card(**facts)


def test_a_network_without_a_head_may_keep_its_class_names_or_have_none() -> None:
    headless = architecture("resnet20_cifar", head="none")
    assert card(architecture=headless, classes=()).classes == ()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "the card is not JSON"),
        ("{", "the card is not JSON"),
        ("[" * 100_000, "the card is not JSON"),
        ("[]", "the card must be a JSON object, not list"),
        ("{}", "the card lacks schema, architecture, task, classes"),
        (changed(preprocess=None), "the card lacks preprocess"),
        (changed(task=None), "the card lacks task"),
        (changed(task=["class"]), "the card's task must be str, not list"),
        (changed(task="several"), "task='several' is not possible; allowed: class, classes"),
        (changed(schema="1"), "the card's schema must be int, not str"),
        (changed(schema=True), "the card's schema must be int, not bool"),
        (changed(schema=0), "the card has schema 0"),
        (changed(classes="cat"), "the card's classes must be list, not str"),
        (changed(classes=["cat", "dog", 3]), "the card's classes must be texts"),
        (changed(architecture={"nmae": "x"}), "the card's architecture cannot be read: 'nmae'.* Did you mean 'name'"),
        (changed(architecture={}), "the card's architecture cannot be read"),
        (changed(preprocess={"size": 3}), "the card's preprocess cannot be read: size=3 is not possible"),
        (changed(calibration={"temperature": float("nan")}), "the card is not JSON: NaN is no number"),
    ],
)
def test_a_text_that_is_no_card_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Card.from_json(text)


@pytest.mark.parametrize("value", [{}, [], [{}], None, True, -1, 1e999, "x", {"a": 1}])
def test_no_value_of_an_architecture_or_a_preprocess_leads_to_anything_but_a_refusal(value: Any) -> None:
    facts = json.loads(card().to_json())
    for part in ("architecture", "preprocess"):
        for field in facts[part]:
            text = json.dumps(facts | {part: facts[part] | {field: value}})
            try:
                read = Card.from_json(text)
            except ValueError:
                continue
            hash((read.architecture, read.preprocess))


def test_the_card_of_a_replaced_preprocess_is_another_text() -> None:
    assert card(preprocess=replace(PREPROCESS, interpolation="bicubic")).to_json() != card().to_json()
