"""Labelled: the pictures that several engines of one model are judged by, found the same way in every process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from resnets.data.dataset import DataSet, require_classes
from resnets.data.reading import Reading
from resnets.data.source import Source
from resnets.deployment.parts import Parts, parts_of
from resnets.evaluation.answers import Answers
from resnets.evaluation.classes import How, match_classes
from resnets.evaluation.evaluate import answer_network, check_task
from resnets.evaluation.sides import Split, gather_for, side
from resnets.spec.card import Card
from resnets.weights.modelfile import Model


@dataclass(frozen=True, kw_only=True, slots=True)
class Labelled:
    """Labelled pictures, read as `evaluate` reads them. `apart`: some of them are for the ranges of int8 alone."""

    data: str
    split: Split = "test"
    reading: Reading | None = None
    manifest: str | Path | None = None
    classes: How = "exact"
    apart: bool = False

    def gather(self, card: Card) -> DataSet:
        """Return the data set; raise `ValueError` where it is none for a model of this card."""
        if card.architecture.classes_out is None:
            raise ValueError(f"{card.architecture.name} has no head, so it has no answers to be judged by --data")
        dataset = gather_for(card, self.data, self.split, self.reading, self.manifest)
        require_classes(dataset, several=True)
        check_task(card, dataset)
        return dataset

    def parts(self, dataset: DataSet) -> Parts:
        """Return which pictures are for what (`parts_of`)."""
        return parts_of(dataset, self.split)

    def answers(self, model: Model) -> Answers:
        """Return what a model answers to the pictures that all are judged by."""
        dataset = self.gather(model.card)
        source: Source = self.parts(dataset).reporting if self.apart else side(dataset, self.split)
        several = dataset.task == "classes"
        matching = match_classes(model.card.classes, dataset.classes, self.classes, several=several)
        return answer_network(
            model.network,
            source,
            model.card.preprocess,
            classes=model.card.classes,
            matching=matching,
            batch_size=32,
        )
