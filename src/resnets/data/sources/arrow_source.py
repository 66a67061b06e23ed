"""Arrow source: pictures that a column of a table holds, as the bytes of files or as pixels."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from resnets.data.decoding.decode import MAX_BYTES
from resnets.data.errors import BadImage
from resnets.data.source import Groups, Labels, Raw, Source, check_labels, taken
from resnets.files import bounded
from resnets.files.errors import FileError


class Pictures(Protocol):
    """A column of pictures: Arrow's own, or one of a Hugging Face data set."""

    def __len__(self) -> int:
        """Return how many rows there are."""

    def __getitem__(self, row: int) -> object:
        """Return one cell: bytes, {"bytes": ..., "path": ...}, or pixels as nested lists or an array."""

    def name(self, row: int) -> str:
        """Return what to call one picture: "train[17]"."""


@dataclass(frozen=True, eq=False, slots=True)
class ArrowSource(Source):
    """Pictures in the rows `positions` of a column; a path in it that is relative starts at `root`."""

    pictures: Pictures
    positions: npt.NDArray[np.int64]
    labels: Labels
    root: str = ""
    groups: Groups | None = None

    def __post_init__(self) -> None:
        check_labels("table", self.labels, self.groups, len(self.positions))

    def __len__(self) -> int:
        return len(self.positions)

    def name(self, index: int) -> str:
        """Return "train[17]": the part, and the row in it."""
        return self.pictures.name(int(self.positions[index]))

    def raw(self, index: int) -> Raw:
        """Return the bytes or the (H, W, C) pixels of one picture; raise `BadImage` where there are none."""
        cell = self.pictures[int(self.positions[index])]
        if isinstance(cell, Mapping):
            cell = self._from_file(index, cell)
        if isinstance(cell, bytes):
            return cell
        if isinstance(cell, list | np.ndarray):
            return self._pixels(index, cell)
        raise BadImage(self.name(index), f"its cell holds {_kind(cell)}, not a picture")

    def take(self, indices: npt.NDArray[np.integer[Any]]) -> ArrowSource:
        """Return the source of these pictures, in this order, under the names they have here."""
        chosen = self.positions[indices]
        return ArrowSource(self.pictures, chosen, self.labels[indices], self.root, taken(self.groups, indices))

    def _from_file(self, index: int, cell: Mapping[str, object]) -> object:
        """Return the bytes of a cell, or of the file that it names instead."""
        path = cell.get("path")
        if cell.get("bytes") is not None or not isinstance(path, str):
            return cell.get("bytes")
        try:
            return bounded.read(os.path.join(self.root, path), MAX_BYTES)
        except (FileError, ValueError) as error:  # ValueError: a path that has a null character
            raise BadImage(self.name(index), str(error)) from error

    def _pixels(self, index: int, cell: object) -> npt.NDArray[np.uint8]:
        try:
            pixels = np.asarray(cell)
        except ValueError:  # rows of different lengths
            pixels = np.empty(0)
        if pixels.ndim == 2:
            pixels = pixels[:, :, np.newaxis]
        whole = (
            pixels.dtype.kind in "iu" and pixels.ndim == 3 and pixels.size and 0 <= pixels.min() <= pixels.max() < 256
        )
        if not whole:
            raise BadImage(
                self.name(index),
                f"its cell holds {pixels.dtype} {pixels.shape}; allowed: whole numbers 0 to 255, (H, W) or (H, W, C)",
            )
        return pixels.astype(np.uint8)


def _kind(cell: object) -> str:
    return "nothing" if cell is None else f"a {type(cell).__name__}"
