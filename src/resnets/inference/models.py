"""Models: whatever may be given as MODEL, opened: a model file, a checkpoint, or an exported artefact."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from resnets.inference.engined import EngineNetwork
from resnets.runtime.artefact import Artefact, is_artefact, read_artefact
from resnets.weights import load as weights
from resnets.weights.modelfile import Model


def open_model(path: str | Path, **how: Any) -> Model:
    """Return the model in a file or folder: an artefact's network is run by its engine; all else is as for `load`.

    Raises as `load` does, as `read_artefact` does, and `ValueError` for an artefact that is to be adapted.
    """
    if not is_artefact(path):
        return weights.load(path, **how)
    if any(value not in (None, False) for value in how.values()):
        raise ValueError(f"{path} is an exported artefact: nothing of it can be changed; give the model file it is of")
    return model_of(read_artefact(path))


def model_of(artefact: Artefact, name: str | None = None, **how: Any) -> Model:
    """Return an artefact as a model; `name` and `how` are for `Artefact.engine`."""
    return Model(EngineNetwork(artefact.card, artefact.engine(name, **how), _identity(artefact.path)), artefact.card)


def _identity(path: Path) -> str:
    """The SHA-256 of an artefact's files, in the order of their names."""
    digest = hashlib.sha256()
    for file in sorted(path.iterdir()) if path.is_dir() else [path]:
        with file.open("rb") as opened:
            digest.update(f"{file.name if path.is_dir() else ''}\0".encode())
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()


load = open_model
"""The public name: `resnets.load`."""
