"""Log: the records of a run as lines of JSON, and numbers of a fixed length row by row beside them."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.float32]
"""(N, ...): the numbers of N records."""

LONGEST_LINE = 1 << 26
"""Bytes of a record; twenty thousand named classes are 2 million."""

MOST_BYTES = 1 << 24
"""Of rows that are read at a time."""

MOST_RECORDS = 4096
"""That are read at a time."""


@dataclass(frozen=True, slots=True)
class Log:
    """The records of a run on the disk; `row` is the shape of the numbers that belong to each, None where none do."""

    path: Path
    row: tuple[int, ...] | None = None

    @property
    def rows_path(self) -> Path:
        """Where the numbers are: float32, little-endian, row after row."""
        return self.path.with_name(self.path.name.removesuffix(".part") + ".rows.part")

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return 0 if self.row is None else 4 * prod(self.row)

    def whole(self) -> Iterator[tuple[dict[str, Any], int]]:
        """Yield each whole record and the byte where it ends, up to the first that is torn or is none."""
        end = 0
        with self.path.open("rb") as file:
            while (line := file.readline(LONGEST_LINE)).endswith(b"\n"):
                try:
                    record = json.loads(line)
                except (ValueError, RecursionError):
                    return
                if not isinstance(record, dict) or not isinstance(record.get("path"), str):
                    return
                end += len(line)
                yield record, end

    def blocks(self) -> Iterator[tuple[list[dict[str, Any]], Rows | None]]:
        """Yield the records and their rows, as many at a time as fit in a little memory."""
        count = max(1, min(MOST_RECORDS, MOST_BYTES // max(1, self.row_bytes)))
        records = (record for record, _ in self.whole())
        with contextlib.ExitStack() as stack:
            file = None if self.row is None else stack.enter_context(self.rows_path.open("rb"))
            while some := list(itertools.islice(records, count)):
                yield some, None if file is None else self._rows(file, len(some))

    def _rows(self, file: BinaryIO, count: int) -> Rows:
        assert self.row is not None
        found = np.frombuffer(file.read(count * self.row_bytes), "<f4")
        return found.reshape(count, *self.row).astype(np.float32, copy=False)


def line(record: Mapping[str, Any]) -> bytes:
    """Return a record as a line; half surrogates, as file names may hold, become escapes that JSON reads back."""
    return (json.dumps(record, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")


def lock(file: BinaryIO) -> bool:
    """Take a file for this process until it is closed; True, too, where the system or its disk has no locks.

    The system gives the lock back when its holder ends, even when it is killed.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
