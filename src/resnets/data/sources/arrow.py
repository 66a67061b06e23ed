"""Arrow: a data set of Hugging Face's `datasets`, as it is in memory or mapped from its files.

`datasets` is not imported: what is given has brought it along. Pictures are taken as the bytes of their files, before
its own decoder has seen them, and rows are read where they lie.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from resnets.data.dataset import DataSet
from resnets.data.errors import DataError
from resnets.data.reading import Reading
from resnets.data.sources.parquet_rows import plain_cell
from resnets.data.sources.table import read_rows
from resnets.data.sources.table_parts import SIDES

SPLIT = "split"
"""Heading of the column that says which part of a DatasetDict a row is of."""

_TOGETHER = 4_096  # rows of labels read at once


def is_dataset(data: object) -> bool:
    """Whether something is a data set, or a dictionary of them, of Hugging Face's `datasets`."""
    return any(kind.__module__.partition(".")[0] == "datasets" for kind in type(data).__mro__)


def read_dataset(data: object, reading: Reading) -> DataSet:
    """Return the data set of a `Dataset` or a `DatasetDict`; its parts train, test and validation are the split.

    The picture is the column of the feature Image, and the class that of the feature ClassLabel, whose names and order
    are kept; the reading's columns decide where there are several. A feature of floating-point numbers is numbers to
    be predicted. A single `Dataset` is split as its own `split` says, or its test part is made. Raises `DataError`
    for one that is streamed, and for columns that say nothing.
    """
    streamed = any(
        "Iterable" in kind.__name__ and kind.__module__.startswith("datasets") for kind in type(data).__mro__
    )
    if streamed:
        raise DataError("an IterableDataset has no length and no order; load it whole, with streaming=False")
    return read_rows(_HubRows(data), reading)


class _HubRows:
    """The rows of all parts of a data set, one part after the other."""

    folder = ""

    def __init__(self, data: Any) -> None:
        self.parts, self.notes = _labelled(_parts(data))
        first = next(iter(self.parts.values()))
        self.features: dict[str, Any] = dict(first.features)
        for name, part in self.parts.items():
            if dict(part.features) != self.features:
                raise DataError(f"the part {name!r} has the columns {list(part.features)}, not {list(self.features)}")
        self.name = getattr(first.info, "dataset_name", None) or "dataset"
        own = SPLIT in self.features
        if own and isinstance(data, Mapping):
            raise DataError(f"the parts {', '.join(self.parts)} have a column {SPLIT!r} too; remove it from them")
        # The split of a dictionary, or of one of its parts by itself, is what the parts are called.
        self._by_part = not own and set(self.parts) != {""}
        self.heading = (*self.features, *((SPLIT,) if self._by_part else ()))
        self._ends = list(itertools.accumulate(map(len, self.parts.values())))

    def cells(self, columns: Sequence[str]) -> Iterator[Sequence[object]]:
        """Yield the cells of these columns, row by row."""
        own = [column for column in columns if column in self.features]
        for name, part in self.parts.items():
            plain = part.with_format(None)
            for start in range(0, len(part), _TOGETHER):
                stop = min(start + _TOGETHER, len(part))
                batch = plain.select_columns(own)[start:stop] if own else {}
                lists = [batch[column] if column in batch else [name] * (stop - start) for column in columns]
                yield from zip(*(map(plain_cell, cells) for cells in lists), strict=True)

    def where(self, row: int) -> str:
        """Return "train[17]"."""
        number = bisect.bisect_right(self._ends, row)
        start = self._ends[number - 1] if number else 0
        return f"{list(self.parts)[number] or self.name}[{row - start}]"

    def hints(self, role: str) -> tuple[str, ...]:
        """Return the columns of pictures, or those of classes with names."""
        if role == "label":
            return tuple(column for column in self.features if self.class_names(column) is not None)
        if role == "path":
            images = [column for column, feature in self.features.items() if type(feature).__name__ == "Image"]
            arrays = [column for column, feature in self.features.items() if _is_pixels(feature)]
            return tuple(images or arrays)
        return ()

    def class_names(self, column: str) -> tuple[str, ...] | None:
        """Return the names of a ClassLabel, or of a list of them."""
        feature = self.features.get(column)
        if isinstance(feature, list) and len(feature) == 1:
            feature = feature[0]
        names = getattr(getattr(feature, "feature", feature), "names", None)
        return tuple(map(str, names)) if names else None

    def is_float(self, column: str) -> bool:
        """Whether a feature is one floating-point number."""
        return str(getattr(self.features.get(column), "dtype", "")).startswith(("float", "decimal"))

    def pictures(self, column: str) -> HubPictures | None:
        """Return the pictures of a column, or None where it holds paths."""
        feature = self.features.get(column)
        if type(feature).__name__ == "Image":
            whole = type(feature)(decode=False)  # type: ignore[misc]
            return HubPictures({n: part.cast_column(column, whole) for n, part in self.parts.items()}, column)
        return HubPictures(self.parts, column) if _is_pixels(feature) else None


class HubPictures:
    """A column of pictures over all parts of a data set. `datasets` pickles what it maps as the paths of its files."""

    def __init__(self, parts: Mapping[str, Any], column: str) -> None:
        self.column = column
        self.parts = [part.with_format(None).select_columns([column]) for part in parts.values()]
        self.names = [name or "dataset" for name in parts]
        self.ends = list(itertools.accumulate(map(len, self.parts)))

    def __len__(self) -> int:
        return self.ends[-1]

    def __getitem__(self, row: int) -> object:
        number, place = self._place(row)
        return self.parts[number][place][self.column]

    def name(self, row: int) -> str:
        """Return "train[17]"."""
        number, place = self._place(row)
        return f"{self.names[number]}[{place}]"

    def _place(self, row: int) -> tuple[int, int]:
        number = bisect.bisect_right(self.ends, row)
        return number, row - (self.ends[number - 1] if number else 0)


def _parts(data: Any) -> dict[str, Any]:
    """Return name -> data set; a data set by itself has the name of its split, where that says which side it is."""
    if isinstance(data, Mapping):
        parts = {str(name): part for name, part in data.items() if len(part)}
        if not parts:
            raise DataError("the DatasetDict holds no pictures")
        return parts
    if not len(data):
        raise DataError("the Dataset holds no pictures")
    name = str(data.split) if data.split is not None else ""
    # "train[:10%]" and the like, and "train" itself, are all there is: the part to test on is made.
    return {name if name in (*SIDES["test"], *SIDES["validation"]) else "": data}


def _labelled(parts: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the parts without those to test on whose classes are kept secret, all of them -1, and what that leaves."""
    secret = [name for name, part in parts.items() if name in SIDES["test"] and _is_secret(part)]
    notes = tuple(f"Not used: the part {name!r}, whose classes are not given (-1)." for name in secret)
    return {name: part for name, part in parts.items() if name not in secret} or parts, notes


def _is_secret(part: Any) -> bool:
    classes = [column for column, feature in part.features.items() if type(feature).__name__ == "ClassLabel"]
    plain = part.with_format(None).select_columns(classes)
    return bool(classes) and all(
        set(plain[start : start + _TOGETHER][column]) == {-1}
        for start in range(0, len(part), _TOGETHER)
        for column in classes
    )


def _is_pixels(feature: object) -> bool:
    return type(feature).__name__ in ("Array2D", "Array3D")
