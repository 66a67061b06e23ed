"""Evaluation: a model on labelled pictures, each counted once, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import torch

from resnets.data.dataset import DataSet, require_classes
from resnets.data.loader import Loader
from resnets.data.reading import Reading
from resnets.data.source import Labels, Source
from resnets.data.sources.table import find_table, read_column
from resnets.evaluation.answers import Answers
from resnets.evaluation.classes import How, Matching, match_classes
from resnets.evaluation.judge import AnyReport, count, judge
from resnets.evaluation.sides import Split, gather_for, reading_of, seen, side
from resnets.evaluation.views import VIEWS, Views
from resnets.inference.models import open_model
from resnets.net.device import find_device
from resnets.net.network import ResNet
from resnets.net.world import ALONE, World
from resnets.spec.card import Card
from resnets.spec.preprocess import Preprocess
from resnets.weights.modelfile import Model


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
    classes: How = "exact",
    views: Views = "one",
    columns: Sequence[str] = (),
) -> AnyReport:
    """Evaluate a model on one split of a data set, in float32.

    The arguments are those of `answer`. The pictures are told apart by the values of `columns`, where data are a table
    that has them. Where a picture may have several classes the report is a `SeveralReport`. Raises `ValueError` as
    `answer` does, and for a column that is not there or has too many values.
    """
    if not isinstance(model, Model):
        model = open_model(model)
    told_apart = read_columns(data, columns, reading or reading_of(model.card))
    answers = answer(
        model,
        data,
        split=split,
        batch_size=batch_size,
        device=device,
        reading=reading,
        manifest=manifest,
        workers=workers,
        classes=classes,
        views=views,
    )
    return judge(answers, model.card.calibration.get("temperature"), of_answered(answers, told_apart))


def read_columns(data: object, columns: Sequence[str], reading: Reading) -> dict[str, dict[str, str]]:
    """Return for each column of a table the value of each picture, by the picture's name.

    Raises `ValueError` where data are no table, or it lacks a column.
    """
    if not columns:
        return {}
    if not isinstance(data, str | Path) or not find_table(Path(data)):
        what = data if isinstance(data, str | Path) else f"a {type(data).__name__}"
        raise ValueError(f"{what} is no table, so it has no column {columns[0]}; give a .csv, .tsv or .parquet file")
    return {column: read_column(Path(data), column, reading) for column in columns}


def of_answered(answers: Answers, read: Mapping[str, Mapping[str, str]]) -> dict[str, list[str]]:
    """Return for each column the values of the pictures that were answered, in their order."""
    names = [answers.name(row) for row in range(len(answers))] if read else []
    return {column: [values[name] or EMPTY for name in names] for column, values in read.items()}


EMPTY = "(empty)"
"""What the value of an empty cell is called."""


def answer(
    model: Model | str | Path,
    data: object,
    *,
    split: Split = "test",
    batch_size: int = 256,
    device: str = "auto",
    reading: Reading | None = None,
    manifest: str | Path | None = None,
    workers: int | None = None,
    classes: How = "exact",
    views: Views = "one",
) -> Answers:
    """Return what a model answers to the pictures of one split of a data set, in float32.

    `model` is a model, or what `load` takes; `data` is what `open_data` takes, or a data set. Classes are matched by
    name: another order is mapped, and `classes` says what becomes of those that one has and the other lacks
    (`match_classes`). `views` are the views of each picture whose answers are averaged. `reading` says how data are
    read (default: as for the model's training); pictures in a `manifest` of the pre-flight are left out.

    Raises `ValueError` if the data's classes are not the model's, or one of the two has several for each picture and
    the other one; if there is no such split, if the model was trained on another split of the very same pictures, or
    if too many pictures cannot be read.
    """
    if not isinstance(model, Model):
        model = open_model(model)
    dataset = gather_for(model.card, data, split, reading, manifest)
    require_classes(dataset, several=True)
    check_task(model.card, dataset)
    notes = seen(model.card, dataset, split)
    source = side(dataset, split)
    if model.card.architecture.classes_out is None:
        raise ValueError(f"{model.card.architecture.name} has no head, so there are no classes to evaluate")
    matching = match_classes(model.card.classes, dataset.classes, classes, several=dataset.task == "classes")
    answers = answer_network(
        model.network.to(find_device(device)),
        source,
        model.card.preprocess,
        classes=model.card.classes,
        matching=matching,
        views=views,
        batch_size=batch_size,
        workers=workers,
    )
    return replace(answers, notes=(*notes, *answers.notes))


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


def evaluate_network(
    network: ResNet,
    source: Source,
    preprocess: Preprocess,
    *,
    classes: tuple[str, ...],
    batch_size: int = 256,
    workers: int | None = None,
    world: World = ALONE,
) -> AnyReport:
    """Count what a network answers to a source of the same classes: what training looks at after each epoch.

    Raises as `answer_network` does.
    """
    return count(
        answer_network(
            network, source, preprocess, classes=classes, batch_size=batch_size, workers=workers, world=world
        )
    )


@torch.no_grad()
def answer_network(
    network: ResNet,
    source: Source,
    preprocess: Preprocess,
    *,
    classes: tuple[str, ...],
    matching: Matching | None = None,
    views: Views = "one",
    batch_size: int = 256,
    workers: int | None = None,
    world: World = ALONE,
) -> Answers:
    """Return what a network answers to a source; it is left in evaluation mode.

    The processes of a `world` share the pictures, `batch_size` at a time in each, and all return the same: what one
    alone would, where the network's answers do not depend on the company in a batch.

    Raises `ValueError` where pictures have numbers in place of classes, or are no larger than the view of each, and
    `TooManyBadImages`, in all processes alike.
    """
    if source.labels.dtype == np.float32:
        raise ValueError("these pictures have numbers in place of classes; there is no class to be right about")
    places = np.arange(len(classes)) if matching is None else matching.places
    labels, meant = _labels(source.labels, places, len(classes))
    if not meant.any():
        raise ValueError("there is no picture to evaluate on" + "; none has a class that the model knows" * len(meant))
    pictures = source if meant.all() else source.take(np.flatnonzero(meant))
    way = VIEWS[views]
    network.eval()
    loader = Loader(
        pictures,
        way.preprocess(preprocess),
        batch_size=batch_size * world.size,
        drop_single=False,
        workers=workers,
        rank=world.rank,
        world=world.size,
        device=next((parameter.device for parameter in network.parameters()), torch.device("cpu")),
    )
    # A row for each picture of the source, which stays 0 but in the one process that sees the picture: so the sum over
    # all is everybody's answers, to the bit, in the order of the source.
    seen = torch.zeros(len(pictures), dtype=torch.uint8)
    logits = torch.zeros(len(pictures), len(classes))
    for batch in loader.epoch(0):
        if len(batch):
            seen[batch.indices] = 1
            logits[batch.indices] = way.answer(network, batch.images, preprocess, several=labels.dtype == np.bool_)
    loader.leave_out(*world.gather(loader.bad))
    good = np.flatnonzero(world.sum(seen).numpy())
    judged = np.arange(len(classes)) if matching is None else matching.judged
    truth = labels[meant][good]
    return Answers(
        classes=tuple(classes[place] for place in judged),
        logits=world.sum(logits).numpy()[good][:, judged],
        labels=truth[:, judged] if truth.dtype == np.bool_ else truth,
        indices=np.flatnonzero(meant)[good],
        source=source,
        skipped=tuple(loader.skipped),
        notes=() if matching is None else matching.notes,
    )


def _labels(
    given: Labels, places: npt.NDArray[np.int64], count: int
) -> tuple[npt.NDArray[np.int64] | npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """The labels of the data's pictures as the model numbers its classes, and which pictures are meant."""
    if given.dtype != np.bool_:
        return places[given], places[given] >= 0
    labels = np.zeros((len(given), count), np.bool_)
    for theirs, place in enumerate(places):
        if place >= 0:
            labels[:, place] |= given[:, theirs]
    return labels, np.ones(len(given), np.bool_)
