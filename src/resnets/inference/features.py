"""Features: what a network sees in pictures, as vectors or as the map of a level, in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from resnets.inference.engines import own_engine
from resnets.inference.listing import pictures
from resnets.inference.pipeline import Answered, answered
from resnets.runtime.engine import Engine
from resnets.spec.card import Card
from resnets.spec.levels import level_sizes, levels
from resnets.spec.resolve import plan
from resnets.weights.modelfile import Model

Rows = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Features:
    """The features of one picture: (C,) or, of a level, (C, h, w), float32; or an error."""

    path: str
    values: Rows | None = None
    error: str | None = None


def features(
    model: Model,
    images: str | Path | Iterable[str | Path],
    *,
    level: str | None = None,
    batch_size: int = 32,
    device: str = "auto",
    engine: Engine | None = None,
    workers: int | None = None,
) -> Iterator[Features]:
    """Yield the features of each picture, in order; folders stand for every picture below them.

    Without `level` they are the mean of the last map over all places, as `ResNet.features` has it; with one, such as
    "C4", the map of that level. All else is as for `predict`; the network may be without a head. An `engine` must give
    the level that is asked for (None: as for `predict`). Raises `ValueError` for a level that the network
    does not have, or the engine does not give; a bad picture is a record with its error.
    """
    row_shape(model.card, level)
    engine = own_engine(model, device, (source_level(model.card, level),)) if engine is None else engine
    at_once = isinstance(images, str | Path | Sequence)
    paths = pictures(images, model.card.preprocess)
    how = {"batch_size": batch_size, "workers": workers, "at_once": at_once}
    for batch, rows in feature_rows(model.card, engine, paths, level, **how):
        for place, path in enumerate(batch.paths):
            error = batch.errors.get(place)
            yield Features(path=path, values=rows[place] if error is None else None, error=error)


def feature_rows(
    card: Card, engine: Engine, paths: Iterable[str | Path], level: str | None, **how: Any
) -> Iterator[tuple[Answered, Rows]]:
    """Yield each batch of files with (N, ...) features, NaN for a picture that cannot be read.

    `how` is that of `pipeline.answered`.
    """
    shape, name = row_shape(card, level), source_level(card, level)
    if name not in engine.outputs:
        raise ValueError(f"engine {engine.name} gives {', '.join(engine.outputs)}, and {name} is needed; make it so")
    for batch in answered(paths, engine, card.preprocess, **how):
        rows = np.full((len(batch.paths), *shape), np.nan, np.float32)
        if batch.outputs is not None:
            maps = batch.outputs[name]
            good = [place for place in range(len(batch.paths)) if place not in batch.errors]
            rows[good] = maps.mean((2, 3), dtype=np.float32) if level is None else maps
        yield batch, rows


def source_level(card: Card, level: str | None) -> str:
    """Return the level from which features are made: the one that is asked for, or the last."""
    return plan(card.architecture).stages[-1].level if level is None else level


def row_shape(card: Card, level: str | None) -> tuple[int, ...]:
    """Return the shape of one picture's features; raise `ValueError` for a level that the network does not have."""
    network = plan(card.architecture)
    found = levels(network)
    if level is None:
        return (found[network.stages[-1].level].channels,)
    if level not in found:
        raise ValueError(f"--level {level} is no level of {card.architecture.name}; allowed: {', '.join(found)}")
    return (found[level].channels, *level_sizes(network, card.preprocess.size)[level])
