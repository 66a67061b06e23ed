"""Evaluation: a model on labelled pictures, each counted once, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F

from resnets.data.dataset import DataSet, require_classes
from resnets.data.gather import gather
from resnets.data.loader import Loader
from resnets.data.reading import Reading
from resnets.data.source import Source
from resnets.net.device import find_device
from resnets.net.network import ResNet
from resnets.spec.card import Card
from resnets.spec.preprocess import Preprocess
from resnets.weights.load import load
from resnets.weights.modelfile import Model

Split = Literal["test", "train"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """How a model did. `confusion[t][p]` counts pictures of class t taken for class p; shares are in [0, 1]."""

    classes: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    top5_right: int
    loss: float  # mean cross-entropy, in nats
    skipped: tuple[tuple[str, str], ...]  # (picture, reason)

    @property
    def pictures(self) -> int:
        """Number of pictures that were counted."""
        return sum(map(sum, self.confusion))

    @property
    def right(self) -> int:
        """Number of pictures whose first answer is right."""
        return sum(row[index] for index, row in enumerate(self.confusion))

    @property
    def top1(self) -> float:
        """Share of pictures whose first answer is right."""
        return self.right / self.pictures

    @property
    def top5(self) -> float:
        """Share of pictures with the right answer among the first five."""
        return self.top5_right / self.pictures

    def interval(self) -> tuple[float, float]:
        """Return Wilson's 95 % interval of `top1`: what such a test set can tell."""
        from scipy.stats import binomtest

        low, high = binomtest(self.right, self.pictures).proportion_ci(method="wilson")
        return float(low), float(high)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values, with accuracy and number of pictures for each class."""
        per_class = [
            {"class": name, "pictures": sum(row), "top1": row[index] / sum(row) if sum(row) else None}
            for index, (name, row) in enumerate(zip(self.classes, self.confusion, strict=True))
        ]
        return {
            "pictures": self.pictures,
            "top1": self.top1,
            "top1_interval": list(self.interval()),
            "top5": self.top5,
            "loss": self.loss,
            "per_class": per_class,
            "confusion": [list(row) for row in self.confusion],
            "skipped": [{"path": path, "error": reason} for path, reason in self.skipped],
        }


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
) -> Report:
    """Evaluate a model on one split of a data set, in float32.

    `model` is a model, or what `load` takes; `data` is what `open_data` takes, or a data set. Classes are matched by
    name: another order is mapped. `reading` says how data are read (default: as for the model's training); pictures
    in a `manifest` of the pre-flight are left out. Raises `ValueError` if the data's classes are not the model's, if
    there is no such split, if the model was trained on another split of the very same pictures, or if too many
    pictures cannot be read.
    """
    if not isinstance(model, Model):
        model = load(model)
    dataset = gather(data, reading or reading_of(model.card), manifest)
    require_classes(dataset)
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
) -> Report:
    """Evaluate a network on a source whose label i means class `order[i]`; it is left in evaluation mode."""
    network.eval()
    parameter = next(network.parameters())
    count = len(classes)
    confusion = np.zeros((count, count), dtype=np.int64)
    top5, loss = 0, 0.0
    loader = Loader(
        source, preprocess, batch_size=batch_size, drop_single=False, workers=workers, device=parameter.device
    )
    places = torch.arange(count) if order is None else torch.from_numpy(order)
    for batch in loader.epoch(0):
        labels = places[batch.labels.cpu()]
        logits = network(batch.images).float().cpu()
        ranked = logits.topk(min(5, count)).indices
        np.add.at(confusion, (labels.numpy(), ranked[:, 0].numpy()), 1)
        top5 += int((ranked == labels[:, None]).any(1).sum())
        loss += float(F.cross_entropy(logits, labels, reduction="sum"))
    pictures = int(confusion.sum())
    if not pictures:
        raise ValueError("there is no picture to evaluate on")
    return Report(
        classes=classes,
        confusion=tuple(tuple(int(n) for n in row) for row in confusion),
        top5_right=top5,
        loss=loss / pictures,
        skipped=tuple(loader.skipped),
    )
