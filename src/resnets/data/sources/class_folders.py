"""Class folders: pictures in one folder for each class, on a disk or in an archive.

DATA/<class>/...                                       split 80/20, the same way every time
DATA/train/<class>/... and DATA/test/<class>/...       as they are; val, valid or validation do for test

Classes are in natural order, unless the reading says otherwise; files always. Folders inside a class belong to it.
Names that start with a dot are not looked at.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from resnets.data.dataset import DataSet, fingerprint_files
from resnets.data.errors import DataError
from resnets.data.names import Names
from resnets.data.natural import class_sorted, natural_order
from resnets.data.reading import Reading
from resnets.data.source import Source
from resnets.data.sources.tree import LeftOut, Tree, ending, files_below, visible
from resnets.data.splits.split import describe_split, hold_back

TRAIN_NAMES = ("train", "training")
TEST_NAMES = ("test", "testing", "val", "valid", "validation")  # the first that is there is used


@dataclass(frozen=True, slots=True)
class _Part:
    """The pictures of one part, class by class."""

    place: str
    names: Names
    sizes: array[int]
    numbers: array[int]
    labels: npt.NDArray[np.int64]

    def source(self, tree: Tree) -> Source:
        return tree.source(self.names, np.array(self.numbers, np.int64), self.labels)

    def entries(self, classes: tuple[str, ...]) -> Iterator[tuple[str, int, str]]:
        """What is told of each file for a fingerprint."""
        for name, size, label in zip(self.names, self.sizes, self.labels, strict=True):
            yield name, size, classes[label]


def read_class_folders(tree: Tree, reading: Reading) -> DataSet:
    """Return the pictures of a tree; class names are those of its folders.

    Raises `DataError`, naming the folder, for a class without pictures, fewer than two classes, or test classes
    that are not the training classes.
    """
    left = LeftOut()
    train, tests, notes = _parts(tree, reading, left)
    first = tests[0] if train is None else train
    classes = _classes(tree, first, reading, left)
    found = _pictures(tree, first, classes, reading, left)
    parts, source = [found], found.source(tree)
    if train is not None and tests:
        _check_same(tree, tests[0], classes, reading, left)
        parts.append(_pictures(tree, tests[0], classes, reading, left))
        sources: tuple[Source | None, Source | None] = source, parts[1].source(tree)
    elif train is None:
        sources = None, source
    else:
        if reading.test_share is not None:
            _refuse_lonely(tree, found, classes)
        why = f"{tree.path('')} has no folder {', '.join(TEST_NAMES)}" if train else "no train folder was given"
        notes += (split_note(reading, why),)
        sources = hold_back(source, reading)
    return DataSet(
        name=tree.name,
        classes=classes,
        train=sources[0],
        test=sources[1],
        fingerprint=fingerprint_files(entry for part in parts for entry in part.entries(classes)),
        notes=(*notes, *order_notes(classes, reading), *left.notes),
        class_order=reading.class_order,
        split="given" if train is None or tests else describe_split(reading.test_share, reading.split_seed),
    )


def split_note(reading: Reading, why: str) -> str:
    """Return "Split 80/20: no train folder was given."."""
    if reading.test_share is None:
        return f"Not split, nothing is held back for testing: {why}."
    return f"Split {100 - 100 * reading.test_share:.3g}/{100 * reading.test_share:.3g}: {why}."


def order_notes(classes: tuple[str, ...], reading: Reading) -> tuple[str, ...]:
    """Return a sentence on the order of the classes, where the two orders differ."""
    natural, plain = (class_sorted(classes, order) for order in ("natural", "string"))
    if natural == plain:
        return ()
    place = next(place for place, pair in enumerate(zip(natural, plain, strict=True)) if pair[0] != pair[1])
    chosen, other = (natural, plain) if reading.class_order == "natural" else (plain, natural)
    word = "string" if reading.class_order == "natural" else "natural"
    return (
        f"Classes are in {reading.class_order} order: number {place} is {chosen[place]!r}, "
        f"and would be {other[place]!r} in {word} order.",
    )


def _parts(tree: Tree, reading: Reading, left: LeftOut) -> tuple[str | None, list[str], tuple[str, ...]]:
    """Return the folder to train on ("" is the whole tree), those to test on, and what is not used."""
    here = LeftOut()
    folders, _ = _top(tree, "", reading, here)
    train, tests = _named(tree, folders, TRAIN_NAMES), _named(tree, folders, TEST_NAMES)
    if not train and (not tests or len(tests) < len(folders)):
        return "", [], ()
    left.add(here)
    unused = [name for name in folders if name not in (*train[:1], *tests[:1])]
    return next(iter(train), None), tests, tuple(f"Not used: {tree.path(name)}." for name in unused)


def _top(tree: Tree, place: str, reading: Reading, left: LeftOut) -> tuple[list[str], int]:
    """Return the folders of a folder, and how many pictures lie beside them."""
    found, loose = visible(tree, place, left), left.loose
    for entry in found:
        if not entry.is_folder:
            left.add_file(entry.name, reading.endings)
    return [entry.name for entry in found if entry.is_folder], left.loose - loose


def _named(tree: Tree, folders: list[str], names: tuple[str, ...]) -> list[str]:
    """Return the folders of these names, in any case, that hold folders; in the order of the names."""
    found = [folder for name in names for folder in folders if folder.lower() == name]
    return [folder for folder in found if any(entry.is_folder for entry in visible(tree, folder, LeftOut()))]


def _classes(tree: Tree, place: str, reading: Reading, left: LeftOut) -> tuple[str, ...]:
    folders, loose = _top(tree, place, reading, left)
    names = {*folders, *reading.empty_classes}
    if len(names) < 2:
        has = f"{loose} pictures and " if loose else ""
        only = f" ({folders[0]})" if folders else ""
        raise DataError(
            f"{tree.path(place)} holds {has}{len(folders)} class folders{only}; expected two or more, "
            f"such as {tree.path(_join(place, 'cat/1.jpg'))} and {tree.path(_join(place, 'dog/1.jpg'))}"
        )
    for name in folders:
        if any("\ud800" <= letter <= "\udfff" for letter in name):  # what stands for a byte that is no Unicode
            raise DataError(
                f"the name of the class folder {tree.path(_join(place, name))!r} is not UTF-8, and a model file keeps "
                "the names of its classes as text; rename the folder"
            )
    return tuple(class_sorted(names, reading.class_order))


def _check_same(tree: Tree, place: str, classes: tuple[str, ...], reading: Reading, left: LeftOut) -> None:
    has, _ = _top(tree, place, reading, left)
    missing = natural_order(set(classes) - set(has) - set(reading.empty_classes))
    unknown = natural_order(set(has) - set(classes))
    if missing or unknown:
        differences = [f"{tree.path(place)} lacks {', '.join(missing)}"] if missing else []
        differences += [f"has {', '.join(unknown)}, which the training folder lacks"] if unknown else []
        raise DataError("the test classes are not the training classes: " + " and ".join(differences))


def _pictures(tree: Tree, place: str, classes: tuple[str, ...], reading: Reading, left: LeftOut) -> _Part:
    counts: list[int] = []
    sizes, numbers = array("q"), array("q")
    folders = {entry.name for entry in tree.entries(place) if entry.is_folder}

    def paths() -> Iterator[str]:
        for name in classes:
            before, ignored = len(sizes), Counter[str]()
            for path, entry in files_below(tree, _join(place, name), left) if name in folders else ():
                if ending(entry.name) in reading.endings:
                    sizes.append(entry.size)
                    numbers.append(entry.number)
                    yield path
                else:
                    ignored[ending(entry.name)] += 1
            counts.append(len(sizes) - before)
            if not counts[-1] and name not in reading.empty_classes:
                _refuse_empty(tree.path(_join(place, name)), ignored, reading)
            left.others.update(ignored)

    names = Names(paths())
    return _Part(place, names, sizes, numbers, np.repeat(np.arange(len(classes), dtype=np.int64), counts))


def _refuse_empty(path: str, ignored: Counter[str], reading: Reading) -> None:
    instead = f", only {', '.join(natural_order(ignored)) or 'files without ending'}" if ignored else ""
    raise DataError(
        f"the class folder {path} holds no pictures{instead}; add some ({', '.join(reading.endings)}), remove the "
        "folder, or name the class in empty_classes (--read empty_classes=NAME)"
    )


def _refuse_lonely(tree: Tree, part: _Part, classes: tuple[str, ...]) -> None:
    lonely = np.flatnonzero(np.bincount(part.labels, minlength=len(classes)) == 1)
    if len(lonely):
        raise DataError(
            f"the class folder {tree.path(_join(part.place, classes[lonely[0]]))} holds one picture, and a split needs "
            "two of each class; add one, or give a test folder beside train"
        )


def _join(place: str, name: str) -> str:
    return f"{place}/{name}" if place else name
