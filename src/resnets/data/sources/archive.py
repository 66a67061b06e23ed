"""Archive: a zip or tar file of class folders, read in place by the rules of `class_folders`; nothing is unpacked."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from resnets.data.dataset import DataSet
from resnets.data.errors import DataError
from resnets.data.names import Names
from resnets.data.reading import Reading
from resnets.data.shared import SharedArray
from resnets.data.source import Labels, Source
from resnets.data.sources.class_folders import TEST_NAMES, TRAIN_NAMES, read_class_folders
from resnets.data.sources.members import PLACE, PLAIN, Archives, MemberSource, Stamp, stamp
from resnets.data.sources.tree import Entry, Tree, is_hidden
from resnets.files import tar_entries, zip_entries
from resnets.files.byte_ranges import opened
from resnets.files.errors import FileError

ENDINGS = (".zip", ".tar")
COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".tzst", ".7z", ".rar")
"""Archives of which no member can be read without all those before it, or not by us."""

MOST_NAME, MOST_DEPTH = 1024, 32
"""Letters of a member's path, and folders in it."""


def find_archive(path: Path) -> bool:
    """Say whether a file is called an archive; raise `DataError` for one that cannot be read in place."""
    name = path.name.lower()
    if name.endswith(COMPRESSED):
        raise DataError(
            f"{path} is compressed as a whole, and single pictures of it cannot be read; unpack it and give the "
            "folder, or pack it again as .zip or .tar (pictures are compressed already)"
        )
    return name.endswith(ENDINGS)


def read_archive(path: Path, reading: Reading) -> DataSet:
    """Return the pictures in an archive's class folders.

    Raises `DataError` as a folder does, and `FileError` for an archive that is damaged or cannot be read in place.
    """
    return read_class_folders(ArchiveTree(path), reading)


class ArchiveTree(Tree):
    """What lies in an archive; or in the one folder that it holds, which is how most people pack a folder."""

    def __init__(self, path: Path) -> None:
        self.file, self.name = path, path.stem
        self.members, self.places, self.stamp = listed(path)
        self._files: dict[str, array[int]] = {}  # folder -> numbers of its members
        self._folders: dict[str, dict[str, None]] = {"": {}}  # folder -> those in it
        for number, name in enumerate(self.members):
            folder, _, last = name.rpartition("/")
            self._add_folder(folder)
            if last:  # a folder's own member ends with "/"
                self._files.setdefault(folder, array("q")).append(number)
        self._root, self._beside = "", list[Entry]()
        while (only := self._only_folder()) is not None:
            self._beside += [entry for entry in self._held(self._root) if entry.name != only]
            self._root = _join(self._root, only)

    def path(self, place: str) -> str:
        """Return the path of the archive, and the place in there."""
        return _join(str(self.file), _join(self._root, place))

    def entries(self, place: str) -> list[Entry]:
        """Return what a folder of the archive holds; raise `DataError` where it has two of one name."""
        found = self._held(_join(self._root, place))
        name, times = Counter(entry.name for entry in found).most_common(1)[0] if found else ("", 0)
        if times > 1:
            raise DataError(f"{self.path(place)} has two members {name[:100]!r}; pack it again")
        if not place:  # what lies beside the one folder is hidden, and is counted as such
            found += self._beside
        return found

    def identity(self, place: str) -> Hashable:
        """Return the place: there are no links."""
        return place

    def source(self, names: Names, numbers: npt.NDArray[np.int64], labels: Labels) -> Source:
        """Return the source of these members."""
        archives = Archives([str(self.file)], [self.stamp])
        return MemberSource(archives, SharedArray(self.places[numbers]), self.members.take(numbers), labels)

    def _held(self, folder: str) -> list[Entry]:
        found = [Entry(name, True) for name in self._folders[folder]]
        for number in self._files.get(folder, ()):
            name = self.members[number].rpartition("/")[2]
            found.append(Entry(name, False, int(self.places[number]["size"]), number))
        return found

    def _add_folder(self, folder: str) -> None:
        if folder not in self._folders:
            above, _, last = folder.rpartition("/")
            self._add_folder(above)
            self._folders[above][last] = None
            self._folders[folder] = {}

    def _only_folder(self) -> str | None:
        """Return the one folder that the root holds, if it is but a wrapping: a folder of pictures is a class."""
        seen = [entry for entry in self._held(self._root) if not is_hidden(entry.name)]
        if len(seen) != 1 or not seen[0].is_folder or seen[0].name.lower() in (*TRAIN_NAMES, *TEST_NAMES):
            return None
        below = self._folders[_join(self._root, seen[0].name)]
        return None if all(map(is_hidden, below)) else seen[0].name


def _join(place: str, name: str) -> str:
    return f"{place}/{name}" if place and name else place or name


def listed(path: Path) -> tuple[Names, npt.NDArray[np.void], Stamp]:
    """Return the members of an archive by name, their (N,) PLACE, and by what the archive is known.

    A folder that has a member of its own is among them; its name ends with "/". Raises `FileError` for what is no
    whole archive, for members that share bytes, and for names that lead out of the archive.
    """
    rows = array("q")
    with opened(path) as file:
        found = _zip_rows(file, rows) if is_zip(file) else _tar_rows(file, rows)
        try:
            names = Names(_inside(name) for name in found)
        except FileError as error:
            raise FileError(f"{path} cannot be read as an archive: {error}") from None
        known = stamp(file.fileno())
    numbers = np.frombuffer(rows, np.int64).reshape(-1, 5)
    places = np.zeros(len(numbers), PLACE)
    for column, key in enumerate(("start", "packed", "size", "crc", "method")):
        places[key] = numbers[:, column]
    _refuse_shared(path, places)
    return names, places, known


def is_zip(file: BinaryIO) -> bool:
    """Say whether an open file begins as a zip archive does: its name can be wrong."""
    return file.read(4) in (b"PK\3\4", b"PK\5\6")


def _zip_rows(file: BinaryIO, rows: array[int]) -> Iterator[str]:
    for entry in zip_entries.entries(zip_entries.directory(file)):
        rows.extend((entry.header, entry.packed, entry.size, entry.crc, entry.method))
        yield entry.name


def _tar_rows(file: BinaryIO, rows: array[int]) -> Iterator[str]:
    for entry in tar_entries.entries(file):
        rows.extend((entry.start, entry.size, entry.size, 0, PLAIN))
        yield entry.name


def _inside(name: str) -> str:
    """Return a member's path in the archive: tar's "./cat/1.jpg" and "/cat/1.jpg" are "cat/1.jpg"."""
    if "\\" in name and "/" not in name:
        name = name.replace("\\", "/")  # as old programs for Windows write it
    is_folder = name.endswith("/")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts or (not parts and not is_folder):
        raise FileError(f"a member is named {name[:100]!r}, which is no path inside an archive")
    if len(parts) > MOST_DEPTH or len(name) > MOST_NAME:
        raise FileError(
            f"{name[:100]!r} and so on is {len(parts)} folders deep in {len(name):,} letters; at most {MOST_DEPTH} "
            f"in {MOST_NAME:,} are read"
        )
    return "/".join(parts) + ("/" if is_folder else "")


def _refuse_shared(path: Path, places: npt.NDArray[np.void]) -> None:
    """A few bytes that many members share would unpack to any size."""
    begin = np.sort(places["start"])
    end = (places["start"] + places["packed"])[np.argsort(places["start"], kind="stable")]
    if (end[:-1] > begin[1:]).any():
        raise FileError(f"{path} cannot be read as an archive: two of its members share bytes")
