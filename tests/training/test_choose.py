"""What is chosen for who names no network and no recipe: by what the pictures are, never by what a folder is called."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torchvision

from resnets.data.dataset import DataSet
from resnets.data.open import open_data
from resnets.training.choose import default_model, default_recipe, is_trained
from resnets.training.train import train
from resnets.weights.modelfile import save
from resnets.weights.wanted import wanted
from tests import tiny


def photos(root: Path, name: str) -> DataSet:
    return open_data(tiny.write_pictures(root / name, each=5, side=40))


@pytest.mark.parametrize("name", ["mnist", "torchvision", "photos", "rubbish"])
def test_photographs_get_the_recipe_for_photographs_whatever_their_folder_is_called(name: str, tmp_path: Path) -> None:
    assert default_recipe(photos(tmp_path, name), "resnet18") == "photos"


def test_a_trained_file_is_fine_tuned_whatever_the_data_are(tmp_path: Path) -> None:
    save(tiny.model(), tmp_path / "m.safetensors")
    for data in (photos(tmp_path, "photos"), open_data("digits"), tiny.data_set()):
        assert default_recipe(data, str(tmp_path / "m.safetensors")) == "finetune"


def test_pictures_in_memory_get_the_recipe_of_their_name_or_their_kind() -> None:
    assert default_recipe(open_data("digits"), "resnet20_cifar") == "digits"
    assert default_recipe(tiny.data_set(channels=1), "resnet18") == "mnist"
    assert default_recipe(tiny.data_set(), "resnet18") == "cifar-he2015"
    assert default_recipe(replace(tiny.data_set(channels=1), name="mnist"), "resnet34") == "mnist"


def test_small_pictures_get_a_small_network_and_photographs_a_deep_one(tmp_path: Path) -> None:
    assert default_model(tiny.data_set())[0] == "resnet20_cifar"
    assert default_model(photos(tmp_path, "photos"))[0] == "resnet18"


@pytest.mark.parametrize(
    ("given", "sentence"), [("absent.pth", "is not there"), ("runs/a", "is not there"), (".", "is a folder")]
)
def test_a_model_that_is_no_file_is_refused_by_name(given: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"--model {given} {sentence}; give a trained model file, or a network's name"):
        is_trained(given)
    assert not is_trained("resnet18")


def test_somebody_elses_checkpoint_is_fine_tuned_on_pictures_that_are_looked_at_first(tmp_path: Path) -> None:
    torch.save(torchvision.models.resnet18(num_classes=2).state_dict(), tmp_path / "theirs.pth")
    folder = tiny.write_pictures(tmp_path / "photos", each=6, side=40)
    said: list[str] = []
    trained = train(
        folder,
        model=tmp_path / "theirs.pth",
        out=tmp_path / "run",
        size=32,
        check=True,
        epochs=1,
        batch_size=4,
        say=said.append,
    )
    assert any(sentence.startswith("pre-flight: ") for sentence in said)
    assert trained.model.card.architecture.name == "resnet18"
    assert trained.model.card.preprocess.mean == (0.485, 0.456, 0.406)


def test_what_pictures_are_wanted_is_read_from_any_checkpoint(tmp_path: Path) -> None:
    torch.save(torchvision.models.resnet18().state_dict(), tmp_path / "theirs.pth")
    preprocess, stride = wanted(str(tmp_path / "theirs.pth"), None)
    assert preprocess is not None
    assert (preprocess.size, preprocess.resize, stride) == ((224, 224), 256, 32)
    smaller, _ = wanted(str(tmp_path / "theirs.pth"), (64, 64))
    assert smaller is not None
    assert smaller.size == (64, 64)
