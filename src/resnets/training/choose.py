"""Choosing: the network and the recipe that suit a data set, where nobody has said which."""

from __future__ import annotations

from pathlib import Path

from resnets.data.dataset import DataSet
from resnets.data.source import ArraySource
from resnets.runtime.artefact import is_artefact
from resnets.spec.variants import VARIANTS
from resnets.training.recipes import RECIPES

SMALL_PX = 96
"""A side up to which pictures are small: a network that divides them by 32 would leave nothing to see."""

MANY = 20_000
"""Training photographs from which a deeper network is worth its time."""


def default_model(dataset: DataSet) -> tuple[str, str]:
    """Return the row that suits a data set, and a sentence that says why."""
    train = dataset.train
    if isinstance(train, ArraySource) and max(train.size) <= SMALL_PX:
        return "resnet20_cifar", f"pictures of {train.size[0]}x{train.size[1]} pixels"
    count = 0 if train is None else len(train)
    if count >= MANY:
        return "resnet50", f"{count:,} training pictures"
    return "resnet18", f"{count:,} training pictures, too few for a deeper one"


def default_recipe(dataset: DataSet, model: str) -> str:
    """Return the row that suits a data set: by where training begins, and by what its pictures are."""
    if is_trained(model):
        return "finetune"
    if not isinstance(dataset.train, ArraySource):
        return "photos"
    if dataset.name in RECIPES:
        return dataset.name
    return "mnist" if dataset.train.channels == 1 else "cifar-he2015"


def is_trained(model: str) -> bool:
    """Say whether a model is a file with weights, rather than a row's name; raise `ValueError` for a file not there."""
    if model in VARIANTS:
        return False
    path = Path(model)
    if path.is_dir() or (not path.exists() and (path.suffix or len(path.parts) > 1)):
        what = "is a folder" if path.is_dir() else "is not there"
        raise ValueError(f"--model {model} {what}; give a trained model file, or a network's name (`resnets show`)")
    if path.exists() and is_artefact(path):
        raise ValueError(f"--model {model} is an exported artefact, with no weights to train; give the model file")
    return path.exists()
