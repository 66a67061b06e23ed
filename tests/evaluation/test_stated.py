"""What two models state differently: facts by their names, and what they mean."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from resnets.evaluation.stated import MEANINGS, PARTS, stated
from resnets.spec.architecture import Architecture
from resnets.spec.card import Card
from resnets.spec.preprocess import Preprocess
from resnets.spec.variants import architecture
from resnets.training.recipes import recipe


def card(row: str = "resnet50", preprocess: Preprocess | None = None, **said: Any) -> Card:
    preprocess = preprocess or Preprocess()
    classes = said.pop("classes", tuple(f"class {number}" for number in range(1000)))
    facts = {key: said.pop(key) for key in list(said) if key not in ("origin", "task", "calibration")}
    arch = architecture(row, num_classes=len(classes), **facts)
    return Card(architecture=arch, classes=classes, preprocess=preprocess, **said)


def test_what_is_explained_is_a_fact_of_a_model() -> None:
    known = {field.name for kind in (Architecture, Preprocess) for field in fields(kind)}
    assert MEANINGS.keys() <= known | {"temperature", "unknown_below", "coverage"}


def test_calibration_is_compared() -> None:
    found = stated(card(calibration={"temperature": 2.0}), card(calibration={"temperature": 1.5, "coverage": 0.9}))
    assert [(fact.name, fact.one, fact.other) for fact in found["calibration"]] == [
        ("temperature", 2.0, 1.5),
        ("coverage", None, 0.9),
    ]
    assert "no answer does" in found["calibration"][0].means


def test_equal_cards_state_nothing_differently() -> None:
    assert stated(card(), card()) == dict.fromkeys(PARTS, ())


@pytest.mark.parametrize(
    ("differs", "one", "other", "means"),
    [
        ({"stride_on": "1x1"}, "3x3", "1x1", "1x1 is v1, as in the paper; 3x3 is v1.5"),
        ({"norm_eps": 1e-3}, 1e-5, 1e-3, "changes answers where a channel varies little"),
        ({"padding": "same"}, "symmetric", "same", "same is TensorFlow's"),
    ],
)
def test_facts_of_the_architecture_are_named_and_explained(differs: Any, one: Any, other: Any, means: str) -> None:
    (fact,) = stated(card(), card(**differs))["architecture"]
    assert (fact.name, fact.one, fact.other) == (next(iter(differs)), one, other)
    assert fact.means.startswith(means)
    assert fact.to_dict()["fact"] == fact.name


def test_facts_of_preprocessing_and_recipe_are_named() -> None:
    first = card(origin={"recipe": recipe("finetune").to_dict()})
    second = card(
        preprocess=Preprocess(interpolation="bicubic", resize=256),
        origin={"recipe": recipe("finetune", lr=0.5, seed=3).to_dict()},
    )
    found = stated(first, second)
    assert {fact.name for fact in found["preprocess"]} == {"interpolation", "resize"}
    assert {(fact.name, fact.other) for fact in found["recipe"]} >= {("seed", 3)}
    assert not found["architecture"] and not found["classes"]


def test_who_does_not_say_how_it_was_trained_is_not_taken_for_untrained() -> None:
    told = card(origin={"recipe": recipe("finetune").to_dict()})
    (fact,) = stated(told, card())["recipe"]
    assert (fact.name, fact.one, fact.other) == ("recipe", "finetune", None)
    assert stated(card(), card())["recipe"] == ()


def test_class_lists_and_tasks_are_compared_by_name() -> None:
    one, turned = card(classes=("a", "b", "c")), card(classes=("c", "b", "a"))
    (fact,) = stated(one, turned)["classes"]
    assert (fact.name, fact.means) == ("order", "the same classes: commands go by name")
    (fact,) = stated(one, card(classes=("a", "c", "d")))["classes"]
    assert (fact.name, fact.one, fact.other) == ("classes", ["b"], ["d"])
    (fact,) = stated(one, card(classes=("a", "b", "c"), task="classes"))["classes"]
    assert (fact.name, fact.one, fact.other) == ("task", "class", "classes")
