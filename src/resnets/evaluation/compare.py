"""Comparing two models: where their descriptions part, and whether their gap on pictures is more than noise."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from resnets.data.reading import Reading
from resnets.evaluation.classes import some
from resnets.evaluation.evaluate import answer
from resnets.evaluation.judge import AnyReport, judge
from resnets.evaluation.paired import Paired, paired
from resnets.evaluation.sides import Split, gather_for
from resnets.evaluation.stated import PARTS, Fact, only, stated
from resnets.inference.engined import EngineNetwork
from resnets.inference.models import open_model
from resnets.spec.card import Card
from resnets.weights.modelfile import Model

WHICH = ("first", "second")


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Two models: what they state differently, by part of their cards, and how they did on the same pictures.

    `same_numbers` says that all weights and statistics are equal to the bit; `notes` what was decided while the data
    were read.
    """

    architecture: tuple[Fact, ...]
    preprocess: tuple[Fact, ...]
    classes: tuple[Fact, ...]
    calibration: tuple[Fact, ...]
    recipe: tuple[Fact, ...]
    same_numbers: bool
    reports: tuple[AnyReport, AnyReport] | None = None
    paired: Paired | None = None
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values."""
        parts: dict[str, Any] = {name: [fact.to_dict() for fact in getattr(self, name)] for name in PARTS}
        return {
            **parts,
            "same_numbers": self.same_numbers,
            "reports": None if self.reports is None else [report.to_dict() for report in self.reports],
            "paired": None if self.paired is None else self.paired.to_dict(),
            "notes": list(self.notes),
        }


def compare(
    one: Model | str | Path,
    other: Model | str | Path,
    data: object = None,
    *,
    split: Split = "test",
    reading: Reading | None = None,
    manifest: str | Path | None = None,
    **how: Any,
) -> Comparison:
    """Compare what two models state, and with `data` how they do on the same pictures.

    A picture is answered rightly where its class, or all its classes and no other, are answered. `reading` says how
    data are read (default: as for the first model's training); `split` and `how` are passed to `answer`, for both:
    `batch_size`, `views` and so on. Raises `ValueError` as `answer` does, and with data for models that do not know
    the same classes.
    """
    models = _loaded(one), _loaded(other)
    facts: dict[str, Any] = {**stated(*(model.card for model in models)), "same_numbers": _are_same(*models)}
    if data is None:
        return Comparison(**facts)
    check_same_question(*(model.card for model in models))
    # Read once: both are asked about the same pictures.
    dataset = gather_for(models[0].card, data, split, reading, manifest)
    first, second = (answer(model, dataset, split=split, **how) for model in models)
    reports = tuple(
        judge(answers, model.card.calibration.get("temperature"))
        for answers, model in zip((first, second), models, strict=True)
    )
    said = [f"{which}: {note}" for which, report in zip(WHICH, reports, strict=True) for note in report.notes]
    return Comparison(
        **facts, reports=(reports[0], reports[1]), paired=paired(first, second), notes=(*dataset.notes, *said)
    )


def check_same_question(one: Card, other: Card) -> None:
    """Raise `ValueError` for models that can give the same picture no comparable answers."""
    if one.task != other.task:
        raise ValueError(
            "one of the models gives each picture one class and the other any number of them; on pictures only models "
            "of one kind are compared. Leave out the data to compare what they state"
        )
    differences = only(one, other)
    if any(differences):
        parts = [
            f"only the {which} knows {some(names)}" for which, names in zip(WHICH, differences, strict=True) if names
        ]
        raise ValueError(
            f"the models know other classes: {'; '.join(parts)}. On pictures only models of the same classes are "
            "compared. Leave out the data to compare what they state"
        )


def _are_same(one: Model, other: Model) -> bool:
    if any(isinstance(model.network, EngineNetwork) for model in (one, other)):
        return False  # what an engine runs is no longer the same numbers
    here, there = one.network.state_dict(), other.network.state_dict()
    return here.keys() == there.keys() and all(torch.equal(here[name], there[name]) for name in here)


def _loaded(model: Model | str | Path) -> Model:
    return model if isinstance(model, Model) else open_model(model)
