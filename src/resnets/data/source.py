"""Source: pictures with their labels, in memory or in files, behind one interface."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from resnets.data.decoding.colour import to_colour
from resnets.data.decoding.decode import MAX_BYTES, decode
from resnets.data.errors import BadImage, DataError
from resnets.data.names import Names
from resnets.data.shared import SharedArray
from resnets.files import bounded
from resnets.files.errors import FileError
from resnets.spec.preprocess import Preprocess

Labels = npt.NDArray[Any]
"""What a picture is, one of three kinds:

- (N,) int64: one class, by its number from 0
- (N, C) bool: for each class whether it is there, any number of them
- (N, K) float32: numbers to be predicted
"""

Groups = npt.NDArray[np.int64]
"""(N,) int64: equal numbers for pictures that belong together, such as those of one patient."""

Raw = bytes | npt.NDArray[np.uint8]
"""A picture as it is kept: the bytes of a file, or (H, W, C) pixels."""


class Source(ABC):
    """N labelled pictures."""

    labels: Labels
    groups: Groups | None = None

    @property
    def channels(self) -> int:
        """Return the channels of the pictures as they are kept; files are read in colour unless told otherwise."""
        return 3

    @property
    def size(self) -> tuple[int, int] | None:
        """Return the height and width that all pictures have, or None where they differ, as files do."""
        return None

    @abstractmethod
    def __len__(self) -> int:
        """Return N."""

    @abstractmethod
    def name(self, index: int) -> str:
        """Return what to call one picture: its path, or "train[17]"."""

    @abstractmethod
    def raw(self, index: int) -> Raw:
        """Return one picture as it is kept; raise `BadImage` where it cannot be read."""

    @abstractmethod
    def take(self, indices: npt.NDArray[np.integer[Any]]) -> Source:
        """Return the source of these pictures, in this order, under the names they have here."""

    def check(self, preprocess: Preprocess) -> None:  # noqa: B027
        """Raise `DataError` where these pictures cannot be had as this preprocess wants them."""

    def image(self, index: int, preprocess: Preprocess | None = None) -> Image.Image:
        """Return one picture in mode "L" or "RGB", at its own size.

        The colour and the decode policy are the preprocess's; without one, its defaults in the picture's own
        channels. Raises `BadImage`, which names the picture, where it cannot be decoded.
        """
        return named(self.name(index), self.raw(index), preprocess)


@dataclass(frozen=True, eq=False, slots=True)
class ArraySource(Source):
    """Pictures in memory.

    `pixels` is (N, H, W, C) uint8: grey for C 1, red, green and blue for C 3, and bands for any other.
    `part` and `positions` name a picture: "train[17]" is row 17 of the file that the training pictures came
    from. Raises `DataError` where they do not fit together.
    """

    pixels: npt.NDArray[np.uint8]
    labels: Labels
    part: str
    positions: npt.NDArray[np.int64] | None = None
    groups: Groups | None = None

    def __post_init__(self) -> None:
        if self.pixels.dtype != np.uint8 or self.pixels.ndim != 4 or not self.pixels.shape[3]:
            raise DataError(
                f"{self.part}: pixels are {self.pixels.dtype} {self.pixels.shape}; allowed: uint8 (N, H, W, C)"
            )
        check_labels(self.part, self.labels, self.groups, len(self.pixels))

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def channels(self) -> int:
        """Return C."""
        return int(self.pixels.shape[3])

    @property
    def size(self) -> tuple[int, int]:
        """Return the height and width of every picture."""
        return int(self.pixels.shape[1]), int(self.pixels.shape[2])

    def name(self, index: int) -> str:
        """Return "train[17]"."""
        return f"{self.part}[{index if self.positions is None else self.positions[index]}]"

    def check(self, preprocess: Preprocess) -> None:
        """Raise `DataError` where the preprocess wants other channels than can be made of these."""
        bands = preprocess.colour == "bands"
        if self.channels != preprocess.channels if bands else self.channels not in (1, 3):
            raise DataError(
                f"{self.part}: the pictures have {self.channels} channels, and colour={preprocess.colour!r} takes "
                f"{preprocess.channels if bands else '1 or 3'}; pictures of {self.channels} bands need colour='bands' "
                "and as many means"
            )

    def raw(self, index: int) -> npt.NDArray[np.uint8]:
        """Return one picture's (H, W, C) pixels."""
        picture: npt.NDArray[np.uint8] = self.pixels[index]
        return picture

    def take(self, indices: npt.NDArray[np.integer[Any]]) -> ArraySource:
        """Return the source of these pictures, in this order, under the names they have here."""
        positions = np.arange(len(self)) if self.positions is None else self.positions
        return ArraySource(
            self.pixels[indices], self.labels[indices], self.part, positions[indices], taken(self.groups, indices)
        )


@dataclass(frozen=True, eq=False, slots=True)
class FileSource(Source):
    """Pictures in files, read and decoded each time they are asked for.

    A picture's path is `root` and its name; a name that is absolute stands for itself.
    """

    names: Names
    labels: Labels
    root: str = ""
    groups: Groups | None = None

    def __post_init__(self) -> None:
        check_labels("files", self.labels, self.groups, len(self.names))

    def __reduce__(self) -> tuple[Any, ...]:
        labels = SharedArray.of(self.labels)  # workers look at the same ones
        return _received, (self.names, labels, self.root, self.groups)

    @classmethod
    def of(cls, paths: Iterable[str | Path], labels: Labels, groups: Groups | None = None) -> FileSource:
        """Return the source of these files."""
        return cls(Names(map(str, paths)), labels, groups=groups)

    def __len__(self) -> int:
        return len(self.names)

    def name(self, index: int) -> str:
        """Return the path."""
        return str(Path(self.root, self.names[index]))

    def raw(self, index: int) -> bytes:
        """Return the bytes of one file; raise `BadImage` where it is absent or too large."""
        name = self.name(index)
        try:
            return bounded.read(name, MAX_BYTES)
        except FileError as error:
            raise BadImage(name, str(error)) from error

    def take(self, indices: npt.NDArray[np.integer[Any]]) -> FileSource:
        """Return the source of these files, in this order."""
        return FileSource(self.names.take(indices), self.labels[indices], self.root, taken(self.groups, indices))


def named(name: str, raw: Raw, preprocess: Preprocess | None) -> Image.Image:
    """Return a picture as `Source.image` does; raise `BadImage` of that name where it cannot be decoded."""
    if isinstance(raw, bytes):
        try:
            return decode(raw, preprocess or Preprocess())
        except BadImage as error:
            raise BadImage(name, error.reason) from error
    picture = Image.fromarray(raw[:, :, 0] if raw.shape[2] == 1 else raw)
    return picture if preprocess is None else to_colour(picture, preprocess)


def _received(names: Names, labels: SharedArray, root: str, groups: Groups | None) -> FileSource:
    return FileSource(names, labels.array, root, groups)


def taken(groups: Groups | None, indices: npt.NDArray[np.integer[Any]]) -> Groups | None:
    """Return the groups of these pictures, where there are groups."""
    return None if groups is None else groups[indices]


def check_labels(part: str, labels: Labels, groups: Groups | None, count: int) -> None:
    """Raise `DataError` unless there is a label of a known kind, and a group, for each of `count` pictures."""
    shapes = {np.dtype(np.int64): 1, np.dtype(np.bool_): 2, np.dtype(np.float32): 2}
    if shapes.get(labels.dtype) != labels.ndim or len(labels) != count:
        raise DataError(
            f"{part}: labels are {labels.dtype} {labels.shape}; allowed: int64 ({count},), bool ({count}, classes) "
            f"or float32 ({count}, numbers)"
        )
    if labels.dtype == np.int64 and count and labels.min() < 0:
        raise DataError(f"{part}: the smallest label is {labels.min()}; labels start at 0")
    if groups is not None and (groups.dtype != np.int64 or groups.shape != (count,)):
        raise DataError(f"{part}: groups are {groups.dtype} {groups.shape}; allowed: int64 ({count},)")
