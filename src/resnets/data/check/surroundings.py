"""Surroundings: what lies in a folder of classes besides the pictures that are read, and classes without any.

The readers ignore hidden files and refuse a folder that they cannot use; here everything is listed, and the
pictures of a refused folder are still found, so that one fault does not hide the others.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from resnets.data.check.findings import Finding, Found
from resnets.data.dataset import DataSet, fingerprint_files
from resnets.data.errors import DataError
from resnets.data.names import Names
from resnets.data.natural import class_sorted, natural_key
from resnets.data.open import open_data
from resnets.data.reading import Reading
from resnets.data.source import FileSource
from resnets.data.sources.class_folders import TEST_NAMES, TRAIN_NAMES
from resnets.data.sources.folder import DiskTree
from resnets.data.sources.tree import Entry, counted, ending, is_hidden
from resnets.spec.preprocess import FORMATS

LEFT_BEHIND = ("thumbs.db", "desktop.ini", "ehthumbs.db")
"""By Windows among pictures, in lower case."""

HARMLESS = (".git", ".gitattributes", ".gitignore", ".gitkeep", ".dvc", ".dvcignore")
"""Hidden for a reason, where they lie beside the class folders."""

PICTURE_ENDINGS = frozenset(ending for endings in FORMATS.values() for ending in endings) | {
    ".jfif", ".jpe", ".heic", ".heif", ".avif", ".jp2", ".jxl", ".ico", ".svg", ".psd", ".cr2", ".nef", ".dng",
}  # fmt: skip
"""Of files that somebody may think are read."""

_SHOWN = 5


@dataclass(slots=True)
class Surroundings:
    """A folder as it lies on the disk; paths are relative to it, with forward slashes."""

    root: Path
    parts: dict[str, dict[str, list[str]]] = field(default_factory=dict)  # part -> class -> pictures
    hidden: dict[str, int] = field(default_factory=dict)  # file or folder -> files in it
    others: list[str] = field(default_factory=list)  # in class folders, with an ending that is not read
    loose: list[str] = field(default_factory=list)  # pictures in no class folder
    beside: list[str] = field(default_factory=list)  # files beside the class folders that are no pictures
    unlisted: dict[str, str] = field(default_factory=dict)  # folder -> why it cannot be listed

    @property
    def empty(self) -> list[str]:
        """Class folders without a picture, such as train/cat."""
        return [f"{part}/{name}".lstrip("/") for part, found in self.parts.items() for name in found if not found[name]]


def look_around(folder: Path, reading: Reading) -> Surroundings | None:
    """Return what lies in a folder of class folders, or None where there are no class folders."""
    around = Surroundings(folder)
    tree = DiskTree(folder)
    top = _visible(tree, "", around)
    folders = [entry.name for entry in top if entry.is_folder]
    train, tests = _named(tree, folders, TRAIN_NAMES), _named(tree, folders, TEST_NAMES)
    given = bool(train or (tests and len(tests) == len(folders)))
    for part in [*train[:1], *tests[:1]] if given else [""]:
        held = top if not part else _visible(tree, part, around)
        names = class_sorted([entry.name for entry in held if entry.is_folder], reading.class_order)
        around.parts[part] = {name: _pictures(tree, f"{part}/{name}".lstrip("/"), reading, around) for name in names}
        _put_files(around, part, held, reading)
    if given:
        _put_files(around, "", top, reading)
    return around if any(around.parts.values()) else None


def _named(tree: DiskTree, folders: list[str], names: tuple[str, ...]) -> list[str]:
    """Return the folders of these names that hold folders, as the reader of class folders chooses them."""
    found = [folder for name in names for folder in folders if folder.lower() == name]
    return [name for name in found if any(entry.is_folder for entry in _visible(tree, name, Surroundings(Path())))]


def _pictures(tree: DiskTree, folder: str, reading: Reading, around: Surroundings) -> list[str]:
    pictures: list[str] = []
    seen, todo = set(), [folder]
    while todo:
        place = todo.pop()
        try:
            identity = tree.identity(place)
        except DataError as error:
            around.unlisted[place] = str(error)
            continue
        if identity in seen:  # a link back up would go round for ever
            continue
        seen.add(identity)
        for entry in _visible(tree, place, around):
            path = f"{place}/{entry.name}"
            if entry.is_folder:
                todo.append(path)
            else:
                (pictures if ending(entry.name) in reading.endings else around.others).append(path)
    return sorted(pictures, key=natural_key)


def _visible(tree: DiskTree, place: str, around: Surroundings) -> list[Entry]:
    """Return what is in a folder and not hidden; what is hidden goes on the list."""
    try:
        entries = tree.entries(place)
    except DataError as error:
        around.unlisted[place or "."] = str(error)
        return []
    shown = []
    for entry in sorted(entries, key=lambda entry: natural_key(entry.name)):
        path = f"{place}/{entry.name}".lstrip("/")
        if not is_hidden(entry.name) and (entry.is_folder or entry.name.lower() not in LEFT_BEHIND):
            shown.append(entry)
        elif place or entry.name not in HARMLESS:
            inside = sum(len(files) for _, _, files in os.walk(tree.path(path))) if entry.is_folder else 0
            around.hidden[path + "/" * entry.is_folder] = inside
    return shown


def _put_files(around: Surroundings, part: str, held: list[Entry], reading: Reading) -> None:
    for entry in held:
        if not entry.is_folder:
            path = f"{part}/{entry.name}".lstrip("/")
            (around.loose if ending(entry.name) in reading.endings else around.beside).append(path)


def find_surroundings(around: Surroundings) -> Found:
    """Return what is hidden, unread or empty in a folder, a finding each."""
    found = Found()
    for path, inside in around.hidden.items():
        reason = f"{counted(inside, 'file')} in it" if path.endswith("/") else "a hidden or system file"
        found.findings.append(Finding("hidden", reason, places=(path,)))
    for path in around.others:
        kind = ending(path)
        reason = f"pictures in {kind} are not read" if kind in PICTURE_ENDINGS else f"its ending is {kind or 'missing'}"
        found.findings.append(Finding("not-a-picture", reason, places=(path,)))
    for path in around.loose:
        found.findings.append(Finding("no-class", "it is in no class folder", places=(path,)))
    for path, why in around.unlisted.items():
        found.findings.append(Finding("refused", why, places=(path,)))
    for path in around.empty:
        found.findings.append(Finding("empty-class", "no file in it is read as a picture", places=(path,)))
    if around.beside:
        more = f" and {len(around.beside) - _SHOWN} more" if len(around.beside) > _SHOWN else ""
        found.information.append(f"Beside the class folders, not read: {', '.join(around.beside[:_SHOWN])}{more}.")
    return found


def open_for_check(data: str | Path, reading: Reading) -> tuple[DataSet, Surroundings | None, str | None]:
    """Return (data set, its surroundings, why `train` would refuse it or None).

    A folder of classes is opened even where training refuses it. Raises as `open_data` does where there is
    nothing to look at.
    """
    folder = Path(data)
    around = look_around(folder, reading) if str(data) != "digits" and folder.is_dir() else None
    try:
        dataset = open_data(data, reading)
    except DataError as error:
        if around is None or not any(names for found in around.parts.values() for names in found.values()):
            try:  # what cannot be split can be looked at all the same
                return open_data(data, replace(reading, test_share=None)), None, str(error)
            except DataError:
                raise error from None
        return _open_leniently(around, reading), around, str(error)
    # A folder of MNIST's files, of shards or of a table is no folder of classes, whatever lies beside them.
    is_folder = all(isinstance(part, FileSource | None) for part in (dataset.train, dataset.test))
    return dataset, around if is_folder else None, None


def _open_leniently(around: Surroundings, reading: Reading) -> DataSet:
    empty = sorted({Path(name).name for name in around.empty} - set(reading.empty_classes))
    try:
        return open_data(around.root, replace(reading, empty_classes=(*reading.empty_classes, *empty)))
    except DataError:
        pass
    classes = class_sorted({name for found in around.parts.values() for name in found}, reading.class_order)
    sources: dict[str, FileSource | None] = {"train": None, "test": None}
    entries: list[tuple[str, int, str]] = []
    for part, found in around.parts.items():
        listed = [(path, name) for name in classes for path in found.get(name, [])]
        labels = np.array([classes.index(name) for _, name in listed], np.int64)
        names = Names(path for path, _ in listed)
        sources["test" if part.lower() in TEST_NAMES else "train"] = FileSource(names, labels, str(around.root))
        entries += [(path, -1, name) for path, name in listed]
    return DataSet(
        name=around.root.resolve().name,
        classes=tuple(classes),
        train=sources["train"],
        test=sources["test"],
        fingerprint=fingerprint_files(entries),
        class_order=reading.class_order,
    )
