"""Table read: the columns of a table gathered into arrays, and what the same picture twice means."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from resnets.data.errors import DataError
from resnets.data.names import Names
from resnets.data.sources.table_columns import Use
from resnets.data.sources.table_labels import Coded, number
from resnets.data.sources.table_rows import MAX_CELL, MAX_ROWS, Rows


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Gathered:
    """What a table says of each of its N pictures."""

    names: Names | None  # None: the pictures are in the table
    label: Coded | None
    numbers: npt.NDArray[np.float32] | None  # (N, K)
    split: Coded | None
    group: Coded | None
    rows: npt.NDArray[np.int64]  # which row of the table each is
    others: int = 0  # rows whose path has an ending that is not read
    repeats: int = 0  # rows that said again what another said

    def take(self, indices: npt.NDArray[np.int64], repeats: int) -> Gathered:
        """Return what the table says of these pictures."""

        def of(column: Coded | None) -> Coded | None:
            return None if column is None else replace(column, codes=column.codes[indices])

        return replace(
            self,
            names=None if self.names is None else self.names.take(indices),
            label=of(self.label),
            numbers=None if self.numbers is None else self.numbers[indices],
            split=of(self.split),
            group=of(self.group),
            rows=self.rows[indices],
            repeats=repeats,
        )


def gather(rows: Rows, use: Use, endings: tuple[str, ...] | None) -> Gathered:
    """Return the columns of a table, each picture once.

    `endings` are those of files that are pictures; None where the pictures are in the table. Raises `DataError`, naming
    the row, for a path that is empty or impossible, a number that is none, too many rows, and a path that comes twice
    and not with the same words.
    """
    columns = [column for column in use.read if endings or column != use.path]
    place = {column: index for index, column in enumerate(columns)}
    coders = {role: _Coder(column) for role, column in _coded(use) if column is not None}
    numbers, keys = array("f"), array("q")
    counted = others = 0

    def walk() -> Iterator[str]:
        nonlocal counted, others
        columned = [(coder, place[coder.column]) for coder in coders.values()]
        figures = [place[column] for column in use.numbers]
        at = place.get(use.path)
        for cells in rows.cells(columns):
            counted += 1
            if counted > MAX_ROWS:
                raise DataError(f"{rows.name} has more than {MAX_ROWS:,} rows; give it in parts")
            for coder, index in columned:
                coder.add(cells[index])
            for index in figures:
                numbers.append(_number(rows, counted - 1, columns[index], cells[index]))
            if at is not None:
                path = _path(rows, counted - 1, cells[at])
                keys.append(hash(_one_way(path)))
                others += not path.lower().endswith(endings or ())
                yield path

    if endings:
        names: Names | None = Names(walk())
    else:
        names = None
        for _ in walk():
            pass
    if not counted:
        raise DataError(f"{rows.name} has headings and no rows; expected a row for each picture")
    coded = {role: coders[role].coded(rows) if role in coders else None for role, _ in _coded(use)}
    gathered = Gathered(
        names=names,
        label=coded["label"],
        split=coded["split"],
        group=coded["group"],
        numbers=np.array(numbers, np.float32).reshape(counted, -1) if use.numbers else None,
        rows=np.arange(counted),
        others=others,
    )
    return gathered if names is None else _once(gathered, names, np.array(keys, np.int64), rows)


def _coded(use: Use) -> tuple[tuple[str, str | None], ...]:
    return (("label", use.label), ("split", use.split), ("group", use.group))


class _Coder:
    """Gives each distinct cell a number."""

    def __init__(self, column: str) -> None:
        self.column, self._seen, self._codes = column, dict[object, int](), array("q")

    def add(self, cell: object) -> None:
        self._codes.append(self._seen.setdefault(cell, len(self._seen)))

    def coded(self, rows: Rows) -> Coded:
        return Coded(self.column, list(self._seen), np.array(self._codes, np.int64), rows.where)


def _number(rows: Rows, row: int, column: str, cell: object) -> float:
    try:
        return number(cell)
    except ValueError:
        shown = "empty" if cell in (None, "") else repr(cell)[:40]
        raise DataError(f"{rows.where(row)}: {column} is {shown}; expected a finite number") from None


def _path(rows: Rows, row: int, cell: object) -> str:
    if not isinstance(cell, str) or not cell or len(cell) > MAX_CELL or "\0" in cell:
        shown = "empty" if cell in (None, "") else repr(cell)[:40]
        raise DataError(f"{rows.where(row)}: the path is {shown}; expected one of 1 to {MAX_CELL:,} characters")
    return cell


def _one_way(path: str) -> str:
    """Return a path in the one way of writing it: "./a//b" is "a/b"."""
    return os.path.normpath(path) if "./" in path or "//" in path else path


def _once(gathered: Gathered, names: Names, keys: npt.NDArray[np.int64], rows: Rows) -> Gathered:
    """Return the pictures without the rows that say again what an earlier row said."""
    order = np.argsort(keys, kind="stable")
    same = keys[order][1:] == keys[order][:-1]
    keep = np.ones(len(keys), bool)
    run: dict[str, int] = {}  # first row of each path of one key: different paths hardly ever share one
    for place in np.flatnonzero(same).tolist():
        first, again = int(order[place]), int(order[place + 1])
        if not place or not same[place - 1]:
            run = {_one_way(names[first]): first}
        earlier = run.setdefault(_one_way(names[again]), again)
        if earlier != again:
            _check_same(gathered, names, earlier, again, rows)
            keep[again] = False
    repeats = int((~keep).sum())
    return gathered.take(np.flatnonzero(keep), repeats) if repeats else gathered


def _check_same(gathered: Gathered, names: Names, first: int, again: int, rows: Rows) -> None:
    columns: Sequence[Coded | None] = (gathered.label, gathered.split, gathered.group)
    for column in columns:
        if column is not None and column.codes[first] != column.codes[again]:
            one, other = (column.values[column.codes[row]] for row in (first, again))
            raise DataError(
                f"{names[again]} comes twice, with {column.column} {one!r} ({rows.where(first)}) and {other!r} "
                f"({rows.where(again)}); keep one of the two rows"
            )
    if gathered.numbers is not None and not np.array_equal(gathered.numbers[first], gathered.numbers[again]):
        raise DataError(
            f"{names[again]} comes twice, with other numbers ({rows.where(first)} and {rows.where(again)}); "
            "keep one of the two rows"
        )
