"""Comparing models on pictures: two seeds of one recipe are noise, and other classes are no comparison."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from resnets.data.source import ArraySource
from resnets.evaluation.compare import compare
from resnets.evaluation.evaluate import evaluate
from resnets.weights.modelfile import Model, save
from tests import tiny
from tests.evaluation.test_several import FIVE, several_data, several_model


@pytest.mark.slow
def test_two_seeds_of_one_recipe_are_noise(tmp_path: Path) -> None:
    """On the 360 handwritten digits that neither has seen."""
    how: dict[str, Any] = {"recipe_name": "digits", "epochs": 10, "batch_size": 64, "lr": 0.1, "check": False}
    one, other = (tiny.run("digits", tmp_path / str(seed), seed=seed, **how).model for seed in (0, 1))
    found = compare(one, other, "digits", device="cpu")
    assert found.paired is not None and found.reports is not None
    assert found.paired.pictures == 360
    assert 0.5 < found.reports[0].headline[1] < 1 and 0.5 < found.reports[1].headline[1] < 1
    assert found.paired.one_alone + found.paired.other_alone > 10
    assert found.paired.verdict == "noise"
    assert found.paired.gap.low < 0 < found.paired.gap.high
    assert found.architecture == found.preprocess == found.classes == ()
    assert [fact.name for fact in found.recipe] == ["seed"]


def test_a_trained_and_an_untrained_model_are_not_noise(tmp_path: Path) -> None:
    trained = tiny.run(tiny.data_set(), tmp_path / "run", recipe_name="finetune", epochs=8, batch_size=8, lr=0.05).model
    untrained = Model(tiny.network(3), trained.card)
    data = tiny.data_set(test_count=60)
    found = compare(trained, untrained, data, device="cpu")
    assert found.paired is not None
    assert found.paired.verdict == "one"
    turned = compare(untrained, trained, data, device="cpu")
    assert turned.paired is not None
    assert turned.paired.verdict == "other"
    assert turned.paired.gap.value == -found.paired.gap.value


def test_a_model_is_as_good_as_itself_and_files_do_as_well(tmp_path: Path) -> None:
    model, data = tiny.model(), tiny.data_set()
    save(model, tmp_path / "m.safetensors")
    found = compare(model, tmp_path / "m.safetensors", data, device="cpu")
    assert found.paired is not None and found.reports is not None
    assert (found.paired.verdict, found.paired.p_value, found.paired.needed) == ("noise", 1.0, None)
    assert found.reports[0] == found.reports[1] == evaluate(model, data, device="cpu")
    json.dumps(found.to_dict(), allow_nan=False)


def test_without_data_only_what_is_stated_is_compared() -> None:
    found = compare(tiny.model(), tiny.model(classes=("x", "y", "z"), norm_eps=1e-3))
    assert (found.reports, found.paired, found.notes) == (None, None, ())
    assert [fact.name for fact in found.architecture] == ["norm_eps"]
    assert [fact.name for fact in found.classes] == ["classes"]
    assert found.to_dict()["paired"] is None


def test_models_whose_classes_stand_in_another_order_are_compared_by_name() -> None:
    model, data = tiny.model(), tiny.data_set(test_count=60)
    turned = tiny.model(classes=("cat", "ant", "bee"))
    head = model.network.state_dict()["head.linear.weight"]
    state = model.network.state_dict() | {
        "head.linear.weight": head[[2, 0, 1]],
        "head.linear.bias": model.network.state_dict()["head.linear.bias"][[2, 0, 1]],
    }
    turned.network.load_state_dict(state)
    found = compare(model, turned, data, device="cpu")
    assert found.paired is not None
    assert (found.paired.one_alone, found.paired.other_alone) == (0, 0)
    assert [fact.name for fact in found.classes] == ["order"]
    (note,) = found.notes
    assert note.startswith("second: the data's classes stand in another order than the model's")


def test_several_classes_are_compared_too() -> None:
    found = compare(several_model(), several_model(seed=1), several_data(), device="cpu")
    assert found.paired is not None and found.reports is not None
    assert found.paired.pictures == 90
    assert found.reports[0].headline[0] == "map"


def test_other_classes_are_no_comparison_on_pictures() -> None:
    with pytest.raises(
        ValueError, match=r"other classes: only the first knows cat; only the second knows dog, eel\. .*Leave out"
    ):
        compare(tiny.model(), tiny.model(classes=("ant", "bee", "dog", "eel")), tiny.data_set())
    with pytest.raises(ValueError, match="one of the models gives each picture one class and the other any number"):
        compare(tiny.model(classes=FIVE), several_model(), several_data())


def test_pictures_are_read_as_for_the_first_model_and_may_be_mapped() -> None:
    data = tiny.data_set(classes=("ant", "bee", "cat", "dog"))
    assert isinstance(data.test, ArraySource)
    with pytest.raises(ValueError, match="the model does not know dog"):
        compare(tiny.model(), tiny.model(seed=1), data)
    found = compare(tiny.model(), tiny.model(seed=1), data, classes="common", device="cpu")
    assert found.paired is not None
    assert found.paired.pictures == int((data.test.labels < 3).sum())
    assert found.notes[0] == "first: pictures of dog are left out: the model does not know them"
    noted = compare(tiny.model(), tiny.model(), replace(tiny.data_set(), notes=("Left out: one.",)), device="cpu")
    assert noted.notes == ("Left out: one.",)
