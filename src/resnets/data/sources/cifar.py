"""CIFAR: CIFAR-10 and CIFAR-100 from their "python version" (Krizhevsky 2009), without running a pickle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from resnets.data.dataset import DataSet, fingerprint_arrays
from resnets.data.errors import DataError
from resnets.data.source import ArraySource
from resnets.files import bounded, unpickle
from resnets.files.pickled_arrays import ARRAYS, Array

MAX_BYTES = 512 << 20
"""Of one file; the largest, CIFAR-100's train, has 155 MB."""

SIDE = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """Which files one of the two sets is made of, and what they call their parts."""

    name: str
    folder: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    meta: str
    class_names: str
    labels: str


LAYOUTS = (
    Layout(
        name="cifar10",
        folder="cifar-10-batches-py",
        train=tuple(f"data_batch_{n}" for n in range(1, 6)),
        test=("test_batch",),
        meta="batches.meta",
        class_names="label_names",
        labels="labels",
    ),
    Layout(
        name="cifar100",
        folder="cifar-100-python",
        train=("train",),
        test=("test",),
        meta="meta",
        class_names="fine_label_names",
        labels="fine_labels",
    ),
)


def find_cifar(folder: Path) -> tuple[Layout, Path] | None:
    """Return the layout and the folder of the batches: `folder` or, below it, the one with the official name.

    Raises `DataError` where both sets lie below `folder`.
    """
    found = [
        (layout, place)
        for layout in LAYOUTS
        for place in (folder, folder / layout.folder)
        if all((place / name).is_file() for name in (layout.train[0], layout.meta))
    ]
    if len(found) > 1:
        names = " or ".join(str(place) for _, place in found)
        raise DataError(f"{folder} holds more than one set; give one of them: {names}")
    return found[0] if found else None


def read_cifar(folder: Path) -> DataSet:
    """Return CIFAR-10, or CIFAR-100 with its 100 fine classes, 32x32 pixels in colour.

    Raises `DataError` where a batch is missing or is not what it should be, and `FileError` where a file is
    damaged or names anything but numpy's arrays.
    """
    found = find_cifar(folder)
    if found is None:
        raise DataError(f"{folder} holds neither {LAYOUTS[0].folder} nor {LAYOUTS[1].folder}")
    layout, place = found
    missing = [name for name in (*layout.train, *layout.test) if not (place / name).is_file()]
    if missing:
        raise DataError(f"{place} lacks {', '.join(missing)}; unpack the whole archive there again")
    classes = _class_names(place / layout.meta, layout)
    train = _read_part("train", [place / name for name in layout.train], layout, len(classes))
    test = _read_part("test", [place / name for name in layout.test], layout, len(classes))
    return DataSet(
        name=layout.name,
        classes=classes,
        train=train,
        test=test,
        fingerprint=fingerprint_arrays(classes, (train, test)),
    )


def _read_part(part: str, paths: list[Path], layout: Layout, classes: int) -> ArraySource:
    batches = [_read_batch(path, layout, classes) for path in paths]
    return ArraySource(
        np.concatenate([pixels for pixels, _ in batches]),
        np.concatenate([labels for _, labels in batches]),
        part,
    )


def _read_batch(path: Path, layout: Layout, classes: int) -> tuple[Any, Any]:
    """Return pixels (N, 32, 32, 3) uint8 and labels (N,) int64 of one file."""
    facts = _read_dictionary(path)
    data, labels = facts.get("data"), facts.get(layout.labels)
    wide = 3 * SIDE * SIDE
    if not isinstance(data, Array) or data.dtype not in ("|u1", "<u1", "=u1") or data.shape[1:] != (wide,):
        what = f"{data.dtype} {data.shape}" if isinstance(data, Array) else type(data).__name__
        raise DataError(f"{path}: its data are {what}; expected bytes in (N, {wide})")
    if not isinstance(labels, list) or len(labels) != data.shape[0]:
        count = len(labels) if isinstance(labels, list) else "no"
        raise DataError(f"{path} has {data.shape[0]:,} images and {count} {layout.labels}")
    for label in labels:
        if type(label) is not int or not 0 <= label < classes:
            raise DataError(f"{path}: a label is {str(label)[:20]}; allowed: 0 to {classes - 1}")
    rows = np.frombuffer(data.data, np.uint8).reshape(data.shape, order="F" if data.fortran else "C")
    pixels = rows.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)  # stored as planes: all red, green, blue
    return np.ascontiguousarray(pixels), np.array(labels, np.int64)


def _class_names(path: Path, layout: Layout) -> tuple[str, ...]:
    names = _read_dictionary(path).get(layout.class_names)
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise DataError(f"{path} has no list of {layout.class_names}")
    return tuple(names)


def _read_dictionary(path: Path) -> Mapping[str, Any]:
    """Return the dictionary that a batch is; keys that Python 3 wrote as bytes come as strings."""
    facts = unpickle.loads(bounded.read(path, MAX_BYTES), ARRAYS)
    if not isinstance(facts, dict):
        raise DataError(f"{path} holds a {type(facts).__name__}; expected a dictionary")
    return {key.decode("latin-1") if isinstance(key, bytes) else str(key): value for key, value in facts.items()}
