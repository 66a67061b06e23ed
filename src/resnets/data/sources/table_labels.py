"""Table labels: from the cells of a column to classes and labels."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from resnets.data.errors import DataError
from resnets.data.natural import class_sorted
from resnets.data.reading import Reading
from resnets.data.source import Labels
from resnets.data.sources.table_columns import SEVERAL
from resnets.data.sources.table_rows import MAX_CELL, plain
from resnets.files import strict_json
from resnets.files.errors import FileError

SEPARATORS = "|;"
"""What parts several classes in one cell; a table uses one of them."""

LIST = re.compile(r"\s*\[\s*[\"'\d\]]")
"""How a text begins that is meant as a list of classes."""

MAX_CLASSES = 1_000_000
MAX_FLAGS = 4 << 30  # bytes of (pictures, classes) bool


@dataclass(frozen=True, eq=False, slots=True)
class Coded:
    """A column as its distinct cells, in the order in which they come, and which of them each row has: (N,)."""

    column: str
    values: Sequence[object]
    codes: npt.NDArray[np.int64]
    where: Callable[[int], str]

    def wrong(self, code: int, reason: str) -> DataError:
        """Return the error that names the first row with a cell."""
        row = int(np.flatnonzero(self.codes == code)[0])
        return DataError(f"{self.where(row)}: {self.column} {reason}")

    def texts(self) -> list[str]:
        """Return the distinct cells as texts without white space around them; an empty one is ""."""
        return [self.text(code, cell) for code, cell in enumerate(self.values)]

    def text(self, code: int, cell: object) -> str:
        """Return one cell, or part of one, as a text."""
        if cell is None:
            return ""
        if not isinstance(cell, str | int):
            raise self.wrong(code, f"holds a {type(cell).__name__}; allowed: a text or a whole number")
        text = str(cell).strip()
        if len(text) > MAX_CELL:
            raise self.wrong(code, f"has {len(text):,} characters; at most {MAX_CELL:,} are read")
        return text


@dataclass(frozen=True, eq=False, slots=True)
class Labelled:
    """What the pictures of a table are."""

    classes: tuple[str, ...]
    labels: Labels
    order: str = "given"
    notes: tuple[str, ...] = ()


def label_classes(cells: Coded, names: tuple[str, ...] | None, reading: Reading) -> Labelled:
    """Return the classes of a column, and each row's.

    With `names` the cells are numbers of classes (-1 is none), and the classes keep that order. Otherwise they are
    texts, or whole numbers taken as texts, in the reading's order. Several to a picture are a list in the cell
    (in a text, as JSON has it), or parted by | or ;. A row without a class is refused, unless other rows have several,
    or the heading is in the plural and some row is empty. Raises `DataError`, naming the row.
    """
    parts, parted = _parts(cells)
    if names is not None:
        parts = [tuple(_class_name(cells, code, part, names) for part in several) for code, several in enumerate(parts)]
    lists = any(isinstance(value, tuple) or LIST.match(str(value)) for value in cells.values)
    several = lists or bool(parted) or (plain(cells.column) in SEVERAL and any(not each for each in parts))
    for code, each in enumerate(parts):
        if not several and not any(each):
            raise cells.wrong(code, "is empty: the picture has no class; give it one, or leave its row out")
    there = {name for each in parts for name in each}
    classes = names if names is not None else _ordered(there, reading)
    if len(classes) < (1 if several else 2) or len(classes) > MAX_CLASSES:
        raise DataError(f"the column {cells.column!r} holds {len(classes):,} classes; expected two or more")
    unused = [name for name in classes if name not in there and name not in reading.empty_classes]
    notes = (f"No picture of {', '.join(unused[:10])}{' ...' * (len(unused) > 10)}.",) if unused else ()
    numbers = {name: number for number, name in enumerate(classes)}
    if several:
        how = f"parted by {parted}" if parted else "in a list" if lists else "and some have none"
        notes = (f"Several classes to a picture: the cells of {cells.column!r} are {how}.", *notes)
        if parted is None and not lists:
            notes = (f"Pictures without a class: some cells of {cells.column!r} are empty.", *notes[1:])
    labels = _flags(cells, parts, numbers) if several else _single(cells, parts, numbers)
    return Labelled(classes, labels, "given" if names is not None else reading.class_order, notes)


def label_numbers(columns: Sequence[str], rows: npt.NDArray[np.float32]) -> Labelled:
    """Return the labels of columns of numbers, (N, K) float32; the classes are what the columns are called."""
    return Labelled(tuple(columns), rows)


def number(cell: object) -> float:
    """Return the number in a cell as float32 has it; raise `ValueError` for one that is none, or not finite."""
    if isinstance(cell, str) and "_" not in cell:
        cell = float(cell)
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        raise ValueError("no number")
    with np.errstate(over="ignore"):
        value = float(np.float32(cell))
    if not np.isfinite(value):
        raise ValueError("not finite")
    return value


def _parts(cells: Coded) -> tuple[list[tuple[str, ...]], str | None]:
    """Return the classes in each distinct cell, and what parts them where they are texts."""
    if any(isinstance(value, tuple) for value in cells.values):
        lists = [value if isinstance(value, tuple) else () for value in cells.values]
        texts = [[cells.text(code, part) for part in parts] for code, parts in enumerate(lists)]
        return [tuple(filter(None, each)) for each in texts], None
    singles = cells.texts()
    if any(LIST.match(text) for text in singles):
        return [_list(cells, code, text) for code, text in enumerate(singles)], None
    used = [mark for mark in SEPARATORS if any(mark in text for text in singles)]
    if len(used) == 2:
        code = next(code for code, text in enumerate(singles) if ";" in text)
        raise cells.wrong(code, "is parted by ; and others are parted by |; part all of them by one")
    mark = used[0] if used else None
    split = [tuple(part.strip() for part in text.split(mark)) if mark else (text,) for text in singles]
    return [tuple(filter(None, each)) for each in split], mark


def _list(cells: Coded, code: int, text: str) -> tuple[str, ...]:
    """Return the classes of a list that is written as a text."""
    if not text:
        return ()
    try:
        found = strict_json.loads(text.encode("utf-8", "surrogateescape"), MAX_CELL * 4)
    except FileError:
        found = None
    if not isinstance(found, list) or not all(type(name) in (str, int) for name in found):
        raise cells.wrong(
            code, f'is {text[:40]!r}, and others are lists; write each as JSON has it, ["cat", "dog"], or as cat|dog'
        )
    return tuple(name for name in (str(part).strip() for part in found) if name)


def _class_name(cells: Coded, code: int, part: str, names: tuple[str, ...]) -> str:
    if part == "-1":
        return ""
    if not part.isdecimal() or not part.isascii() or len(part) > 9 or int(part) >= len(names):
        raise cells.wrong(code, f"is {part[:40]!r}; the classes have the numbers 0 to {len(names) - 1}")
    return names[int(part)]


def _ordered(names: set[str], reading: Reading) -> tuple[str, ...]:
    wanted = names.union(reading.empty_classes)
    return tuple(class_sorted(wanted, reading.class_order))


def _single(cells: Coded, parts: list[tuple[str, ...]], numbers: dict[str, int]) -> Labels:
    return np.array([numbers[each[0]] for each in parts], np.int64)[cells.codes]


def _flags(cells: Coded, parts: list[tuple[str, ...]], numbers: dict[str, int]) -> Labels:
    if len(cells.codes) * len(numbers) > MAX_FLAGS:
        raise DataError(f"{len(cells.codes):,} pictures of {len(numbers):,} classes, several to each, are too many")
    flags = np.zeros((len(parts), len(numbers)), bool)
    for code, each in enumerate(parts):
        flags[code, [numbers[name] for name in each if name]] = True
    return flags[cells.codes]
