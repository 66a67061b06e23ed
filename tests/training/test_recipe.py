"""Recipes: a table whose rows have sources, and numbers that cannot be impossible."""

from __future__ import annotations

import json
from typing import Any

import pytest

from resnets.data.augmentation.augment import AUGMENTATIONS
from resnets.training.recipe import BOUNDS, WHOLE, Recipe
from resnets.training.recipes import RECIPES, recipe


@pytest.mark.parametrize("row", RECIPES.values(), ids=lambda row: row.name)
def test_every_row_has_a_source_and_an_augmentation_that_exists(row: Recipe) -> None:
    assert RECIPES[row.name] is row
    assert len(row.source) > 10
    assert row.augmentation in AUGMENTATIONS


@pytest.mark.parametrize("row", RECIPES.values(), ids=lambda row: row.name)
def test_every_row_is_read_back_from_json_as_it_was(row: Recipe) -> None:
    assert Recipe.from_dict(json.loads(json.dumps(row.to_dict()))) == row


def test_equal_recipes_are_equal_json_however_the_number_was_written() -> None:
    one, other = recipe("digits", epochs=3, lr=1), recipe("digits", epochs=3.0, lr=1.0)
    assert one == other
    assert json.dumps(one.to_dict()) == json.dumps(other.to_dict())


def test_the_rows_of_the_issue_are_there() -> None:
    assert {"digits", "mnist", "mnist-notes", "cifar-he2015", "finetune"} <= set(RECIPES)


def test_the_notes_recipe_is_adam_at_1e_4_with_batches_of_128_and_runs_21_epochs() -> None:
    """Note 002 says 20 epochs, and its loop is `for epoch in range(training_epochs + 1)`: 21 passes."""
    notes = recipe("mnist-notes")
    assert (notes.optimizer, notes.lr, notes.batch_size, notes.schedule) == ("adam", 1e-4, 128, "constant")
    assert notes.epochs == len(range(20 + 1)) == 21
    assert "runs 21" in notes.source


def test_the_papers_recipe_has_the_papers_numbers() -> None:
    """He et al. 2015, section 4.2."""
    paper = recipe("cifar-he2015")
    assert (paper.optimizer, paper.lr, paper.momentum, paper.nesterov) == ("sgd", 0.1, 0.9, False)
    assert (paper.weight_decay, paper.decay_norms, paper.batch_size) == (1e-4, True, 128)
    assert [paper.iterations * share for share in paper.milestones if paper.iterations] == [32_000, 48_000]
    assert (paper.iterations, paper.held_out) == (64_000, 5_000)


def test_asking_for_epochs_takes_back_a_count_in_batches() -> None:
    assert recipe("cifar-he2015", epochs=2).iterations is None
    assert recipe("cifar-he2015", lr=0.01).iterations == 64_000
    assert recipe("cifar-he2015", epochs=2, iterations=10).iterations == 10


def test_a_number_is_changed_and_the_row_stays() -> None:
    assert recipe("mnist", lr=0.5).lr == 0.5
    assert recipe("mnist").lr == RECIPES["mnist"].lr != 0.5


@pytest.mark.parametrize(
    ("name", "near"), [("mnist_notes", "mnist-notes"), ("digit", "digits"), ("cifar-he15", "cifar-he2015")]
)
def test_an_unknown_recipe_suggests_the_nearest_and_lists_all(name: str, near: str) -> None:
    with pytest.raises(
        ValueError, match=f"no recipe is called '{name}'. Did you mean '{near}'. Allowed: digits, mnist"
    ):
        recipe(name)


@pytest.mark.parametrize(("name", "near"), [("epoch", "epochs"), ("batchsize", "batch_size"), ("seeds", "seed")])
def test_an_unknown_number_suggests_the_nearest(name: str, near: str) -> None:
    with pytest.raises(ValueError, match=f"'{name}' is no number of a recipe. Did you mean '{near}'"):
        recipe("digits", **{name: 1})


@pytest.mark.parametrize("field", BOUNDS)
def test_numbers_outside_their_bounds_are_refused_and_the_bounds_themselves_are_not(field: str) -> None:
    least, most = BOUNDS[field]
    room = {"batch_size": 65_536, "freeze": "C2", "held_out": 10}  # what some of them need beside them
    for value in (least, most):
        assert getattr(recipe("digits", **room | {field: value}), field) == value
    for value in (least - 1, most * 2 + 1, float("nan"), float("inf"), "3", [1]):
        with pytest.raises(ValueError, match=rf"{field}=.* is not possible in a recipe; allowed: .*to"):
            recipe("digits", **{field: value})


@pytest.mark.parametrize("field", WHOLE)
def test_counts_are_whole_numbers(field: str) -> None:
    with pytest.raises(ValueError, match=rf"{field}=2\.5 is not possible in a recipe; allowed: whole numbers from"):
        recipe("digits", **{field: 2.5})


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        ({"optimizer": "lion"}, "optimizer='lion' is not possible in a recipe; allowed: one of sgd, adam, adamw"),
        ({"schedule": "exponential"}, "allowed: one of constant, steps, cosine, one_cycle"),
        ({"precision": "fp8"}, "allowed: one of auto, fp32, bf16, fp16"),
        ({"loss": "hinge"}, "allowed: one of cross_entropy, bce"),
        ({"imbalance": "logits", "loss": "bce"}, "allowed: with loss=cross_entropy; with loss=bce ignore, weights"),
        ({"imbalance": "focal"}, "allowed: one of ignore, weights, sampler, logits"),
        ({"thaw": 0.5}, "allowed: None, or with freeze=LEVEL, which says what is frozen until then"),
        (
            {"patience": 3, "held_out": 0},
            "allowed: with held_out=N too: stopping by the test pictures would choose by them",
        ),
        ({"coverage": 0.9, "held_out": 0}, "allowed: with held_out=N too: what is left unknown is found on pictures"),
        ({"held_out": 10.5}, "allowed: a number of pictures, or a share of them below 1"),
        ({"accumulate": 33}, "allowed: 1 to 32: a part of one is nothing to a norm"),
        ({"grow_from": 0.5, "grow_to": 0.25}, "allowed: grow_from=0.5 to 1"),
        ({"augmenting": (("mixing", 1),)}, "allowed: numbers of an augmentation: brightness"),
        ({"sync_norms": 1}, "allowed: true or false"),
        ({"augmentation": "autoaugment"}, "allowed: one of none, digits, mnist"),
        ({"milestones": (0.75, 0.5)}, "allowed: rising shares of the run, between 0 and 1"),
        ({"milestones": (0.5, 1.0)}, "allowed: rising shares of the run, between 0 and 1"),
        ({"batch_size": 1}, "batch_size=1 is not possible"),
        ({"epochs": None}, "epochs=None is not possible"),
    ],
)
def test_impossible_values_are_refused_with_what_is_allowed(number: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        recipe("digits", **number)
