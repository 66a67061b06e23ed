"""DataSet: the pictures to train on, those to test on, and what their classes are called."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from resnets.data.errors import BadImage, DataError
from resnets.data.names import Names
from resnets.data.source import ArraySource, FileSource, Source

Task = Literal["class", "classes", "numbers"]

LOOKED_AT = 1_000
"""Pictures of a table whose sizes go into its fingerprint: a million files are not asked one by one."""


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class DataSet:
    """Labelled pictures in two parts; label k is `classes[k]`."""

    name: str
    classes: tuple[str, ...]
    train: Source | None
    test: Source | None
    fingerprint: str  # sha256 of the contents, so that a result can say what it was measured on
    notes: tuple[str, ...] = ()  # what was left out or decided while reading, a sentence each
    class_order: str = "natural"  # of `classes`: natural (1, 2, 10), string (1, 10, 2), or given by the data
    split: str = "given"  # or how it was made
    group_names: Names = field(default_factory=Names)  # what group k is called, where groups have names

    @property
    def task(self) -> Task:
        """What a picture's label is: one class, several, or numbers (then `classes` are what they are called)."""
        source = self.train if self.train is not None else self.test
        kinds: dict[str, Task] = {"i": "class", "b": "classes", "f": "numbers"}
        return "class" if source is None else kinds[source.labels.dtype.kind]


def require_classes(dataset: DataSet, *, several: bool = False) -> None:
    """Raise `DataError` unless every picture has one class, or with `several` any number of them."""
    if dataset.task == "class" or (several and dataset.task == "classes"):
        return
    kinds = {"classes": "may have several classes", "numbers": "has numbers in place of a class"}
    works, column = ("classes", "classes") if several else ("one class for each picture", "one class")
    raise DataError(
        f"a picture of {dataset.name} {kinds[dataset.task]}; this works with {works}: "
        f"give a table with a column of {column} (--read label=NAME)"
    )


def fingerprint_arrays(classes: Iterable[str], parts: Iterable[ArraySource | None]) -> str:
    """Return the sha256 of class names, pixels and labels, in hexadecimal."""
    digest = hashlib.sha256("\n".join(classes).encode())
    for part in parts:
        if part is None:
            digest.update(b"absent")
            continue
        digest.update(repr(part.pixels.shape).encode())
        digest.update(np.ascontiguousarray(part.pixels).data)
        digest.update(part.labels.astype("<i8").data)
    return digest.hexdigest()


def fingerprint_files(entries: Iterable[tuple[str, int, str]]) -> str:
    """Return the sha256 of (relative path, bytes, class) of every file, sorted, in hexadecimal.

    Files are not opened: a folder of a million photographs is known by its listing.
    """
    digest = hashlib.sha256()
    for path, size, label in sorted(entries):
        digest.update(f"{path}\0{size}\0{label}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def fingerprint_source(classes: Iterable[str], source: Source, sides: bytes = b"") -> str:
    """Return the sha256 of class names, names, labels and groups, and of `LOOKED_AT` pictures, in hexadecimal.

    `sides` says which picture is to train and which to test on, where that is given. The pictures looked at are evenly
    spaced: of files the size, of others the bytes. A change of any other picture alone does not show.
    """
    digest = hashlib.sha256("\n".join(classes).encode("utf-8", "surrogateescape"))
    arrays = [source.labels, *([] if source.groups is None else [source.groups])]
    if isinstance(source, FileSource):
        arrays += source.names.arrays
    for array in arrays:
        digest.update(f"{array.dtype.kind}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"))).data)
    digest.update(hashlib.sha256(sides).digest())
    for index in np.unique(np.linspace(0, len(source) - 1, min(LOOKED_AT, len(source))).round().astype(np.int64)):
        digest.update(_look(source, int(index)))
    return digest.hexdigest()


def _look(source: Source, index: int) -> bytes:
    """Return the size of a file, or the hash of a picture that is none; what is not there gives "absent"."""
    try:
        if isinstance(source, FileSource):
            return b"%d;" % os.stat(source.name(index)).st_size
        raw = source.raw(index)
        return hashlib.sha256(raw if isinstance(raw, bytes) else np.ascontiguousarray(raw).data).digest()
    except (OSError, ValueError, BadImage):
        return b"absent;"
