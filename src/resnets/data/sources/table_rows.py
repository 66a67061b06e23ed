"""Table rows: what every table is read as, and CSV and TSV files as that."""

from __future__ import annotations

import csv
import io
import re
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, TextIO

from resnets.data.errors import DataError
from resnets.data.sources.arrow_source import Pictures
from resnets.files.byte_ranges import opened

MAX_ROWS = 10_000_000
MAX_LINE = 1 << 20  # characters of a line of text
MAX_CELL = 4_096  # characters of a path, a class or a group: as long as a path may be


MARKS = ",;\t"
"""What may part the cells of a row; the one that parts the headings into most."""


class Rows(Protocol):
    """A table: columns by their headings, rows one after the other."""

    name: str  # of the data set
    folder: str  # where relative paths start
    heading: tuple[str, ...]
    notes: tuple[str, ...]  # what was left out before a row was read

    def cells(self, columns: Sequence[str]) -> Iterator[Sequence[object]]:
        """Yield the cells of these columns, row by row; None and "" are empty, a tuple holds several."""

    def where(self, row: int) -> str:
        """Return what to call a row that was read, counted from 0: "labels.csv, line 3"."""

    def hints(self, role: str) -> tuple[str, ...]:
        """Return the columns that are made for a role ("path", "label") by their type, whatever they are called."""

    def class_names(self, column: str) -> tuple[str, ...] | None:
        """Return the names of a column's classes where its cells are their numbers."""

    def is_float(self, column: str) -> bool:
        """Whether a column's type says that it holds numbers that are not whole."""

    def pictures(self, column: str) -> Pictures | None:
        """Return the pictures that a column itself holds, or None where it holds paths."""


class TextRows:
    """A CSV or TSV file in UTF-8: a line of headings, then a line for each picture.

    Cells are parted by commas, semicolons or tabs, whichever gives the first line the most columns. Lines with nothing
    in them are not looked at. Raises `DataError`, naming the line, for what is no such file.
    """

    notes: tuple[str, ...] = ()

    def __init__(self, path: Path) -> None:
        self.path, self.name, self.folder = path, path.stem, str(path.parent)
        self._lines = array("q")
        with self._reading() as (file, first):
            del file
            self.delimiter, self.heading = first

    def cells(self, columns: Sequence[str]) -> Iterator[Sequence[object]]:
        """Yield the cells of these columns, row by row."""
        places = [self.heading.index(column) for column in columns]
        with self._reading() as (file, _):
            reader = csv.reader(_lines(file), delimiter=self.delimiter, strict=True)
            for cells in self._rows(reader):
                yield [cells[place] for place in places]

    def where(self, row: int) -> str:
        """Return "labels.csv, line 3": the line that the row ends on."""
        return f"{self.path}, line {self._lines[row]}"

    def hints(self, role: str) -> tuple[str, ...]:
        """Return nothing: a text has no types."""
        return ()

    def class_names(self, column: str) -> None:
        """Return None: a text has no types."""

    def is_float(self, column: str) -> bool:
        """Return False: a text has no types."""
        return False

    def pictures(self, column: str) -> None:
        """Return None: a text holds paths."""

    def _rows(self, reader: Any) -> Iterator[list[str]]:
        self._lines = array("q")
        try:
            for cells in reader:
                if not any(cells):
                    continue
                self._lines.append(reader.line_num + 1)
                if len(cells) != len(self.heading):
                    raise DataError(
                        f"{self.where(-1)} has {len(cells)} cells, and the first line has {len(self.heading)}; "
                        "put a cell that has a comma in it in double quotes"
                    )
                yield cells
        except csv.Error as error:
            raise DataError(f"{self.path}, line {reader.line_num + 1} is no CSV: {error}") from None
        except _Encoding as error:
            raise error.of(self.path, len(self._lines)) from None

    def _reading(self) -> _Reading:
        return _Reading(self.path)


class _Reading:
    """A text file opened behind its line of headings, with what that says."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._opened = opened(path)

    def __enter__(self) -> tuple[TextIO, tuple[str, tuple[str, ...]]]:
        # The -sig takes away the mark that Excel puts before UTF-8.
        self._file = io.TextIOWrapper(self._opened.__enter__(), encoding="utf-8-sig", newline="")
        try:
            first = next(_lines(self._file), "")
            return self._file, self._heading(first)
        except _Encoding as error:
            self.__exit__(None, None, None)
            raise error.of(self.path, 0) from None
        except BaseException:
            self.__exit__(None, None, None)
            raise

    def __exit__(self, *error: Any) -> None:
        self._file.detach()
        self._opened.__exit__(None, None, None)

    def _heading(self, line: str) -> tuple[str, tuple[str, ...]]:
        if "\0" in line:
            raise DataError(f"{self.path} is no text; give a CSV file in UTF-8")
        parted: list[tuple[str, list[str]]] = []
        wrong = ""
        for mark in MARKS:
            try:
                parted.append((mark, next(csv.reader([line], delimiter=mark, strict=True), [])))
            except csv.Error as error:  # a heading in quotes is one only with the mark that parts it
                wrong = wrong or str(error)
        if not parted:
            raise DataError(f"{self.path}, line 1 is no CSV: {wrong}")
        mark, cells = max(parted, key=lambda each: len(each[1]))
        if not any(cells):
            raise DataError(f"{self.path} has no headings; its first line names the columns, such as path,label")
        return mark, tuple(cell.strip() for cell in cells)


class _Encoding(Exception):
    """A text is no UTF-8, or one line of it has no end."""

    def of(self, path: Path, rows: int) -> DataError:
        return DataError(f"{path}, after {rows:,} rows: {self}")


def _lines(file: TextIO) -> Iterator[str]:
    """Yield the lines of a text, each of at most `MAX_LINE` characters."""
    try:
        while line := file.readline(MAX_LINE):
            if len(line) == MAX_LINE:
                raise _Encoding(f"a line has more than {MAX_LINE:,} characters; is it a table?")
            yield line
    except UnicodeDecodeError as error:
        odd = error.object[error.start : error.start + 1].hex()
        raise _Encoding(f"byte {odd} is not UTF-8; save the table as UTF-8 (in Excel: CSV UTF-8)") from None


def plain(heading: str) -> str:
    """Return a heading as it is compared with usual ones: "Image Path" is "image_path"."""
    return re.sub(r"[\s\-_]+", "_", heading.strip().lower())
