"""Split file: which picture a run trained on and which it tested on, as a CSV of names, written once and checked."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterator
from pathlib import Path

from resnets.data.dataset import DataSet
from resnets.data.errors import DataError
from resnets.data.names import Names
from resnets.data.source import Source
from resnets.files import atomic
from resnets.files.byte_ranges import opened

HEADING = ("name", "split")
MAX_LINE = 1 << 16  # characters of a name: a path has at most 4,096


def write_split(dataset: DataSet, path: str | Path) -> None:
    """Write a line for each picture, those to train on first, in their order: its name, and train or test.

    The name of a file is its path from where the data set starts, so that the data may move. The whole file or none is
    written; raises what `atomic.write` raises.
    """
    with atomic.replacing(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", errors="surrogateescape", newline="")
        writer = csv.writer(text)
        writer.writerow(HEADING)
        writer.writerows(_rows(dataset))
        text.flush()
        text.detach()


def split_difference(dataset: DataSet, path: str | Path) -> str | None:
    """Return the first place where a data set is not split as a file says, in words; None where it is.

    The order counts too: a run that goes on has to meet the same pictures. Line by line, so that a million names take
    no memory. Raises `DataError` or `FileError` where the file is no split.
    """
    with opened(Path(path)) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", errors="surrogateescape", newline="")
        try:
            saved = csv.reader(_lines(text, path), strict=True)
            if tuple(next(saved, ())) != HEADING:
                raise DataError(f"{path} is no split: its first line is not {','.join(HEADING)}")
            for number, (given, kept) in enumerate(itertools.zip_longest(_rows(dataset), saved), start=1):
                if kept is not None and len(kept) != 2:
                    raise DataError(f"{path} is no split: picture {number:,} has {len(kept)} cells, not 2")
                if given is None or kept is None or given != tuple(kept):
                    return f"picture {number:,} is {_said(given)}, and was {_said(kept)}"
        except csv.Error as error:
            raise DataError(f"{path} is no split: {error}") from None
        finally:
            text.detach()
    return None


def _rows(dataset: DataSet) -> Iterator[tuple[str, str]]:
    for side, source in (("train", dataset.train), ("test", dataset.test)):
        if source is not None:
            yield from ((_name(source, index), side) for index in range(len(source)))


def _name(source: Source, index: int) -> str:
    names = getattr(source, "names", None)  # of files and members of archives; others have names made of numbers
    return names[index] if isinstance(names, Names) else source.name(index)


def _said(row: object) -> str:
    match row:
        case [name, side]:
            return f"{name} to {side} on"
        case _:
            return "not there"


def _lines(text: io.TextIOWrapper, path: str | Path) -> Iterator[str]:
    while line := text.readline(MAX_LINE):
        if len(line) == MAX_LINE:
            raise DataError(f"{path} is no split: a line has more than {MAX_LINE:,} characters")
        yield line
