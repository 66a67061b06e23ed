"""Prediction: pictures in, classes and probabilities out, in order; a bad picture says why it is one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from resnets.inference.engines import own_engine
from resnets.inference.listing import pictures
from resnets.inference.pipeline import Answered, answered
from resnets.runtime.engine import LOGITS, Engine
from resnets.spec.card import Card
from resnets.weights.modelfile import Model

__all__ = ["Prediction", "Ranked", "named", "pictures", "predict", "predictions"]

Ranked = tuple[tuple[str, float], ...]
"""(class, probability in [0, 1]) of some classes, best first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Prediction:
    """The answer for one picture: its most probable classes, best first, or an error.

    Where a picture may have several classes, each has a probability of its own, and `classes` are all those above one
    half, however many `top` names; elsewhere the probabilities of all add up to one, and `classes` is None. Where the
    best is less probable than the model's card asks of an answer, the picture is `unknown`.
    """

    path: str
    top: Ranked = ()
    classes: Ranked | None = None
    unknown: bool = False
    error: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return `{"path", "class", "probability", "top"}`, with "classes" where there may be several; or the error.

        "class" is the best of all even where "classes" is empty, and None with `"unknown": true` where the picture is
        unknown. An error is `{"path", "error"}`.
        """
        if self.error is not None:
            return {"path": self.path, "error": self.error}
        name: str | None
        name, probability = self.top[0]
        more: dict[str, Any] = {} if self.classes is None else {"classes": _records(self.classes)}
        if self.unknown:
            name, more = None, {"unknown": True, **more}
        return {"path": self.path, "class": name, "probability": probability, **more, "top": _records(self.top)}


def predict(
    model: Model,
    images: str | Path | Iterable[str | Path],
    *,
    top: int = 5,
    batch_size: int = 32,
    device: str = "auto",
    engine: Engine | None = None,
    workers: int | None = None,
) -> Iterator[Prediction]:
    """Yield a prediction for each picture, in order; folders stand for every picture below them.

    Decoding, resizing, class names and what probabilities mean are the model's own. `engine` runs the network (None:
    an artefact's own, or torch and the network as it stands, on `device`). `workers` threads decode ahead of it (None:
    one for each processor), and with 0 nothing is read before it is needed. Memory is bounded by the batch, not by the
    number of pictures. Raises `ValueError` for a network without a head; a bad picture is a record with its error.
    """
    check_top(model.card, top)
    engine = own_engine(model, device) if engine is None else engine
    # Paths that come one by one may come slowly: the first answer does not wait for those of the second batch.
    at_once = isinstance(images, str | Path | Sequence)
    paths = pictures(images, model.card.preprocess)
    for batch in predictions(model.card, engine, paths, top, batch_size=batch_size, workers=workers, at_once=at_once):
        yield from batch


def predictions(
    card: Card, engine: Engine, paths: Iterable[str | Path], top: int = 5, **how: Any
) -> Iterator[list[Prediction]]:
    """Yield the predictions of each batch of files, as `pipeline.answered` makes them; `how` is its own."""
    check_top(card, top)
    for batch in answered(paths, engine, card.preprocess, **how):
        yield named(batch, card, top)


def check_top(card: Card, top: int) -> None:
    """Raise `ValueError` for a network without a head, or a `top` that is not possible."""
    if card.architecture.classes_out is None:
        raise ValueError(f"{card.architecture.name} has no head, so it has no classes to predict")
    if top < 1:
        raise ValueError(f"top={top} is not possible; allowed: 1 to {len(card.classes)}")


def named(batch: Answered, card: Card, top: int) -> list[Prediction]:
    """Return the prediction of each picture of a batch, from logits that are over the temperature."""
    answers = iter(() if batch.outputs is None else _ranked(batch.outputs[LOGITS], card, top))
    least = card.calibration.get("unknown_below", 0.0)
    several = card.task == "classes"
    found = []
    for place, path in enumerate(batch.paths):
        if place in batch.errors:
            found.append(Prediction(path=path, error=batch.errors[place]))
            continue
        ranked = next(answers)
        above = tuple(pair for pair in ranked if pair[1] > 0.5) if several else None
        unknown = not several and ranked[0][1] < least
        found.append(Prediction(path=path, top=ranked[:top], classes=above, unknown=unknown))
    return found


def _ranked(logits: npt.NDArray[np.float32], card: Card, top: int) -> Iterator[Ranked]:
    """(N, classes) -> the best classes of each: as many as are shown, or all where there may be several."""
    several = card.task == "classes"
    scores = torch.from_numpy(np.ascontiguousarray(logits))
    probabilities = scores.sigmoid() if several else scores.softmax(1)
    best = probabilities.topk(len(card.classes) if several else min(top, len(card.classes)))
    for indices, shares in zip(best.indices.tolist(), best.values.tolist(), strict=True):
        yield tuple(zip((card.classes[index] for index in indices), shares, strict=True))


def _records(ranked: Ranked) -> list[dict[str, Any]]:
    return [{"class": name, "probability": probability} for name, probability in ranked]
