"""Folder: pictures on a disk in one folder for each class, by the rules of `class_folders`."""

from __future__ import annotations

import os
from collections.abc import Hashable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from resnets.data.dataset import DataSet
from resnets.data.errors import DataError
from resnets.data.names import Names
from resnets.data.reading import Reading
from resnets.data.source import FileSource, Labels, Source
from resnets.data.sources.class_folders import read_class_folders
from resnets.data.sources.tree import Entry, Tree


def read_folder(folder: Path, reading: Reading) -> DataSet:
    """Return the pictures below `folder`; class names are those of the folders.

    Raises `DataError`, naming the folder, for one that cannot be listed, a class without pictures, fewer than
    two classes, or test classes that are not the training classes.
    """
    return read_class_folders(DiskTree(folder), reading)


class DiskTree(Tree):
    """What lies below a folder of a disk."""

    def __init__(self, folder: Path) -> None:
        self.root, self.name = str(folder), folder.resolve().name

    def path(self, place: str) -> str:
        """Return the path as the operating system takes it."""
        return str(Path(self.root, place))

    def entries(self, place: str) -> list[Entry]:
        """Return what a folder holds; raise `DataError` where it cannot be listed."""
        try:
            with os.scandir(self.path(place)) as found:
                return [_entry(each) for each in found]
        except OSError as error:
            raise DataError(
                f"the folder {self.path(place)} cannot be listed ({error.strerror}); mend that, or remove it"
            ) from None

    def identity(self, place: str) -> Hashable:
        """Return the disk and the number of a folder on it."""
        try:
            facts = os.stat(self.path(place))
        except OSError as error:
            raise DataError(f"the folder {self.path(place)} cannot be read ({error.strerror})") from None
        return facts.st_dev, facts.st_ino

    def source(self, names: Names, numbers: npt.NDArray[np.int64], labels: Labels) -> Source:
        """Return the source of these files."""
        return FileSource(names, labels, self.root)


def _entry(found: os.DirEntry[str]) -> Entry:
    try:
        is_folder = found.is_dir()
        return Entry(found.name, is_folder, 0 if is_folder else found.stat().st_size)
    except OSError:  # a link to nowhere, or to itself
        return Entry(found.name, False, -1)
