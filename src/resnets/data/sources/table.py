"""Table: a CSV, TSV or Parquet file with a row for each picture.

path,label,split,patient          the path from the table's folder, the class, train or test, and who belongs together
cat/1.jpg,cat,train,p17

Columns are known by their usual headings, in any case, or named by the reading. A class is a text or a whole number,
in natural order; several are a list, or a text parted by | or ;. Columns of numbers are named by the reading, or of a
floating-point type. A column of 0 and 1 for each class is not known as that: join them into one column first. Without
a column for the split it is made. In Parquet the pictures may lie in the table, as Hugging Face writes them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from resnets.data.dataset import DataSet, fingerprint_source
from resnets.data.errors import DataError
from resnets.data.names import Names
from resnets.data.reading import Reading
from resnets.data.source import FileSource, Groups, Source
from resnets.data.sources.arrow_source import ArrowSource, Pictures
from resnets.data.sources.parquet_rows import ParquetRows
from resnets.data.sources.table_columns import Use, find_columns
from resnets.data.sources.table_labels import Coded, Labelled, label_classes, label_numbers
from resnets.data.sources.table_parts import divide, side_masks
from resnets.data.sources.table_read import Gathered, gather
from resnets.data.sources.table_rows import Rows, TextRows, plain

KINDS: dict[str, Callable[[Path], Rows]] = {
    ".csv": TextRows,
    ".tsv": TextRows,
    ".parquet": ParquetRows,
    ".pq": ParquetRows,
}
"""Ending -> how a table is read."""

TRIED = 100
"""Pictures that are looked for; a table none of whose first ones is there is read from the wrong folder."""


def find_table(path: Path) -> bool:
    """Whether a path is a file that is read as a table."""
    return path.suffix.lower() in KINDS and path.is_file()


def read_table(path: Path, reading: Reading) -> DataSet:
    """Return the data set of a table.

    Raises `DataError`, naming the line or row, for a table that is not as the module says, and `FileError` where it
    cannot be read. A picture that is not there is a bad image later on; where none of the first is, the table is
    refused.
    """
    return read_rows(KINDS[path.suffix.lower()](path), reading)


def read_rows(rows: Rows, reading: Reading) -> DataSet:
    """Return the data set of a table, whatever its kind."""
    use = find_columns(rows, reading.columns)
    if use.label is not None and rows.is_float(use.label):
        use = replace(use, label=None, numbers=(use.label,))
    pictures = rows.pictures(use.path)
    gathered = gather(rows, use, reading.endings if pictures is None else None)
    if pictures is not None and len(pictures) != len(gathered.rows):
        raise DataError(f"{rows.name} is damaged: it has {len(gathered.rows):,} rows and {len(pictures):,} pictures")
    labelled = _labelled(rows, use, gathered, reading)
    group_names, groups = _groups(gathered.group)
    source = _source(rows, gathered, pictures, labelled, groups)
    parts = divide(source, labelled, gathered.split, use.group, reading)
    return DataSet(
        name=rows.name,
        classes=labelled.classes,
        train=parts.train,
        test=parts.test,
        fingerprint=fingerprint_source(labelled.classes, source, _sides(gathered.split)),
        notes=(*rows.notes, *labelled.notes, *parts.notes, *_notes(gathered, reading)),
        class_order=labelled.order,
        split=parts.split,
        group_names=group_names,
    )


def read_column(path: Path, column: str, reading: Reading) -> dict[str, str]:
    """Return what a column of a table says of each picture, by the name that the picture has in the data set.

    An empty cell says "". A whole number is a text as people write it, though pandas wrote 3 as 3.0 since another cell
    of the column is empty. Raises `DataError` where there is no such column, its cells are neither texts nor whole
    numbers, or a picture comes twice with other ones.
    """
    rows = KINDS[path.suffix.lower()](path)
    use = find_columns(rows, reading.columns)
    same = [heading for heading in rows.heading if heading == column]
    same = same or [heading for heading in rows.heading if plain(heading) == plain(column)]
    if len(same) != 1 or same[0] == use.path:
        why = "the paths in" if same == [use.path] else f"{len(same) or 'no'} columns called"
        raise DataError(f"{rows.name} has {why} {column!r}; its columns are {', '.join(map(repr, rows.heading))}")
    pictures = rows.pictures(use.path)
    said = Use(path=use.path, label=None, numbers=(), split=None, group=same[0])
    gathered = gather(rows, said, reading.endings if pictures is None else None)
    assert gathered.group is not None, "the column that was asked for"
    group = replace(gathered.group, values=[_whole(cell) for cell in gathered.group.values])
    unlabelled = np.zeros(len(gathered.rows), np.int64)
    source: Source
    if gathered.names is None:
        assert pictures is not None, "pictures without names are in the table"
        source = ArrowSource(pictures, gathered.rows, unlabelled, rows.folder, None)
    else:
        source = FileSource(gathered.names, unlabelled, rows.folder)
    texts = group.texts()
    return {source.name(row): texts[code] for row, code in enumerate(group.codes)}


def _whole(cell: object) -> object:
    return int(cell) if isinstance(cell, float) and cell.is_integer() else cell


def _labelled(rows: Rows, use: Use, gathered: Gathered, reading: Reading) -> Labelled:
    if gathered.numbers is not None:
        return label_numbers(use.numbers, gathered.numbers)
    assert gathered.label is not None, "columns are found with a class or with numbers"
    return label_classes(gathered.label, rows.class_names(gathered.label.column), reading)


def _groups(column: Coded | None) -> tuple[Names, Groups | None]:
    """Return the names of the groups, and each picture's group: (N,)."""
    if column is None:
        return Names(), None
    texts = column.texts()
    if "" in texts:
        raise column.wrong(texts.index(""), "is empty; give every picture one, or no column (--read group=)")
    numbers = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    return Names(numbers), np.array([numbers[text] for text in texts], np.int64)[column.codes]


def _source(
    rows: Rows, gathered: Gathered, pictures: Pictures | None, labelled: Labelled, groups: Groups | None
) -> Source:
    if gathered.names is None:
        assert pictures is not None, "pictures without names are in the table"
        return ArrowSource(pictures, gathered.rows, labelled.labels, rows.folder, groups)
    source = FileSource(gathered.names, labelled.labels, rows.folder, groups)
    tried = [source.name(index) for index in range(min(TRIED, len(source)))]
    if not any(map(os.path.isfile, tried)):
        raise DataError(
            f"none of the first {len(tried)} pictures of {rows.name} is there, not even {tried[0]}; "
            f"a path starts at the table's folder, {rows.folder or '.'}, or is absolute"
        )
    return source


def _sides(column: Coded | None) -> bytes:
    """Return which picture is on which side, as a fingerprint takes it."""
    return b"" if column is None else b"".join(np.packbits(mask).tobytes() for mask in side_masks(column).values())


def _notes(gathered: Gathered, reading: Reading) -> tuple[str, ...]:
    """Return what was left out, and what files a preprocess that reads only the reading's formats will refuse."""
    notes: tuple[str, ...] = ()
    if gathered.repeats:
        notes = (f"{gathered.repeats:,} rows say again what an earlier row says; each picture is read once.",)
    if gathered.others:
        notes += (f"{gathered.others:,} paths do not end in {', '.join(reading.endings)}.",)
    return notes
