"""Shard paths: which tar files somebody means by a pattern or a folder, and of which part each of them is."""

from __future__ import annotations

import itertools
import math
import re
from pathlib import Path

from resnets.data.errors import DataError
from resnets.data.natural import natural_order
from resnets.data.sources.class_folders import TEST_NAMES, TRAIN_NAMES
from resnets.data.sources.folder import DiskTree
from resnets.data.sources.tree import ending, is_hidden

MOST_SHARDS = 100_000

_RANGE = re.compile(r"\{([0-9]{1,18})\.\.([0-9]{1,18})\}|\{([^{}]*,[^{}]*)\}")


def expanded(pattern: str) -> list[str]:
    """Return the names that a pattern in braces stands for, as a shell would."""
    pieces: list[list[str]] = []
    end = 0
    for match in _RANGE.finditer(pattern):
        pieces += [[pattern[end : match.start()]], _alternatives(pattern, match)]
        end = match.end()
    pieces.append([pattern[end:]])
    if any(mark in each[0] for each in pieces[::2] for mark in "{}"):
        raise DataError(f"{pattern!r} is no pattern; allowed: {{000..123}} or {{a,b}}, such as train-{{000..123}}.tar")
    if (count := math.prod(map(len, pieces))) > MOST_SHARDS:
        raise DataError(f"{pattern!r} is {count:,} shards; allowed: 1 to {MOST_SHARDS:,}")
    return ["".join(each) for each in itertools.product(*pieces)]


def in_folder(folder: Path) -> list[Path]:
    """Return the shards of a folder, and of its folders train and test; none where it has other folders."""
    held = DiskTree(folder).entries("")
    folders = [entry.name for entry in held if entry.is_folder and not is_hidden(entry.name)]
    if not set(folders) <= {*TRAIN_NAMES, *TEST_NAMES}:
        return []
    return [shard for part in ("", *natural_order(folders)) for shard in _tars(folder / part)]


def parts_of(shards: list[Path]) -> tuple[list[Path], list[Path], tuple[str, ...]]:
    """Return the shards to train on, those to test on, and what is not used."""
    found: dict[str, list[Path]] = {}
    for path in shards:
        words = {*re.findall("[a-z]+", path.stem.lower()), path.parent.name.lower()}
        part = next((name for name in (*TEST_NAMES, *TRAIN_NAMES) if name in words), "")
        found.setdefault(part, []).append(path)
    if "" in found and len(found) > 1:
        named = next(paths[0] for part, paths in found.items() if part)
        raise DataError(
            f"{named} says of which part it is, and {found[''][0]} does not; name each of them, such as "
            "train-000.tar and test-000.tar, or none"
        )
    tests = [name for name in TEST_NAMES if name in found]
    train = [path for name in (*TRAIN_NAMES, "") for path in found.get(name, ())]
    notes = tuple(f"Not used: {found[name][0]} and all other shards of {name}." for name in tests[1:])
    return train, found[tests[0]] if tests else [], notes


def _alternatives(pattern: str, match: re.Match[str]) -> list[str]:
    if match[3] is not None:
        return match[3].split(",")
    first, last = int(match[1]), int(match[2])
    if not 0 <= last - first < MOST_SHARDS:
        raise DataError(f"{match[0]} in {pattern!r} is {last - first + 1:,} shards; allowed: 1 to {MOST_SHARDS:,}")
    return [str(number).zfill(len(match[1])) for number in range(first, last + 1)]


def _tars(folder: Path) -> list[Path]:
    names = [entry.name for entry in DiskTree(folder).entries("") if not entry.is_folder]
    return [folder / name for name in natural_order(names) if ending(name) == ".tar" and not is_hidden(name)]
