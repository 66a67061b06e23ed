"""Source: pictures with their labels, in memory or on disk, behind one interface."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from resnets.data.colour import to_colour
from resnets.data.decode import decode
from resnets.data.errors import DataError
from resnets.spec.preprocess import Preprocess

Labels = npt.NDArray[np.int64]


class Source(ABC):
    """N labelled pictures."""

    labels: Labels  # (N,)

    @property
    @abstractmethod
    def channels(self) -> int:
        """Return 1 or 3: the channels of the pictures as they are kept."""

    @property
    @abstractmethod
    def size(self) -> tuple[int, int] | None:
        """Return the height and width that all pictures have, or None where they differ."""

    @abstractmethod
    def __len__(self) -> int:
        """Return N."""

    @abstractmethod
    def name(self, index: int) -> str:
        """Return what to call one picture: its path, or "train[17]"."""

    @abstractmethod
    def image(self, index: int, preprocess: Preprocess | None = None) -> Image.Image:
        """Return one picture in mode "L" or "RGB", at its own size.

        The colour and the decode policy are the preprocess's; without one, its defaults in the picture's own
        channels. Raises `BadImage` for a file that cannot be decoded.
        """

    @abstractmethod
    def take(self, indices: npt.NDArray[np.integer[Any]]) -> Source:
        """Return the source of these pictures, in this order, under the names they have here."""


@dataclass(frozen=True, eq=False, slots=True)
class ArraySource(Source):
    """Pictures in memory.

    `pixels` is (N, H, W, C) uint8 with C 1 or 3 (red, green, blue); `labels` is (N,) int64. `part` and
    `positions` name a picture: "train[17]" is row 17 of the file that the training pictures came from.
    Raises `DataError` where they do not fit together.
    """

    pixels: npt.NDArray[np.uint8]
    labels: Labels
    part: str
    positions: npt.NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        if self.pixels.dtype != np.uint8 or self.pixels.ndim != 4 or self.pixels.shape[3] not in (1, 3):
            raise DataError(
                f"{self.part}: pixels are {self.pixels.dtype} {self.pixels.shape}; "
                "allowed: uint8 (N, H, W, 1) or (N, H, W, 3)"
            )
        _check_labels(self.part, self.labels, len(self.pixels))

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def channels(self) -> int:
        """Return 1 or 3."""
        return int(self.pixels.shape[3])

    @property
    def size(self) -> tuple[int, int]:
        """Return the height and width of every picture."""
        return int(self.pixels.shape[1]), int(self.pixels.shape[2])

    def name(self, index: int) -> str:
        """Return "train[17]"."""
        return f"{self.part}[{index if self.positions is None else self.positions[index]}]"

    def image(self, index: int, preprocess: Preprocess | None = None) -> Image.Image:
        """Return one picture in mode "L" or "RGB"."""
        pixels = self.pixels[index]
        picture = Image.fromarray(pixels[:, :, 0] if self.channels == 1 else pixels)
        return picture if preprocess is None else to_colour(picture, preprocess)

    def take(self, indices: npt.NDArray[np.integer[Any]]) -> ArraySource:
        """Return the source of these pictures, in this order, under the names they have here."""
        positions = np.arange(len(self)) if self.positions is None else self.positions
        return ArraySource(self.pixels[indices], self.labels[indices], self.part, positions[indices])


@dataclass(frozen=True, eq=False, slots=True)
class FolderSource(Source):
    """Pictures in files, decoded each time they are asked for."""

    paths: Sequence[Path]
    labels: Labels

    def __post_init__(self) -> None:
        _check_labels("files", self.labels, len(self.paths))

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def channels(self) -> int:
        """Return 3: files are read in colour unless a preprocess says grey."""
        return 3

    @property
    def size(self) -> None:
        """Return None: every file has its own size."""
        return None

    def name(self, index: int) -> str:
        """Return the path."""
        return str(self.paths[index])

    def image(self, index: int, preprocess: Preprocess | None = None) -> Image.Image:
        """Return one picture in mode "L" or "RGB"; raise `BadImage` where it cannot be decoded."""
        return decode(self.paths[index], preprocess or Preprocess())

    def take(self, indices: npt.NDArray[np.integer[Any]]) -> FolderSource:
        """Return the source of these pictures, in this order."""
        return FolderSource([self.paths[index] for index in indices], self.labels[indices])


def _check_labels(part: str, labels: Labels, count: int) -> None:
    if labels.dtype != np.int64 or labels.shape != (count,):
        raise DataError(f"{part}: labels are {labels.dtype} {labels.shape}; allowed: int64 ({count},)")
    if count and labels.min() < 0:
        raise DataError(f"{part}: the smallest label is {labels.min()}; labels start at 0")
