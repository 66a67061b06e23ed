"""Prediction: pictures in, classes and probabilities out, in order; a bad picture says why it is one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from resnets.data.decoding.picture import file_pixels
from resnets.data.errors import BadImage
from resnets.net.device import find_device
from resnets.net.normalise import normalise
from resnets.spec.preprocess import FORMATS, Preprocess
from resnets.weights.modelfile import Model

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
    model: Model, images: str | Path | Iterable[str | Path], *, top: int = 5, batch_size: int = 32, device: str = "auto"
) -> Iterator[Prediction]:
    """Yield a prediction for each picture, in order; folders stand for every picture below them.

    Decoding, resizing, class names and what probabilities mean are the model's own. Memory is bounded by the batch,
    not by the number of pictures. Raises `ValueError` for a network without a head; a bad picture is a record with its
    error.
    """
    card = model.card
    if card.architecture.classes_out is None:
        raise ValueError(f"{card.architecture.name} has no head, so it has no classes to predict")
    if top < 1:
        raise ValueError(f"top={top} is not possible; allowed: 1 to {len(card.classes)}")
    if batch_size < 1:
        raise ValueError(f"batch_size={batch_size} is not possible; allowed: 1 or more")
    target = find_device(device)
    network = model.network.to(target).eval()
    several = card.task == "classes"
    temperature, least = card.calibration.get("temperature", 1.0), card.calibration.get("unknown_below", 0.0)
    paths = pictures(images, card.preprocess)
    while chunk := list(islice(paths, batch_size)):
        arrays = [_read(path, card.preprocess) for path in chunk]
        good = [array for array in arrays if isinstance(array, np.ndarray)]
        answers: Iterator[tuple[list[int], list[float]]] = iter(())
        if good:
            batch = normalise(torch.from_numpy(np.stack(good)), card.preprocess).to(target)
            with torch.no_grad():
                logits = network(batch).float() / temperature
            probabilities = (logits.sigmoid() if several else logits.softmax(1)).cpu()
            best = probabilities.topk(len(card.classes) if several else min(top, len(card.classes)))
            answers = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        for path, array in zip(chunk, arrays, strict=True):
            if isinstance(array, BadImage):
                yield Prediction(path=str(path), error=array.reason)
                continue
            indices, shares = next(answers)
            ranked = tuple(zip((card.classes[index] for index in indices), shares, strict=True))
            above = tuple(pair for pair in ranked if pair[1] > 0.5) if several else None
            unknown = not several and ranked[0][1] < least
            yield Prediction(path=str(path), top=ranked[:top], classes=above, unknown=unknown)


def pictures(images: str | Path | Iterable[str | Path], preprocess: Preprocess) -> Iterator[Path]:
    """Yield the files that are meant: each file as given, and of a folder every picture below it, sorted.

    Hidden files and folders are left out, and files whose ending is no picture's. A picture of a format that
    the model does not read is yielded too, so that its record says so.
    """
    formats = FORMATS.keys() - ({"NPY"} - set(preprocess.formats))  # an array is a picture only to who asked for it
    endings = {ending for name in formats for ending in FORMATS[name]}
    for image in [images] if isinstance(images, str | Path) else images:
        path = Path(image)
        if not path.is_dir():
            yield path
            continue
        for found in sorted(path.rglob("*")):
            hidden = any(part.startswith(".") for part in found.relative_to(path).parts)
            if not hidden and found.suffix.lower() in endings and found.is_file():
                yield found


def _read(path: Path, preprocess: Preprocess) -> np.ndarray[Any, Any] | BadImage:
    try:
        return file_pixels(path, preprocess)
    except BadImage as error:
        return error


def _records(ranked: Ranked) -> list[dict[str, Any]]:
    return [{"class": name, "probability": probability} for name, probability in ranked]
