"""Findings: the pictures of all splits in one numbering, what is known of them, and what was found."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from resnets.data.check.facts import FACTS, Row
from resnets.data.check.header import Oddity
from resnets.data.check.scan import Scanned
from resnets.data.dataset import DataSet
from resnets.data.source import Source

TRAIN, TEST = 0, 1
SPLITS = ("train", "test")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found: where, and why it is one.

    `pictures` are numbers of `Pictures`, several for copies of one another; `places` are files and folders
    that are no pictures, and names of classes. `out` are those of the pictures that are left out where the
    rule's verdict is to leave out.
    """

    rule: str
    reason: str
    pictures: tuple[int, ...] = ()
    places: tuple[str, ...] = ()
    out: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Pictures:
    """The pictures of training, then those of test; picture k of test is number `starts[1] + k`."""

    dataset: DataSet
    rows: Row  # (N,) of `FACTS`
    reasons: Mapping[int, str]  # why a picture cannot be read
    starts: tuple[int, int, int]

    @classmethod
    def of(cls, dataset: DataSet, scanned: Sequence[Scanned | None]) -> Pictures:
        """Return the pictures of a data set with the facts of its training and test part."""
        rows = [np.zeros(0, FACTS) if part is None else part.rows for part in scanned]
        starts = (0, len(rows[TRAIN]), len(rows[TRAIN]) + len(rows[TEST]))
        reasons = {
            starts[split] + index: reason
            for split, part in enumerate(scanned)
            if part is not None
            for index, reason in part.reasons.items()
        }
        return cls(dataset, np.concatenate(rows), reasons, starts)

    def __len__(self) -> int:
        return self.starts[2]

    @property
    def readable(self) -> npt.NDArray[np.bool_]:
        """Say of each picture whether it can be decoded: (N,)."""
        return np.asarray((self.rows["odd"] & int(Oddity.UNREADABLE)) == 0)

    def split(self, number: int) -> int:
        """Return `TRAIN` or `TEST`."""
        return TEST if number >= self.starts[TEST] else TRAIN

    def place(self, number: int) -> tuple[Source, int]:
        """Return the source of a picture, and its index there."""
        split = self.split(number)
        source = (self.dataset.train, self.dataset.test)[split]
        assert source is not None
        return source, number - self.starts[split]

    def name(self, number: int) -> str:
        """Return what the source calls a picture."""
        source, index = self.place(number)
        return source.name(index)

    def label(self, number: int) -> Hashable:
        """Return what two pictures of the same class or classes have in common; None for numbers to predict."""
        source, index = self.place(number)
        label: Any = source.labels[index]
        if source.labels.dtype.kind == "i":
            return int(label)
        return label.tobytes() if source.labels.dtype.kind == "b" else None

    def classes(self, number: int) -> str:
        """Return a picture's class, its classes, or its numbers, as a reader wants them."""
        source, index = self.place(number)
        label: Any = source.labels[index]
        names = self.dataset.classes
        if source.labels.dtype.kind == "i":
            return names[int(label)]
        if source.labels.dtype.kind == "b":
            return ", ".join(names[place] for place in np.nonzero(label)[0]) or "none"
        return ", ".join(f"{name} {value:g}" for name, value in zip(names, label, strict=True))


@dataclass(slots=True)
class Found:
    """What a part of the check adds to the report: findings, and sentences that are none."""

    findings: list[Finding] = field(default_factory=list)
    information: list[str] = field(default_factory=list)

    def add(self, other: Found) -> None:
        """Take over what another part has found."""
        self.findings += other.findings
        self.information += other.information
