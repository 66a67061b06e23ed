"""Tree: folders and files, on a disk or in an archive, as far as they may hold pictures."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from resnets.data.names import Names
from resnets.data.natural import natural_key
from resnets.data.source import Labels, Source

_RESIDUE = ("__MACOSX", "@eaDir")  # what unzipping on a Mac and a Synology disk leave behind


class Entry(NamedTuple):
    """A file or a folder, by its name in the folder that holds it."""

    name: str
    is_folder: bool
    size: int = 0  # bytes; -1 for a link to nowhere, which is then a bad image like any other
    number: int = 0  # of the member in its archive


class Tree(ABC):
    """Folders and files below one place; "" is that place, and "train/cat" a folder in a folder of it."""

    name: str

    @abstractmethod
    def path(self, place: str) -> str:
        """Return how a person would find a place: "photos/train/cat", or "photos.zip/train/cat"."""

    @abstractmethod
    def entries(self, place: str) -> list[Entry]:
        """Return what a folder holds, in any order; raise `DataError` where it cannot be listed."""

    @abstractmethod
    def identity(self, place: str) -> Hashable:
        """Return what is the same for two places that a link has made one."""

    @abstractmethod
    def source(self, names: Names, numbers: npt.NDArray[np.int64], labels: Labels) -> Source:
        """Return the source of these pictures, given by their paths and their entries' numbers."""


@dataclass(slots=True)
class LeftOut:
    """How much of a tree was not looked at."""

    hidden: Counter[str] = field(default_factory=Counter)  # "file", "folder"
    others: Counter[str] = field(default_factory=Counter)  # ending -> files that are no pictures
    loose: int = 0  # pictures in no class folder
    again: int = 0  # folders that a link leads to a second time

    def add_file(self, name: str, endings: tuple[str, ...]) -> None:
        """Count a file that lies where no picture belongs."""
        if ending(name) in endings:
            self.loose += 1
        else:
            self.others[ending(name)] += 1

    def add(self, other: LeftOut) -> None:
        """Count what another has counted."""
        self.hidden.update(other.hidden)
        self.others.update(other.others)
        self.loose += other.loose
        self.again += other.again

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence for each kind of thing."""
        said = []
        if self.others:
            most = self.others.most_common(5)
            kinds = [f"{count:,} {kind or 'without ending'}" for kind, count in most]
            rest = sum(self.others.values()) - sum(count for _, count in most)
            said.append(f"Not read as pictures: {', '.join(kinds)}{f', {rest:,} others' if rest else ''}.")
        if self.loose:
            said.append(f"In no class folder, so not read: {counted(self.loose, 'picture')}.")
        if self.hidden:
            kinds = [counted(self.hidden[kind], kind) for kind in ("file", "folder") if self.hidden[kind]]
            said.append(f"Hidden, so not looked at: {' and '.join(kinds)}.")
        if self.again:
            said.append(f"Reached by a link a second time, so not followed: {counted(self.again, 'folder')}.")
        return tuple(said)


def visible(tree: Tree, place: str, left: LeftOut) -> list[Entry]:
    """Return what a folder holds in natural order, without what is hidden."""
    found = tree.entries(place)
    left.hidden.update("folder" if entry.is_folder else "file" for entry in found if is_hidden(entry.name))
    return sorted((entry for entry in found if not is_hidden(entry.name)), key=lambda entry: natural_key(entry.name))


def files_below(tree: Tree, place: str, left: LeftOut) -> Iterator[tuple[str, Entry]]:
    """Yield (path, file) of everything below a folder, in natural order; links are followed, each folder once."""
    todo = [(place, Entry("", True))]  # a stack: paths may be deeper than functions can call themselves
    seen: set[Hashable] = set()
    while todo:
        path, entry = todo.pop()
        if not entry.is_folder:
            yield path, entry
        elif (identity := tree.identity(path)) in seen:  # a link back up would go round for ever
            left.again += 1
        else:
            seen.add(identity)
            todo += [(f"{path}/{below.name}", below) for below in reversed(visible(tree, path, left))]


def is_hidden(name: str) -> bool:
    """Say whether a file or a folder is not for people to see."""
    return name.startswith(".") or name in _RESIDUE


def ending(name: str) -> str:
    """Return ".jpg", in lower case."""
    return os.path.splitext(name)[1].lower()


def counted(count: int, noun: str) -> str:
    """Return "1 file" or "2 files"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
