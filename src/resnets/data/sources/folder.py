"""Folder: pictures in one folder for each class.

DATA/<class>/...                                       split 80/20, the same way every time
DATA/train/<class>/... and DATA/test/<class>/...       as they are; val, valid or validation do for test

Classes and files are in natural order: numbers inside a name count as numbers, so 1, 2, 10 come in that
order. Folders inside a class belong to it. Names that start with a dot are not looked at.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from resnets.data.dataset import DataSet, fingerprint_files
from resnets.data.errors import DataError
from resnets.data.source import FolderSource, Source
from resnets.data.split import split
from resnets.spec.preprocess import FORMATS, Preprocess

TEST_SHARE = 0.2
TEST_NAMES = ("test", "val", "valid", "validation")  # the first that is there is used
_RESIDUE = ("__MACOSX", "@eaDir")  # what unzipping on a Mac and a Synology disk leave behind


@dataclass(frozen=True, slots=True)
class _Listing:
    """What was found below the class folders of one part."""

    root: Path
    paths: list[Path] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)  # one for each path
    others: Counter[str] = field(default_factory=Counter)  # ending -> files that are no pictures


def read_folder(folder: Path, formats: Sequence[str] = Preprocess().formats) -> DataSet:
    """Return the pictures below `folder`; class names are those of the folders.

    `formats` says which files are pictures. Raises `DataError`, naming the folder, for a class without
    pictures, fewer than two classes, or test classes that are not the training classes.
    """
    endings = tuple(ending for name in formats for ending in FORMATS[name])
    parts = [part for name in TEST_NAMES if _subfolders(part := folder / name)]
    if _subfolders(folder / "train"):
        return _given_split(folder, folder / "train", parts, endings)
    if parts and len(parts) == len(_subfolders(folder)):  # only something to test on
        return _given_split(folder, None, parts, endings)
    listing = _list_classes(folder, endings)
    classes, labels = _number(listing, None)
    _refuse_lonely(folder, listing)
    train, test = split(FolderSource(listing.paths, labels), TEST_SHARE, seed=0)
    return _data_set(folder, classes, train, test, [listing], notes=("Split 80/20: no train folder was given.",))


def _given_split(folder: Path, train: Path | None, tests: list[Path], endings: tuple[str, ...]) -> DataSet:
    notes = tuple(f"Not used: {path}." for path in tests[1:])
    listings = [_list_classes(part, endings) for part in (*([train] if train else []), *tests[:1])]
    classes, labels = _number(listings[0], None)
    first: Source = FolderSource(listings[0].paths, labels)
    if train is None:
        return _data_set(folder, classes, None, first, listings, notes)
    if not tests:
        _refuse_lonely(train, listings[0])
        first, held = split(first, TEST_SHARE, seed=0)
        notes = (f"Split 80/20: {folder} has no folder {', '.join(TEST_NAMES)}.",)
        return _data_set(folder, classes, first, held, listings, notes)
    _, test_labels = _number(listings[1], classes)
    return _data_set(folder, classes, first, FolderSource(listings[1].paths, test_labels), listings, notes)


def _refuse_lonely(root: Path, listing: _Listing) -> None:
    for name, count in Counter(listing.classes).items():
        if count < 2:
            raise DataError(
                f"the class folder {root / name} holds one picture, and a split needs two of each class; "
                "add one, or give a test folder beside train"
            )


def _data_set(
    folder: Path,
    classes: tuple[str, ...],
    train: Source | None,
    test: Source,
    listings: list[_Listing],
    notes: tuple[str, ...],
) -> DataSet:
    others = sum((listing.others for listing in listings), Counter[str]())
    if others:
        kinds = ", ".join(f"{count} {ending or 'without ending'}" for ending, count in others.most_common(5))
        notes = (*notes, f"Not read as pictures: {kinds}.")
    entries = [
        (path.relative_to(folder).as_posix(), _bytes(path), label)
        for listing in listings
        for path, label in zip(listing.paths, listing.classes, strict=True)
    ]
    return DataSet(
        name=folder.resolve().name,
        classes=classes,
        train=train,
        test=test,
        fingerprint=fingerprint_files(entries),
        notes=notes,
    )


def _bytes(path: Path) -> int:
    """Return a file's size; -1 for a link to nowhere, which is then a bad image like any other."""
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _number(listing: _Listing, expected: tuple[str, ...] | None) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the classes and each path's label; raise `DataError` where they are not the expected ones."""
    classes = tuple(dict.fromkeys(listing.classes))
    if expected is not None and set(classes) != set(expected):
        missing = natural_order(set(expected) - set(classes))
        unknown = natural_order(set(classes) - set(expected))
        differences = [f"{listing.root} lacks {', '.join(missing)}"] if missing else []
        differences += [f"has {', '.join(unknown)}, which the training folder lacks"] if unknown else []
        raise DataError("the test classes are not the training classes: " + " and ".join(differences))
    numbers = {name: number for number, name in enumerate(expected or classes)}
    return classes, np.array([numbers[name] for name in listing.classes], np.int64)


def _list_classes(root: Path, endings: tuple[str, ...]) -> _Listing:
    folders = _subfolders(root)
    if len(folders) < 2:
        loose = sum(path.suffix.lower() in endings for path in root.iterdir())
        has = f"{loose} pictures and " if loose else ""
        only = f" ({folders[0].name})" if folders else ""
        raise DataError(
            f"{root} holds {has}{len(folders)} class folders{only}; "
            f"expected two or more, such as {root / 'cat' / '1.jpg'} and {root / 'dog' / '1.jpg'}"
        )
    listing = _Listing(root)
    for folder in folders:
        before = len(listing.paths)
        ignored: Counter[str] = Counter()
        for path in _files_below(folder):
            if path.suffix.lower() in endings:
                listing.paths.append(path)
                listing.classes.append(folder.name)
            else:
                ignored[path.suffix.lower()] += 1
        if len(listing.paths) == before:
            instead = f", only {', '.join(natural_order(ignored)) or 'files without ending'}" if ignored else ""
            raise DataError(
                f"the class folder {folder} holds no pictures{instead}; "
                f"add some ({', '.join(endings)}) or remove the folder"
            )
        listing.others.update(ignored)
    return listing


def _files_below(folder: Path) -> list[Path]:
    """Return the files below a folder in natural order; links are followed, each folder once."""
    files: list[Path] = []
    seen: set[str] = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:  # a link back up would go round for ever
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [name for name in folders if not _is_hidden(name)]
        files += [Path(place, name) for name in names if not _is_hidden(name)]
    return sorted(files, key=lambda path: [_natural_key(part) for part in path.relative_to(folder).parts])


def _subfolders(folder: Path) -> list[Path]:
    """Return the visible folders directly in a folder, in natural order; none where it is no folder."""
    if not folder.is_dir():
        return []
    visible = [path for path in folder.iterdir() if path.is_dir() and not _is_hidden(path.name)]
    return sorted(visible, key=lambda path: _natural_key(path.name))


def natural_order(names: set[str] | Counter[str]) -> list[str]:
    """Return names in natural order: 1, 2, 10."""
    return sorted(names, key=_natural_key)


def _natural_key(name: str) -> tuple[list[tuple[int, int, str]], str]:
    pieces = re.findall(r"[0-9]+|[^0-9]+", name)
    # The name itself decides between 1 and 01, which are the same number.
    return [(0, int(piece), "") if piece[0] in "0123456789" else (1, 0, piece) for piece in pieces], name


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name in _RESIDUE
