"""DataSet: the pictures to train on, those to test on, and what their classes are called."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from resnets.data.source import ArraySource, Source


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class DataSet:
    """Labelled pictures in two parts; label k is `classes[k]`."""

    name: str
    classes: tuple[str, ...]
    train: Source | None
    test: Source | None
    fingerprint: str  # sha256 of the contents, so that a result can say what it was measured on
    notes: tuple[str, ...] = ()  # what was left out or decided while reading, a sentence each


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
