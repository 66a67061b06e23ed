"""Agreement: whether two networks give the same numbers, level by level, and the same answers on pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from resnets.data.dataset import DataSet
from resnets.data.gather import gather
from resnets.data.loader import Loader
from resnets.data.reading import Reading
from resnets.data.source import FileSource, Source
from resnets.evaluation.differences import Change, Difference, Tally
from resnets.inference.engined import EngineNetwork
from resnets.inference.models import open_model
from resnets.inference.predict import pictures as picture_files
from resnets.net.network import ResNet
from resnets.spec.card import Card
from resnets.spec.preprocess import FORMATS, Preprocess
from resnets.weights.modelfile import Model

Maps = Mapping[str, Tensor]
Network = Callable[[Tensor], Maps]
"""(N, C, H, W) -> maps by name; "logits" is the answer where there is one."""

Artefact = Callable[[Tensor], Maps | Tensor]
"""(N, C, H, W) -> maps by name, or the logits alone: whatever was made of a network."""

Side = Model | ResNet | str | Path | Artefact
"""What may be compared: a model, what `load` takes, a network, or an artefact."""

Pictures = Tensor | DataSet | str | Path | Iterable[str | Path]
"""What it is compared on: (N, C, H, W) as the networks take it, a data set, files, or a folder of them."""

TOLERANCE = 1e-4
"""Largest difference of two float32 networks, as a share of the level's largest number, that counts as agreement."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Agreement:
    """Two networks on the same pictures.

    `levels` are in the network's order, the logits last. `same_answers` of `pictures` have the same first class, or
    where a picture may have several the same ones; `changed` are the others, and `probabilities` is the largest
    difference of any probability. All three are None or empty where there are no logits.
    """

    levels: tuple[Difference, ...]
    pictures: int
    same_answers: int | None
    changed: tuple[Change, ...] = ()
    probabilities: float | None = None
    tolerance: float = TOLERANCE
    skipped: tuple[tuple[str, str], ...] = ()  # (picture that could not be read, reason)
    notes: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether every level is within the tolerance (a difference that is not a number is not)."""
        return all(level.relative <= self.tolerance for level in self.levels)

    @property
    def worst(self) -> Difference:
        """The level at which they part most."""
        return max(self.levels, key=lambda level: (level.relative != level.relative, level.relative))

    def sentence(self) -> str:
        """Return what was found, in one line."""
        worst = self.worst
        found = "they agree" if self.holds else "they do not agree"
        said = [f"{found}: {worst.level} differs most, by {worst.relative:.2g} of its largest number"]
        said.append(f"and {self.tolerance:g} is allowed")
        if self.same_answers is not None:
            said.append(f"the same answer on {self.same_answers:,} of {self.pictures:,} pictures")
        if self.probabilities is not None:
            said.append(f"no probability differs by more than {self.probabilities:.2g}")
        return ", ".join(said[:2]) + "".join(f"; {one}" for one in said[2:])

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values."""
        return {
            "holds": self.holds,
            "tolerance": self.tolerance,
            "levels": {d.level: {"largest": d.largest, "relative": d.relative} for d in self.levels},
            "pictures": self.pictures,
            "same_answers": self.same_answers,
            "changed": [{"picture": c.picture, "one": c.one, "other": c.other} for c in self.changed],
            "probabilities": self.probabilities,
            "notes": list(self.notes),
            "skipped": [{"path": path, "error": reason} for path, reason in self.skipped],
        }


def agreement(
    one: Side,
    other: Side,
    batch: Pictures,
    *,
    tolerance: float = TOLERANCE,
    batch_size: int = 64,
    limit: int | None = None,
) -> Agreement:
    """Compare two networks, or a network and an artefact, at every level that both have, and their answers.

    Either is a model, what `load` takes, a network of ours in evaluation mode, or a function from a batch (N, C, H, W)
    to maps by name or to logits. `batch` is such a batch; or pictures, of which `limit` are taken evenly spaced, both
    shown as the first that is a model prepares them, `batch_size` at a time. Probabilities are at each model's own
    temperature, and an artefact's at that of the model it is compared with. Classes of two models are matched by name.

    Raises `ValueError` where they have no level in common, give a level in different shapes or have other classes, and
    for pictures where neither is a model.
    """
    sides = _Sides.of(one, other)
    tally = Tally(sides.ask, sides.cards)
    skipped: Sequence[tuple[str, str]] = ()
    with torch.no_grad():
        if isinstance(batch, Tensor):
            tally.add(batch, [f"batch[{row}]" for row in range(len(batch))])
        else:
            source = _source(batch, sides.preprocess, limit)
            loader = Loader(source, sides.preprocess, batch_size=batch_size, drop_single=False)
            for part in loader.epoch(0):
                tally.add(part.images, [source.name(index) for index in part.indices.tolist()])
            skipped = loader.skipped
    if not tally.pictures:
        raise ValueError("there is no picture to compare the two on")
    return Agreement(
        levels=tuple(tally.levels()),
        pictures=tally.pictures,
        same_answers=None if tally.probabilities is None else tally.pictures - len(tally.changed),
        changed=tuple(tally.changed),
        probabilities=tally.probabilities,
        tolerance=tolerance,
        skipped=tuple(skipped),
        notes=sides.notes,
    )


def outputs(network: ResNet | Artefact) -> Network:
    """Return a function from a batch to the levels, and the logits where there is a head."""
    if isinstance(network, EngineNetwork):
        return network.answers
    if not isinstance(network, ResNet):
        return lambda batch: _named(network(batch))
    ours: ResNet = network

    def run(batch: Tensor) -> Maps:
        maps = ours.levels(batch.to(next(ours.parameters()).device))
        # The head stands on the last level, so the trunk runs once.
        return maps if ours.head is None else maps | {"logits": ours.head(maps[ours.plan.stages[-1].level])}

    return run


def _named(found: Maps | Tensor) -> Maps:
    return {"logits": found} if isinstance(found, Tensor) else found


@dataclass(frozen=True, slots=True)
class _Sides:
    """Two networks as functions, and what is known of each: its card, where it is a model."""

    networks: tuple[Network, Network]
    cards: tuple[Card | None, Card | None]
    order: Tensor | None = None  # of the second's logits, to stand as the first's
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, one: Side, other: Side) -> _Sides:
        models = [open_model(side) if isinstance(side, str | Path) else side for side in (one, other)]
        first, second = (outputs(m.network.eval() if isinstance(m, Model) else m) for m in models)
        mine, theirs = (m.card if isinstance(m, Model) else None for m in models)
        if mine is None or theirs is None:
            return cls((first, second), (mine, theirs))
        notes, order = [], None
        if mine.preprocess != theirs.preprocess:
            notes.append("the two prepare pictures differently; both were shown them as the first does")
        if mine.task != theirs.task or set(mine.classes) != set(theirs.classes):
            raise ValueError(
                "the two have other classes, and cannot give the same answers; `resnets compare` says which"
            )
        if mine.classes != theirs.classes:
            notes.append("the second's classes stand in another order than the first's; they are matched by name")
            order = torch.tensor([theirs.classes.index(name) for name in mine.classes])
        return cls((first, second), (mine, theirs), order, tuple(notes))

    @property
    def preprocess(self) -> Preprocess:
        """How pictures are prepared; raise `ValueError` where nobody says."""
        card = self.cards[0] or self.cards[1]
        if card is None:
            raise ValueError(
                "neither of the two is a model, which says how pictures are prepared; give a model, or a batch "
                "(N, C, H, W)"
            )
        return card.preprocess

    def ask(self, batch: Tensor) -> tuple[Maps, Maps]:
        """What both give for a batch, the second's logits in the first's order."""
        first, second = (network(batch) for network in self.networks)
        if self.order is not None and "logits" in second:
            second = {**second, "logits": second["logits"][:, self.order.to(second["logits"].device)]}
        return first, second


def _source(given: DataSet | str | Path | Iterable[str | Path], preprocess: Preprocess, limit: int | None) -> Source:
    """The pictures of a data set, those to test on first; or files, and those below folders."""
    endings = {ending for name in preprocess.formats for ending in FORMATS[name]}
    files: list[Path] = []
    if isinstance(given, str | Path):
        if Path(given).is_dir() or Path(given).suffix.lower() in endings:
            files = list(picture_files(given, preprocess))
    elif not isinstance(given, DataSet):
        files = list(picture_files(given, preprocess))
        if not files:
            raise ValueError("there is no picture to compare the two on")
    if files:
        source: Source | None = FileSource.of(files, np.zeros(len(files), np.int64))
    else:
        dataset = gather(given, Reading(formats=preprocess.formats))
        source = dataset.test if dataset.test is not None else dataset.train
    if source is None or not len(source):
        raise ValueError("there is no picture to compare the two on")
    if limit is None:
        return source
    if limit < 1:
        raise ValueError(f"limit={limit} is not possible; allowed: 1 or more pictures, or None for all")
    return source.take(np.unique(np.linspace(0, len(source) - 1, min(limit, len(source))).round().astype(np.int64)))
