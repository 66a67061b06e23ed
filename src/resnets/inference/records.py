"""Records: what is said of each picture of a list, kept on the disk as it comes, and continued after a kill.

While a run is under way its records are in a log. For JSON lines the log is the file itself; for other formats it is
FILE.part, and FILE appears at once when all is there. FILE.run.json says what run it is, so that no other continues it.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from resnets.files import atomic
from resnets.files.errors import FileError
from resnets.inference.records_log import Log, Rows, line, lock

Batch = tuple[Sequence[Mapping[str, Any]], Rows | None]
"""Records that stand one after the other, and a row of numbers for each of them, where there are any."""

Answer = Callable[[Iterator[Path]], Iterator[Batch]]
"""Paths to the records of each batch of them, in order."""

Finish = Callable[[Log, BinaryIO], None]
"""Writes the finished file of a log."""

SCHEMA = 1
"""Of the log and of FILE.run.json."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a run left: a file that tells of so many pictures; some may be unreadable, some have been there before."""

    path: Path
    pictures: int
    unreadable: int
    kept: int

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        counts = {"pictures": self.pictures, "unreadable": self.unreadable, "kept": self.kept}
        return {"out": str(self.path), **counts}


def keep(
    paths: Iterable[str | Path],
    answer: Answer,
    out: str | Path,
    *,
    made_by: Mapping[str, Any],
    batch_size: int,
    row: tuple[int, ...] | None = None,
    finish: Finish | None = None,
) -> Written:
    """Write what `answer` yields for `paths` to `out`, going on where an earlier run was stopped.

    `answer` yields the records of each `batch_size` paths; with `row`, that shape of numbers for each. `finish` makes
    the file of the log, and None keeps the log as the file. `made_by` is plain data: all that the records depend on
    besides the pictures. A run that goes on begins with the batch in which it was stopped, so that its file is an
    uninterrupted run's to the last byte. A whole file of the same run is left as it is.

    Raises `ValueError` where `out` is of another run, of another list, or of nobody knows whom, `FileError` where it
    cannot be written, and `OSError` when the disk refuses; what is there by then is kept.
    """
    out = Path(out)
    if not out.parent.is_dir():
        raise FileError(f"cannot write {out}: there is no folder {out.parent}; make it first: mkdir -p {out.parent}")
    made_by = json.loads(json.dumps({"schema": SCHEMA, **made_by, "batch_size": batch_size}))
    run = _Run(out, made_by, row, finish)
    listed = map(Path, paths)
    done = run.finished(listed)
    if done is not None:
        return done
    with run.opened() as lines:
        return run.go_on(lines, listed, answer, batch_size)


@dataclass(slots=True)
class _Seen:
    """The pictures of a run so far."""

    pictures: int = 0
    unreadable: int = 0
    digest: Any = field(default_factory=hashlib.sha256)

    def add(self, path: str, is_bad: bool) -> None:
        self.pictures += 1
        self.unreadable += is_bad
        self.digest.update(os.fsencode(path) + b"\0")

    def to_dict(self) -> dict[str, Any]:
        return {"pictures": self.pictures, "unreadable": self.unreadable, "paths_sha256": self.digest.hexdigest()}


class _Run:
    """A file that is being written, its log, and the note on both."""

    def __init__(
        self, out: Path, made_by: Mapping[str, Any], row: tuple[int, ...] | None, finish: Finish | None
    ) -> None:
        self.out, self.made_by, self.finish = out, made_by, finish
        self.log = Log(out if finish is None else out.with_name(f"{out.name}.part"), row)
        self.note = out.with_name(f"{out.name}.run.json")
        self.told = self._told()

    def finished(self, paths: Iterator[Path]) -> Written | None:
        """Return what the file is where it is whole already; None where there is something to do."""
        if self.told is None or "seen" not in self.told or not self.out.exists():
            return None
        now = _Seen()
        for path in paths:
            now.add(str(path), False)
        then = self.told["seen"]
        if now.digest.hexdigest() != then["paths_sha256"]:
            raise ValueError(
                f"{self.out} is whole, and of another list: of {then['pictures']:,} pictures, where there are "
                f"{now.pictures:,} now; remove it to begin anew, or give another --out"
            )
        self._remove_log()
        return Written(self.out, now.pictures, then["unreadable"], now.pictures)

    @contextlib.contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """Open the log for this process alone, with the note beside it."""
        with self.log.path.open("ab") as lines:
            if not lock(lines):
                raise ValueError(f"another process is writing {self.out}; wait for it, or give another --out")
            self.told = self._told()
            if self.finish is not None and self.told is not None and "seen" in self.told:
                lines.truncate(0)  # what is left of a run whose file has been removed since
            atomic.write(self.note, line({"made_by": self.made_by}))
            yield lines

    def go_on(self, lines: BinaryIO, paths: Iterator[Path], answer: Answer, batch_size: int) -> Written:
        """Write what is not there yet."""
        seen = _Seen()
        again = self._cut(paths, seen, batch_size)
        kept, skip = seen.pictures, len(again)
        with contextlib.ExitStack() as stack:
            rows = None if self.log.row is None else stack.enter_context(self.log.rows_path.open("ab"))
            batches = answer(itertools.chain(again, paths))
            if hasattr(batches, "close"):
                stack.callback(batches.close)  # its threads end now, and not when it is collected
            for records, numbers in batches:
                if rows is not None:  # first, so that there is a row wherever there is a line
                    assert numbers is not None and numbers.shape[1:] == self.log.row, numbers
                    rows.write(np.ascontiguousarray(numbers[skip:], "<f4").data)
                    rows.flush()
                for record in records[skip:]:
                    lines.write(line(record))
                    seen.add(record["path"], "error" in record)
                lines.flush()
                skip = 0
        os.fsync(lines.fileno())
        if self.finish is not None:
            with atomic.replacing(self.out) as file:
                self.finish(self.log, file)
        atomic.write(self.note, line({"made_by": self.made_by, "seen": seen.to_dict()}))
        self._remove_log()
        return Written(self.out, seen.pictures, seen.unreadable, kept)

    def _cut(self, paths: Iterator[Path], seen: _Seen, batch_size: int) -> list[Path]:
        """Leave whole records in the log; return those paths whose batch is not whole."""
        row_bytes, rows = self.log.row_bytes, self.log.rows_path
        most = rows.stat().st_size // row_bytes if row_bytes and rows.exists() else 0
        last: deque[Path] = deque(maxlen=batch_size)
        end = 0
        for record, after in self.log.whole():
            if self.log.row is not None and seen.pictures == most:
                break
            path = next(paths, None)
            if path is None or str(path) != record["path"]:
                now = "the list ends before it now" if path is None else f"it is {path} now"
                raise ValueError(
                    f"{self.log.path} comes of another list: picture {seen.pictures + 1:,} was {record['path']}, and "
                    f"{now}; remove it to begin anew, or give another --out"
                )
            seen.add(record["path"], "error" in record)
            last.append(path)
            end = after
        os.truncate(self.log.path, end)
        if self.log.row is not None and rows.exists():
            os.truncate(rows, seen.pictures * row_bytes)
        partly = seen.pictures % batch_size
        return list(last)[-partly:] if partly else []

    def _told(self) -> dict[str, Any] | None:
        """What the note says of what is there, or None where nothing is; refuse what is not this run's."""
        there = [path for path in (self.out, self.log.path) if path.exists() and path.stat().st_size]
        if not there:
            return None
        if not self.note.exists():
            raise ValueError(
                f"{there[0]} is there already, and no {self.note.name} beside it says what made it, so that it could "
                "be continued; remove it, or give another --out"
            )
        try:
            told = json.loads(self.note.read_bytes())
            then = told["made_by"]
            names = sorted({*then, *self.made_by})
        except (ValueError, TypeError, KeyError):
            raise ValueError(f"{self.note} is no note of a run; remove it and {there[0]}") from None
        others = [name for name in names if then.get(name) != self.made_by.get(name)]
        if others:
            differences = ", ".join(f"{name} {then.get(name)} then and {self.made_by.get(name)} now" for name in others)
            raise ValueError(
                f"{there[0]} comes of another run: {differences}; remove it to begin anew, or give another --out"
            )
        return dict(told)

    def _remove_log(self) -> None:
        if self.finish is not None:
            for path in (self.log.path, self.log.rows_path):
                path.unlink(missing_ok=True)
