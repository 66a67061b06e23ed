"""A model is tested on what it was not trained on, though the split was made and not given."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from resnets.data.open import open_data
from resnets.data.reading import Reading
from resnets.evaluation.evaluate import evaluate
from resnets.training.train import Trained
from tests import tiny

HOW = Reading(test_share=0.3, split_seed=5)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_pictures(tmp_path_factory.mktemp("data") / "photos", each=20)


@pytest.fixture(scope="module")
def trained(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    out = tmp_path_factory.mktemp("run") / "run"
    return tiny.run(photos, out, reading=HOW, size=(8, 8), recipe_name="finetune", epochs=1, batch_size=8)


def test_the_split_of_the_training_is_that_of_the_evaluation(trained: Trained, photos: Path) -> None:
    assert trained.report is not None
    again = evaluate(trained.model, photos, device="cpu")
    assert again.pictures == trained.report.pictures == 12
    assert again.confusion == trained.report.confusion
    assert again.notes == ()


def test_another_split_of_the_same_pictures_is_refused(trained: Trained, photos: Path) -> None:
    with pytest.raises(ValueError, match=r"trained on another split of these very pictures \(then made: 0.3 for"):
        evaluate(trained.model, photos, device="cpu", reading=Reading())
    with pytest.raises(ValueError, match="seen some of these test pictures; leave out --read"):
        evaluate(trained.model, open_data(photos, replace(HOW, split_seed=6)), device="cpu")
    assert evaluate(trained.model, open_data(photos, HOW), device="cpu").pictures == 12


@pytest.mark.parametrize(("split", "pictures", "some"), [("train", 28, ""), ("all", 40, "some of ")])
def test_who_is_asked_about_what_it_was_trained_on_is_told(
    split: Any, pictures: int, some: str, trained: Trained, photos: Path
) -> None:
    report = evaluate(trained.model, photos, device="cpu", split=split)
    assert report.pictures == pictures
    assert report.notes == (
        f"The model was trained on {some}these very pictures: it says little of how it does on others.",
    )


def test_a_set_that_has_grown_since_is_told_apart_from_new_pictures(trained: Trained, tmp_path: Path) -> None:
    grown = tiny.write_pictures(tmp_path / "photos", each=22)
    (note,) = evaluate(trained.model, grown, device="cpu").notes
    assert note.startswith("The model was trained on pictures that were called photos too, and these are others, or")
    assert "folder of their own, and give --split all" in note
    assert evaluate(trained.model, grown, device="cpu", split="all").pictures == 44


def test_every_picture_of_others_is_asked_about_without_a_word(trained: Trained, tmp_path: Path) -> None:
    report = evaluate(trained.model, tiny.write_pictures(tmp_path / "others", each=1), device="cpu", split="all")
    assert (report.pictures, report.notes) == (2, ())


def test_other_pictures_may_be_split_in_any_way(trained: Trained, tmp_path: Path) -> None:
    others = tiny.write_pictures(tmp_path / "others", each=10)
    assert evaluate(trained.model, others, device="cpu", reading=Reading(test_share=0.5)).pictures == 10
