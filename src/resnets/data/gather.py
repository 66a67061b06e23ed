"""Gather: the pictures that a run or an evaluation is about, less those that a manifest leaves out."""

from __future__ import annotations

from pathlib import Path

from resnets.data.dataset import DataSet
from resnets.data.manifest import obey, read_manifest
from resnets.data.open import open_data
from resnets.data.reading import Reading


def gather(data: object, reading: Reading | None = None, manifest: str | Path | None = None) -> DataSet:
    """Return the data set that `data` stands for, read as `reading` says, as `manifest` leaves it.

    `data` is what `open_data` takes, or a data set. Raises `DataError` and `FileError` as it does, and where
    the manifest was made for other data.
    """
    dataset = data if isinstance(data, DataSet) else open_data(data, reading or Reading())
    return dataset if manifest is None else obey(dataset, read_manifest(Path(manifest)))
