"""Keras 3's .keras: a zip of config.json, metadata.json and model.weights.h5.

The two JSON files are held in memory, of at most `MOST_HEADER_BYTES` each; the weights are read where they lie.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from resnets.files.errors import FileError
from resnets.weights.containers import hdf5, keras_config
from resnets.weights.containers.contents import MOST_HEADER_BYTES, Contents
from resnets.weights.containers.zip_archive import Member, open_archive

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"


def looks_like(members: dict[str, Member]) -> bool:
    """Say whether a zip archive is a .keras file, by its members."""
    return CONFIG in members and WEIGHTS in members


def read(path: Path) -> Contents:
    """Return the tensors of a .keras file under the names of its .weights.h5, and its description.

    Facts are those of `hdf5.read`, with "model_config" from config.json and "keras_version" from metadata.json.
    The code of a Lambda layer is named in `not_run`. Raises `FileError` for what is no such archive.
    """
    members = open_archive(path)
    missing = [name for name in (CONFIG, WEIGHTS) if name not in members]
    if missing:
        raise FileError(f"{path} is not read as .keras: it is a zip archive without {' and '.join(missing)}")
    weights = members[WEIGHTS]
    if weights.is_deflated:
        raise FileError(
            f"{path} is not read as .keras: its {WEIGHTS} is deflated, which Keras never does; save it with Keras, "
            f"or zip it again without compression (zip -0)"
        )
    config = _json(members[CONFIG])
    metadata = _json(members[METADATA]) if METADATA in members else {}
    held = hdf5.read_part(path, weights.offset, weights.size, container="keras")
    facts: dict[str, Any] = {**held.facts, "model_config": config}
    if isinstance(metadata, dict) and isinstance(metadata.get("keras_version"), str):
        facts["keras_version"] = metadata["keras_version"]
    return Contents(container="keras", tensors=held.tensors, facts=facts, not_run=keras_config.not_run(config))


def _json(member: Member) -> Any:
    try:
        return keras_config.parsed(member.read(MOST_HEADER_BYTES), member.name)
    except FileError as error:
        raise FileError(f"{member.path} is not read as .keras: {error}") from None
