"""Convert: a checkpoint in any dialect to any other, read back and compared before it counts as written."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from resnets.data.decoding.picture import file_pixels
from resnets.data.samples import sample_batch
from resnets.deployment.originals import NoOriginal, original
from resnets.evaluation.agreement import Agreement, agreement
from resnets.net.normalise import normalise
from resnets.runtime.artefact import is_artefact
from resnets.spec.levels import smallest_input
from resnets.spec.preprocess import Preprocess
from resnets.spec.resolve import plan
from resnets.weights.dialects.dialect import relevant
from resnets.weights.identify import identify
from resnets.weights.load import load
from resnets.weights.modelfile import Model, is_model_file
from resnets.weights.writers.write import write

MOST_PICTURES = 256
"""Compared at once; agreement is about numbers, not about a sample."""


class Disagreement(ArithmeticError):
    """What was written does not compute what was read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Conversion:
    """A model that was written for another codebase, and how far what was written agrees with it.

    `random` is on noise, `pictures` on real pictures; `original` on the same pictures with the codebase's own network,
    named in `asked`, or None for the reason in `asked`.
    """

    model: Model
    out: Path
    dialect: str
    random: Agreement
    pictures: Agreement
    original: Agreement | None
    asked: str

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the numbers as JSON-able values."""
        return {
            "network": self.model.card.architecture.name,
            "classes": len(self.model.card.classes),
            "origin": self.model.card.origin,
            "out": str(self.out),
            "dialect": self.dialect,
            "random": self.random.to_dict(),
            "pictures": self.pictures.to_dict(),
            "original": self.original.to_dict() if self.original else None,
            "asked": self.asked,
        }


def convert(
    source: str | Path, out: str | Path, to: str = "resnets", *, pictures: Sequence[Path] = (), **how: Any
) -> Conversion:
    """Read a checkpoint, write it in the dialect `to`, read that back, and compare both networks.

    `pictures` are compared too, or cuts of two photographs that come with scikit-learn. `how` is for `load`: `told`,
    `part`, `classes`, `in_channels`, `stem`, `network`, `allow_partial`. Nothing stands at `out` before they agree;
    what stood there stays until then.

    Raises as `load` and `write` do, and `Disagreement` naming the level where the networks part.
    """
    out = Path(out)
    if out.exists() and Path(source).exists() and out.samefile(source):
        raise ValueError(f"{out} is the file that is read; write to another name")
    if is_artefact(source):
        raise ValueError(
            f"{source} is an exported artefact, and has no weights by name; give the model file that it was made of"
        )
    model = load(source, **how)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name[:50]}-", dir=out.parent) as folder:
        written = Path(folder) / out.name
        write(model, written, to)
        again = _read_back(written, model)
        noise = torch.randn(
            2, model.card.preprocess.channels, *_size(model), generator=torch.Generator().manual_seed(0)
        )
        batch = _batch(pictures, model.card.preprocess)
        random = agreement(model.network, again.network, noise)
        real = agreement(model.network, again.network, batch)
        try:
            asked, network = original(to, written, model.card.architecture)
            theirs = agreement(model.network, network, batch)
        except NoOriginal as reason:
            asked, theirs = str(reason), None
        for name, result in (("as we read it back", random), ("as we read it back", real), (asked, theirs)):
            if result is not None and not result.holds:
                worst = result.worst
                raise Disagreement(
                    f"{out} was not written: {name}, {worst.level} differs by {worst.relative:.2g} of its largest "
                    f"number, and {result.tolerance:g} is allowed"
                )
        _put(written, out)
    return Conversion(model=model, out=out, dialect=to, random=random, pictures=real, original=theirs, asked=asked)


def _read_back(written: Path, model: Model) -> Model:
    """The written file through our own reader, told only what its dialect leaves open."""
    told: Mapping[str, Any] = {}
    if not is_model_file(written):
        unknown = identify(written).unknown
        told = {n: getattr(model.card.architecture, n) for n in unknown if n != "preprocess"}
        told = dict(told) | ({"preprocess": model.card.preprocess} if "preprocess" in unknown else {})
    again = load(written, told=told or None)
    one, other = model.card.architecture, again.card.architecture
    differing = [name for name in sorted(relevant(one) | relevant(other)) if getattr(one, name) != getattr(other, name)]
    if differing:
        raise ValueError(f"{written.name} would read back as {other.name} with another {', '.join(differing)}")
    return again


def _size(model: Model) -> tuple[int, int]:
    """Odd and small: where padding rules part, and quick."""
    smallest = smallest_input(plan(model.card.architecture))
    side = max(smallest, min(max(model.card.preprocess.size), 97))
    return side, side


def _batch(pictures: Sequence[Path], preprocess: Preprocess) -> Tensor:
    if not pictures:
        return sample_batch(preprocess)
    arrays = [file_pixels(path, preprocess) for path in pictures[:MOST_PICTURES]]
    return normalise(torch.from_numpy(np.stack(arrays)), preprocess)


def _put(written: Path, out: Path) -> None:
    if written.is_dir():
        out.mkdir(exist_ok=True)
        for file in sorted(written.iterdir()):
            os.replace(file, out / file.name)
    else:
        if out.is_dir():
            shutil.rmtree(written, ignore_errors=True)
            raise ValueError(f"{out} is a folder, and {out.name} would be a file; give another name")
        os.replace(written, out)
