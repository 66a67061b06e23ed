"""Shard labels: what the small files beside a picture say of it, and what files beside the shards call the classes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from resnets.data.errors import DataError
from resnets.files import bounded, strict_json
from resnets.files.byte_ranges import read_range
from resnets.files.errors import FileError

LABELS = (".cls", ".json", ".txt")
"""Endings of members that say what a picture is; the first that is there does."""

MOST_LABEL_BYTES = 1 << 16
MOST_NAMES_BYTES = 64 << 20

_KEYS = ("label", "class", "cls")
"""Where a .json says it; the first that is there does."""


def read_label(path: Path, key: str, members: Mapping[str, int], places: npt.NDArray[np.void]) -> int | str:
    """Return the number or the name of a sample's class; raise `DataError` where nothing says it, or not clearly.

    `members` gives the number of the member of each ending.
    """
    who = f"sample {key!r} of {path}"
    for kind in LABELS:
        if kind not in members:
            continue
        place = places[members[kind]]
        if place["size"] > MOST_LABEL_BYTES:
            raise DataError(f"{who}: its {kind} has {place['size']:,} bytes; at most {MOST_LABEL_BYTES:,} are read")
        data = read_range(path, int(place["start"]), int(place["size"]))
        label = _from_json(who, data) if kind == ".json" else _from_text(who, kind, data)
        if label is not None:
            return label
    raise DataError(f'{who} has no label; expected a .cls, a .json with "label", or a .txt beside its picture')


def class_names(folders: list[Path]) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
    """Return the class names that a file in one of the folders gives, and a note of it; None without one."""
    for folder in dict.fromkeys(folders):
        for name, read in _NAMES.items():
            if (path := folder / name).is_file():
                names = read(path)
                if names is None:
                    continue
                _check_names(path, names)
                return tuple(names), (f"Class names are those of {path}.",)
    return None, ()


def _from_text(who: str, kind: str, data: bytes) -> int | str:
    try:
        text = data.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise DataError(f"{who}: its {kind} is no text in UTF-8") from None
    if re.fullmatch("[0-9]{1,18}", text):
        return int(text)
    if kind == ".cls" and re.fullmatch("-[0-9]+", text):
        raise DataError(f"{who}: its {kind} is {text[:30]}; labels start at 0")
    if not text or "\n" in text:
        raise DataError(f"{who}: its {kind} is {text[:50]!r}; expected a number from 0, or the name of a class")
    return text


def _from_json(who: str, data: bytes) -> int | str | None:
    try:
        facts = strict_json.loads(data, MOST_LABEL_BYTES)
    except FileError as error:
        raise DataError(f"{who}: of its .json, {error}") from None
    key = next((key for key in _KEYS if key in facts), None) if isinstance(facts, dict) else None
    if key is None:
        return None
    label = facts[key]
    is_number = isinstance(label, int) and not isinstance(label, bool) and 0 <= label < 10**18
    if not is_number and not (isinstance(label, str) and label.strip()):
        raise DataError(f"{who}: {key!r} of its .json is {str(label)[:50]}; expected a number from 0, or a name")
    return label if isinstance(label, int) else label.strip()


def _lines(path: Path) -> list[Any]:
    try:
        text = bounded.read(path, MOST_NAMES_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{path} is no text in UTF-8") from None
    return [line.strip() for line in text.splitlines() if line.strip()]


def _listed(path: Path) -> list[Any]:
    """Read ["cat", "dog"], {"0": "cat", "1": "dog"} or {"cat": 0, "dog": 1}."""
    facts = _json(path)
    if isinstance(facts, list):
        return facts
    if isinstance(facts, dict):
        pairs = [(key, value) if isinstance(value, str) else (value, key) for key, value in facts.items()]
        names = {str(number): name for number, name in pairs}
        if [*names] and set(names) == set(map(str, range(len(pairs)))):
            return [names[str(number)] for number in range(len(pairs))]
    raise DataError(f'{path} names no classes; expected ["cat", "dog"], {{"0": "cat"}} or {{"cat": 0}}')


def _features(path: Path) -> list[Any] | None:
    """Read what the library `datasets` writes of a label that is a class."""
    facts = _json(path)
    features = facts.get("features") if isinstance(facts, dict) else None
    for key in _KEYS:
        feature = features.get(key) if isinstance(features, dict) else None
        if isinstance(feature, dict) and isinstance(feature.get("names"), list):
            return list(feature["names"])
    return None


def _json(path: Path) -> Any:
    try:
        return strict_json.loads(bounded.read(path, MOST_NAMES_BYTES), MOST_NAMES_BYTES)
    except FileError as error:
        raise FileError(f"{path}: {error}") from None


_NAMES = {"classes.txt": _lines, "labels.json": _listed, "dataset_info.json": _features}


def _check_names(path: Path, names: list[Any]) -> None:
    wrong = [name for name in names if not isinstance(name, str) or not name.strip()]
    if wrong or not names:
        given = f"a class {str(wrong[0])[:50]!r}" if wrong else "no classes"
        raise DataError(f"{path} names {given}; expected one name for each class")
    if len(set(names)) < len(names):
        seen: set[str] = set()
        twice = next(name for name in names if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise DataError(f"{path} names the class {twice[:100]!r} twice")
