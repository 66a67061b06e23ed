"""Shards: pictures in tar files of WebDataset's layout, read in place and in any order.

The members of one sample have one key: their path up to the first dot of the file's name (webdataset 1.0,
`base_plus_ext`). 000017.jpg is a picture, and 000017.cls, .json ("label" or "class") or .txt says what it is: a number
from 0, or the name of a class.
"""

from __future__ import annotations

import itertools
import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from resnets.data.dataset import DataSet, fingerprint_files
from resnets.data.errors import DataError
from resnets.data.names import Names
from resnets.data.natural import class_sorted
from resnets.data.reading import Reading
from resnets.data.shared import SharedArray
from resnets.data.source import Source
from resnets.data.sources.archive import is_zip, listed
from resnets.data.sources.class_folders import TEST_NAMES, TRAIN_NAMES, order_notes, split_note
from resnets.data.sources.members import PLAIN, Archives, MemberSource, Stamp
from resnets.data.sources.shard_labels import LABELS, class_names, read_label
from resnets.data.sources.shard_paths import expanded, in_folder, parts_of
from resnets.data.sources.tree import LeftOut, ending, is_hidden
from resnets.data.splits.split import describe_split, hold_back
from resnets.files import tar_entries
from resnets.files.byte_ranges import opened
from resnets.files.errors import FileError

MOST_CLASSES = 1_000_000

_LOOKED_AT = 1_000
"""Members by which a tar file is known."""

_KEY = re.compile(r"((?:.*/)?[^./]+)\.([^/]*)", re.DOTALL)


@dataclass(slots=True)
class _Shards:
    """The samples of one part, one after the other."""

    paths: list[str] = field(default_factory=list)
    stamps: list[Stamp] = field(default_factory=list)
    names: list[Names] = field(default_factory=list)
    places: list[npt.NDArray[np.void]] = field(default_factory=list)
    said: list[int | str] = field(default_factory=list)  # of each sample: a class by its number, or by its name

    def source(self, labels: npt.NDArray[np.int64]) -> Source:
        blob = np.concatenate([names.arrays[0] for names in self.names])
        lengths = np.concatenate([np.diff(names.arrays[1]) for names in self.names])
        names = Names.of_arrays(blob, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))
        return MemberSource(Archives(self.paths, self.stamps), SharedArray(np.concatenate(self.places)), names, labels)

    def entries(self, labels: npt.NDArray[np.int64], classes: tuple[str, ...]) -> Iterator[tuple[str, int, str]]:
        """What is told of each picture for a fingerprint."""
        told = (
            (place["archive"], name, place)
            for names, places in zip(self.names, self.places, strict=True)
            for name, place in zip(names, places, strict=True)
        )
        for (archive, name, place), label in zip(told, labels, strict=True):
            yield f"{Path(self.paths[archive]).name}/{name}", int(place["size"]), classes[label]


def find_shards(data: str | Path, reading: Reading) -> list[Path] | None:
    """Return the shards that are meant by a pattern, a folder of .tar files or one of them; None for anything else.

    A pattern is photos/train-{000..003}.tar or photos/{a,b}.tar. A folder is one of shards if it, or its folders
    train and test, hold .tar files and nothing but them in folders. One .tar file is a shard if it holds labels.
    """
    path, text = Path(data), str(data)
    if "{" in text and not path.exists():
        return [Path(name) for name in expanded(text)]
    if path.is_dir():
        return in_folder(path) or None
    if path.suffix.lower() == ".tar" and _is_shard(path, reading):
        return [path]
    return None


def read_shards(name: str, shards: list[Path], reading: Reading) -> DataSet:
    """Return the samples of shards; those whose name (or folder) says train or test are of that part.

    Classes are called as classes.txt, labels.json or dataset_info.json beside the shards says; otherwise by what the
    labels say: names, or "0" to the largest number. Raises `DataError`, naming the sample, for one without a
    picture or a label or with two, and `FileError` for a shard that is damaged.
    """
    train, tests, notes = parts_of(shards)
    left = LeftOut()
    parts = [_read(paths, reading, left) for paths in (train, tests) if paths]
    beside = dict.fromkeys(path.parent for path in shards)
    above = [place.parent for place in beside if place.name in (*TRAIN_NAMES, *TEST_NAMES)]
    named, note = class_names([*beside, *above])
    classes, order = (named, "given") if named else _classes(parts, reading)
    numbers = {label: number for number, label in enumerate(classes)}
    labels = [_labels(part, classes, numbers) for part in parts]
    notes += (*note, *_missing_notes(parts[0], labels, classes, reading, named is not None))
    sources: list[Source | None] = [part.source(each) for part, each in zip(parts, labels, strict=True)]
    if not tests and sources[0] is not None:
        notes += (split_note(reading, "no shards for testing were given"),)
        sources = [*hold_back(sources[0], reading)]
    elif not train:
        sources = [None, *sources]
    told = (entry for part, each in zip(parts, labels, strict=True) for entry in part.entries(each, classes))
    return DataSet(
        name=name,
        classes=classes,
        train=sources[0],
        test=sources[1],
        fingerprint=fingerprint_files(told),
        notes=(*notes, *(() if order == "given" else order_notes(classes, reading)), *left.notes),
        class_order=order,
        split="given" if tests else describe_split(reading.test_share, reading.split_seed),
    )


def _is_shard(path: Path, reading: Reading) -> bool:
    """Say whether a tar file begins with a .cls, or with a label beside every picture: others are of class folders."""
    with opened(path) as file:
        if is_zip(file):
            return False
        try:
            first = [entry.name for entry in itertools.islice(tar_entries.entries(file), _LOOKED_AT)]
        except FileError as error:
            raise FileError(f"{path} cannot be read as an archive: {error}") from None
    samples = [_sample(name) for name in first]
    pictures = dict.fromkeys(key for key, kind in samples if kind in reading.endings)
    if len(first) == _LOOKED_AT and len(pictures) > 1:
        pictures.popitem()  # whose label may be next
    labels = {key for key, kind in samples if kind in LABELS}
    return any(kind == ".cls" for _, kind in samples) or (bool(pictures) and set(pictures) <= labels)


def _sample(name: str) -> tuple[str | None, str]:
    """Return the key of a member, and the last ending of its name; no key for what is hidden or no file."""
    match = _KEY.fullmatch(name)
    if any(map(is_hidden, name.split("/"))) or re.match(r"__[^/]*__($|/)", name):
        return None, ""
    return (match[1], ending(f"x.{match[2]}")) if match else (name, "")


def _read(shards: list[Path], reading: Reading, left: LeftOut) -> _Shards:
    part = _Shards()
    for number, path in enumerate(shards):
        names, places, stamp = listed(path)
        if (places["method"] != PLAIN).any():
            raise DataError(f"{path} is a zip archive; shards are tar files")
        picked, said = _samples(path, names, places, reading, left)
        places["archive"] = number
        part.paths.append(str(path))
        part.stamps.append(stamp)
        part.names.append(names.take(picked))
        part.places.append(places[picked])
        part.said += said
    if not part.said:
        raise DataError(f"{shards[0]} holds no samples; expected pairs such as 000000.jpg and 000000.cls")
    return part


def _samples(
    path: Path, names: Names, places: npt.NDArray[np.void], reading: Reading, left: LeftOut
) -> tuple[npt.NDArray[np.int64], list[int | str]]:
    """Return which members of a shard are pictures, in order, and what is said of each."""
    pictures: dict[str, int] = {}
    labels: dict[str, dict[str, int]] = {}
    for number, name in enumerate(names):
        key, kind = _sample(name)
        if key is None:
            left.hidden["file"] += not name.endswith("/")
        elif kind in reading.endings:
            if key in pictures:
                raise DataError(
                    f"sample {key!r} of {path} has two pictures, {names[pictures[key]]} and {name}; a sample is all "
                    "files whose names are the same up to the first dot"
                )
            pictures[key] = number
        elif kind in LABELS:
            if kind in labels.setdefault(key, {}):
                raise DataError(f"sample {key!r} of {path} has two labels {kind}; keep one")
            labels[key][kind] = number
        else:
            left.others[kind] += 1
    for key in labels:
        if key not in pictures:
            raise DataError(f"sample {key!r} of {path} has no picture ({', '.join(reading.endings)})")
    said = [read_label(path, key, labels.get(key, {}), places) for key in pictures]
    return np.array(list(pictures.values()), np.int64), said


def _classes(parts: list[_Shards], reading: Reading) -> tuple[tuple[str, ...], str]:
    """Return what the labels call the classes, and their order."""
    said = {label for part in parts for label in part.said}
    numbers = {label for label in said if isinstance(label, int)}
    names = {label for label in said if isinstance(label, str)}
    if numbers and names:
        raise DataError(f"some labels are numbers ({min(numbers)}) and some are names ({min(names)!r}); give one kind")
    if max(numbers, default=0) >= MOST_CLASSES:
        raise DataError(f"a label is {max(numbers):,}; at most {MOST_CLASSES - 1:,} is read")
    if numbers:
        return tuple(map(str, range(max(numbers) + 1))), "given"
    return tuple(class_sorted({*names, *reading.empty_classes}, reading.class_order)), reading.class_order


def _labels(part: _Shards, classes: tuple[str, ...], numbers: dict[str, int]) -> npt.NDArray[np.int64]:
    found = array("q")
    for label in part.said:
        number = numbers.get(label, len(classes)) if isinstance(label, str) else label
        if number >= len(classes):
            raise DataError(f"a label is {label!r}, which is none of the {len(classes):,} classes that are named")
        found.append(number)
    return np.frombuffer(found, np.int64)


def _missing_notes(
    part: _Shards, labels: list[npt.NDArray[np.int64]], classes: tuple[str, ...], reading: Reading, is_named: bool
) -> tuple[str, ...]:
    """Return which classes have no pictures; raise `DataError` for one of the first part that nothing declares."""
    if len(classes) < 2:
        raise DataError(f"the shards {part.paths[0]} ... hold one class ({classes[0]}); expected two or more")
    absent = [
        [classes[number] for number in np.flatnonzero(np.bincount(each, minlength=len(classes)) == 0)]
        for each in labels
    ]
    wrong = [name for name in absent[0] if not is_named and name not in reading.empty_classes]
    if wrong:
        raise DataError(
            f"the shards {part.paths[0]} ... hold no picture of class {_some(wrong)}; add some, or name these "
            "classes in empty_classes"
        )
    sides = ("train", "test") if len(absent) == 2 else ("train",)
    return tuple(
        f"No picture to {side} on has {_some(names)}." for side, names in zip(sides, absent, strict=True) if names
    )


def _some(names: list[str]) -> str:
    return ", ".join(names[:10]) + (f" and {len(names) - 10:,} more" if len(names) > 10 else "")
