"""Evaluation: a model on labelled pictures, each counted once, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from resnets.data.dataset import DataSet, require_classes
from resnets.data.gather import gather
from resnets.data.loader import Loader
from resnets.data.reading import Reading
from resnets.data.source import Source
from resnets.evaluation.report import Report, class_report
from resnets.evaluation.several import SeveralReport, several_report
from resnets.net.device import find_device
from resnets.net.network import ResNet
from resnets.net.world import ALONE, World
from resnets.spec.card import Card
from resnets.spec.preprocess import Preprocess
from resnets.weights.load import load
from resnets.weights.modelfile import Model

__all__ = [
    "AnyReport",
    "Report",
    "SeveralReport",
    "check_split",
    "check_task",
    "evaluate",
    "evaluate_network",
    "match_classes",
    "reading_of",
]

AnyReport = Report | SeveralReport
"""Both have `headline`, the number to go by with its name, `loss`, `pictures`, `classes`, `skipped` and `to_dict()`."""

Split = Literal["test", "train"]


def evaluate(
    model: Model | str | Path,
    data: object,
    *,
    split: Split = "test",
    batch_size: int = 256,
    device: str = "auto",
    reading: Reading | None = None,
    manifest: str | Path | None = None,
    workers: int | None = None,
) -> AnyReport:
    """Evaluate a model on one split of a data set, in float32.

    `model` is a model, or what `load` takes; `data` is what `open_data` takes, or a data set. Classes are matched by
    name: another order is mapped. `reading` says how data are read (default: as for the model's training); pictures
    in a `manifest` of the pre-flight are left out. Where a picture may have several classes the report is a
    `SeveralReport`. Raises `ValueError` if the data's classes are not the model's, or one of the two has several
    for each picture and the other one; if there is no such split, if the model was trained on another split of the
    very same pictures, or if too many pictures cannot be read.
    """
    if not isinstance(model, Model):
        model = load(model)
    dataset = gather(data, reading or reading_of(model.card), manifest)
    require_classes(dataset, several=True)
    check_task(model.card, dataset)
    if split == "test":
        check_split(model.card, dataset)
    source = getattr(dataset, split)
    if source is None:
        raise ValueError(
            f"{dataset.name} has no {split} pictures; give --split {'train' if split == 'test' else 'test'}"
        )
    if model.card.architecture.classes_out is None:
        raise ValueError(f"{model.card.architecture.name} has no head, so there are no classes to evaluate")
    order = match_classes(model.card.classes, dataset.classes)
    network = model.network.to(find_device(device))
    return evaluate_network(
        network,
        source,
        model.card.preprocess,
        classes=model.card.classes,
        order=order,
        batch_size=batch_size,
        workers=workers,
    )


def reading_of(card: Card) -> Reading:
    """Return how a model's training pictures were read, as its card says; else by the formats that it decodes."""
    said = card.origin.get("data")
    if isinstance(said, dict) and isinstance(said.get("reading"), dict):
        return Reading.from_dict(said["reading"])
    return Reading(formats=card.preprocess.formats)


def check_split(card: Card, dataset: DataSet) -> None:
    """Raise `ValueError` where these are the pictures a model was trained on, split otherwise than then."""
    said = card.origin.get("data")
    if not isinstance(said, dict) or said.get("sha256") != dataset.fingerprint:
        return
    if "split" in said and said["split"] != dataset.split:
        raise ValueError(
            f"the model was trained on another split of these very pictures (then {said['split']}; now "
            f"{dataset.split}), so it has seen some of these test pictures; leave out --read, which its card answers"
        )


def check_task(card: Card, dataset: DataSet) -> None:
    """Raise `ValueError` where pictures have several classes and the model gives one, or the other way round."""
    if card.task != dataset.task:
        raise ValueError(MISMATCHES[card.task].format(name=dataset.name))


MISMATCHES: Mapping[str, str] = MappingProxyType(
    {
        "class": "the model gives each picture one class, and a picture of {name} may have several; give pictures of "
        "one class each (--read label=NAME chooses the column of a table), or train a model on pictures like these",
        "classes": "the model gives each picture any number of classes, and {name} names one for each: which others "
        "are there is not known. Give a table whose classes are a list, or a text parted by | or ;",
    }
)
"""What is said to who has a model of one task, and pictures of the other."""


def match_classes(mine: tuple[str, ...], theirs: tuple[str, ...]) -> np.ndarray[Any, Any]:
    """Return, for each class of the data, its place among the model's; raise `ValueError` if the sets differ."""
    if set(mine) != set(theirs):
        missing, extra = sorted(set(mine) - set(theirs)), sorted(set(theirs) - set(mine))
        parts = [
            f"{what} {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}"
            for what, names in (("the data lacks", missing), ("the model does not know", extra))
            if names
        ]
        numbered = mine == tuple(map(str, range(len(mine))))
        advice = ". The model's file names none: `resnets convert MODEL OUT --names LIST` does" if numbered else ""
        raise ValueError(f"the classes of data and model differ: {'; '.join(parts)}{advice}")
    place = {name: index for index, name in enumerate(mine)}
    return np.array([place[name] for name in theirs], dtype=np.int64)


@torch.no_grad()
def evaluate_network(
    network: ResNet,
    source: Source,
    preprocess: Preprocess,
    *,
    classes: tuple[str, ...],
    order: np.ndarray[Any, Any] | None = None,
    batch_size: int = 256,
    workers: int | None = None,
    world: World = ALONE,
) -> AnyReport:
    """Evaluate a network on a source whose class i means class `order[i]`; it is left in evaluation mode.

    The processes of a `world` share the pictures, `batch_size` at a time in each, and all return the same: the report
    that one alone would make, where the network's answers do not depend on the company in a batch.

    Raises `ValueError` where pictures have numbers in place of classes, and `TooManyBadImages`, in all processes alike.
    """
    if source.labels.dtype == np.float32:
        raise ValueError("these pictures have numbers in place of classes; there is no class to be right about")
    network.eval()
    places = np.arange(len(classes)) if order is None else order
    several = source.labels.dtype == np.bool_
    labels: np.ndarray[Any, Any] = np.zeros((len(source), len(classes)), np.bool_) if several else places[source.labels]
    if several:
        labels[:, places] = source.labels
    loader = Loader(
        source,
        preprocess,
        batch_size=batch_size * world.size,
        drop_single=False,
        workers=workers,
        rank=world.rank,
        world=world.size,
        device=next(network.parameters()).device,
    )
    # A row for each picture of the source, which stays 0 but in the one process that sees the picture: so the sum over
    # all is everybody's answers, to the bit, in the order of the source.
    seen = torch.zeros(len(source), dtype=torch.uint8)
    answers = torch.zeros(len(source), len(classes)) if several else torch.zeros(len(source), 3, dtype=torch.float64)
    for batch in loader.epoch(0):
        if len(batch):
            logits = network(batch.images).float().cpu()
            seen[batch.indices] = 1
            answers[batch.indices] = logits if several else _answers(logits, torch.from_numpy(labels)[batch.indices])
    loader.leave_out(*world.gather(loader.bad))
    good = world.sum(seen).numpy() > 0
    rows = world.sum(answers).numpy()[good]
    if several:
        return several_report(labels[good], rows, classes, loader.skipped)
    firsts, among_five, losses = rows.T
    return class_report(labels[good], firsts.astype(np.int64), among_five > 0, losses, classes, loader.skipped)


def _answers(logits: Tensor, labels: Tensor) -> Tensor:
    """(N, 3): the first answer, whether the label is among the first five, and the cross-entropy."""
    ranked = logits.topk(min(5, logits.shape[1])).indices
    among_five = (ranked == labels[:, None]).any(1)
    losses = F.cross_entropy(logits, labels, reduction="none")
    return torch.stack([ranked[:, 0].double(), among_five.double(), losses.double()], 1)
