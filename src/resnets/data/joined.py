"""Joined: several sources as one, such as all pictures of a data set on whichever side they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from resnets.data.source import Groups, Labels, Raw, Source
from resnets.spec.preprocess import Preprocess


@dataclass(frozen=True, eq=False, slots=True)
class JoinedSource(Source):
    """The pictures of several sources of one data set, one source after the other; each keeps its name."""

    parts: tuple[Source, ...]
    labels: Labels
    groups: Groups | None = None

    @classmethod
    def of(cls, parts: Sequence[Source]) -> JoinedSource:
        """Return the source of all pictures of some sources, whose labels are of one kind."""
        groups = [part.groups for part in parts if part.groups is not None]
        together = np.concatenate(groups) if len(groups) == len(parts) else None
        return cls(tuple(parts), np.concatenate([part.labels for part in parts]), together)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def channels(self) -> int:
        """Return the most channels that any of the pictures has."""
        return max(part.channels for part in self.parts)

    @property
    def size(self) -> tuple[int, int] | None:
        """Return the height and width that all pictures have, or None where they differ."""
        sizes = {part.size for part in self.parts}
        return sizes.pop() if len(sizes) == 1 else None

    def find(self, index: int) -> tuple[Source, int]:
        """Return the source that a picture is in, and its place there."""
        for part in self.parts:
            if index < len(part):
                return part, index
            index -= len(part)
        raise IndexError("there is no such picture")

    def name(self, index: int) -> str:
        """Return what its own source calls a picture."""
        part, place = self.find(index)
        return part.name(place)

    def raw(self, index: int) -> Raw:
        """Return one picture as it is kept; raise `BadImage` where it cannot be read."""
        part, place = self.find(index)
        return part.raw(place)

    def take(self, indices: npt.NDArray[np.integer[Any]]) -> Source:
        """Return the source of these pictures, in this order, under the names they have here."""
        places = np.asarray(indices)
        if (np.diff(places) >= 0).all():
            ends = np.cumsum([len(part) for part in self.parts])
            cuts = np.split(places, np.searchsorted(places, ends[:-1]))
            starts = [0, *ends[:-1].tolist()]
            return JoinedSource.of(
                [part.take(cut - start) for part, cut, start in zip(self.parts, cuts, starts, strict=True)]
            )
        return JoinedSource.of([part.take(np.array([place])) for part, place in map(self.find, places.tolist())])

    def check(self, preprocess: Preprocess) -> None:
        """Raise `DataError` where some of these pictures cannot be had as this preprocess wants them."""
        for part in self.parts:
            part.check(preprocess)
