"""Writing: predictions or features of a list of pictures as a file, which a stopped run goes on with."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from resnets.inference.engined import EngineNetwork
from resnets.inference.features import feature_rows, row_shape
from resnets.inference.listing import pictures
from resnets.inference.predict import check_top, predictions
from resnets.inference.records import Batch, Written, keep
from resnets.inference.records_formats import FEATURES, PREDICTIONS, by_ending, check_installed
from resnets.runtime.engine import Engine
from resnets.spec.card import Card
from resnets.weights.modelfile import Model

MOST_COLUMNS = 16_384
"""Numbers of a picture that may stand in a line of CSV: as many columns as spreadsheets have."""


def write_predictions(
    card: Card,
    engine: Engine,
    images: str | Path | Iterable[str | Path],
    out: str | Path,
    *,
    identity: str,
    top: int = 5,
    batch_size: int = 32,
    workers: int | None = None,
) -> Written:
    """Write the predictions of `images`, in order, to `out`: .jsonl, .csv or .parquet.

    `identity` tells models apart (`identity_of`). A run that was stopped is continued by the same call, as
    `records.keep` says. Raises `ValueError` for what `predict` and `keep` refuse, and for another ending.
    """
    check_top(card, top)
    form = by_ending(out, PREDICTIONS)
    check_installed(out)

    def answer(paths: Iterator[Path]) -> Iterator[Batch]:
        for batch in predictions(card, engine, paths, top, batch_size=batch_size, workers=workers):
            yield [prediction.to_dict() for prediction in batch], None

    return keep(
        pictures(images, card.preprocess),
        answer,
        out,
        made_by=_made_by("predictions", identity, engine, top=top),
        batch_size=batch_size,
        finish=None if form is None else partial(form, card=card, top=top),
    )


def write_features(
    card: Card,
    engine: Engine,
    images: str | Path | Iterable[str | Path],
    out: str | Path,
    *,
    identity: str,
    level: str | None = None,
    batch_size: int = 32,
    workers: int | None = None,
) -> Written:
    """Write the features of `images`, in order, to `out`: .npz, .parquet or .csv.

    `level` and the engine are as for `features`, all else as for `write_predictions`. Raises `ValueError` for what
    `features` and `keep` refuse, for another ending, and for maps too large for lines of CSV.
    """
    form = by_ending(out, FEATURES)
    check_installed(out)
    shape = row_shape(card, level)
    if Path(out).suffix.lower() == ".csv" and np.prod(shape) > MOST_COLUMNS:
        size = " x ".join(map(str, shape))
        raise ValueError(f"--out {out}: {size} numbers a picture are too many for CSV; give a .npz or a .parquet")

    def answer(paths: Iterator[Path]) -> Iterator[Batch]:
        for batch, rows in feature_rows(card, engine, paths, level, batch_size=batch_size, workers=workers):
            errors = batch.errors
            yield (
                [
                    {"path": path, "error": errors[place]} if place in errors else {"path": path}
                    for place, path in enumerate(batch.paths)
                ],
                rows,
            )

    return keep(
        pictures(images, card.preprocess),
        answer,
        out,
        made_by=_made_by("features", identity, engine, level=level),
        batch_size=batch_size,
        row=shape,
        finish=form,
    )


def identity_of(model: Model) -> str:
    """Return what tells models apart: the SHA-256 of the card and of every number, or of an artefact's files."""
    if isinstance(model.network, EngineNetwork):
        return model.network.identity
    digest = hashlib.sha256(model.card.to_json().encode())
    for name, tensor in sorted(model.network.state_dict().items()):
        digest.update(name.encode() + b"\0")
        digest.update(tensor.detach().cpu().contiguous().numpy().reshape(-1).data)
    return digest.hexdigest()


def _made_by(what: str, identity: str, engine: Engine, **settings: Any) -> dict[str, Any]:
    return {"what": what, "model": identity, "engine": engine.name, "precision": engine.precision, **settings}
