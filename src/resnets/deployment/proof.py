"""Proof: that an export computes what the model does, for any number of pictures, and still does once it is read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray

from resnets.evaluation.agreement import Agreement, agreement
from resnets.inference.engined import EngineNetwork
from resnets.net.normalise import normalise
from resnets.runtime.artefact import read_artefact
from resnets.runtime.engine import Engine, Pictures, Precision
from resnets.weights.modelfile import Model

BATCHES = (1, 2, 7)
"""Numbers of pictures that every artefact is run on, to prove that any will do."""

TOLERANCES: Mapping[Precision, float] = MappingProxyType({"fp32": 1e-4, "bf16": 0.05, "int8": 10.0})
"""Largest difference from the model on random pictures, as a share of the level's largest number. Of int8 it is only
that the numbers are not absurd: noise is far outside of the ranges that photographs have, and what may change is for
the gate to say."""

SAME: Mapping[Precision, float] = MappingProxyType({"fp32": 1e-4, "bf16": 0.05, "int8": 0.1})
"""Largest difference between the answers to one picture in batches of different size, likewise: an engine may have
another kernel for each, and what it rounds at a border falls to the other side."""

READ_BACK = 1e-4
"""Largest difference between what is written and what is read back, likewise."""


class Refused(ArithmeticError):
    """An export that does not answer as the model did, or may not; nothing was written."""


def check_numbers(model: Model, engine: Engine) -> Agreement:
    """Compare the numbers on random pictures; raise `Refused` where they part further than the precision explains."""
    batch = normalise(torch.from_numpy(_random(engine, 2)), model.card.preprocess)
    other = EngineNetwork(model.card, engine)
    found = agreement(model.network, other, batch, tolerance=TOLERANCES[engine.precision])
    if not found.holds:
        raise Refused(f"the export does not compute what the model does: {found.sentence()}; nothing was written")
    return found


def _random(engine: Engine, count: int) -> Pictures:
    made: Pictures = np.random.default_rng(0).integers(0, 256, (count, *engine.shape), dtype=np.uint8)
    return made


def check_batches(engine: Engine) -> None:
    """Raise `Refused` where a picture's answer depends on how many it comes with."""
    pictures = _random(engine, max(BATCHES))
    try:
        runs = {count: engine.run(pictures[:count]) for count in BATCHES}
    except Exception as error:  # each engine's own
        raise Refused(
            f"the export does not run on batches of {', '.join(map(str, BATCHES))}: {str(error)[:300]}"
        ) from error
    whole = runs[len(pictures)]
    for count, outputs in runs.items():
        for name, array in outputs.items():
            wanted = whole[name][:count]
            if array.shape != wanted.shape or not _is_near(array, wanted, SAME[engine.precision]):
                raise Refused(f"the export answers otherwise in a batch of {count} than in one of {len(pictures)}")


def check_read_back(path: Path, engine: Engine) -> None:
    """Raise `Refused` where an artefact does not compute what the engine does that it was made of."""
    pictures = _random(engine, 2)
    again = read_artefact(path).engine().run(pictures)
    for name, wanted in engine.run(pictures).items():
        if not _is_near(again[name], wanted, READ_BACK):
            raise Refused(f"{path.name} does not compute what was written, at {name}; nothing was written")


def _is_near(found: NDArray[np.float32], wanted: NDArray[np.float32], share: float) -> bool:
    """Say whether no number is further off than that share of the largest; one that is no number is."""
    return bool(np.abs(found - wanted).max() <= share * (np.abs(wanted).max() or 1.0))
