"""Cache: the facts of files that were looked at before, by path, size and time of change.

It only saves time: a cache that is damaged is made again, one that is locked or cannot be written is not
used, and both are said in `notes`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL

from resnets.data.check.facts import FACTS, VERSION
from resnets.spec.preprocess import Preprocess

Stamp = tuple[int, int]
"""Bytes of a file, and when it was changed in nanoseconds."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (
    path BLOB NOT NULL, policy BLOB NOT NULL, size INTEGER NOT NULL, changed INTEGER NOT NULL,
    row BLOB NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (path, policy)
) WITHOUT ROWID
"""
_TOGETHER = 500  # paths in one question; SQLite's default limit was 999 once
_PATIENCE = 2.0  # seconds to wait for another run that writes
_POLICY_FIELDS = ("exif", "alpha", "formats", "sixteen_bit", "profile", "frame", "colour")
_LOCKED = ("locked", "busy", "readonly", "unable to open")


def cache_file() -> Path:
    """Return where the facts are kept: RESNETS_CACHE, else XDG_CACHE_HOME/resnets, else ~/.cache/resnets."""
    if os.environ.get("RESNETS_CACHE"):
        return Path(os.environ["RESNETS_CACHE"]).expanduser() / "check.sqlite"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "resnets" / "check.sqlite"


def stamp(path: str) -> Stamp | None:
    """Return a file's size and time of change; None where it has none, and so is not kept."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


class Cache:
    """The facts kept for one policy. Nothing it does raises an error of the database or the disk."""

    def __init__(self, path: Path | None, policy: Preprocess) -> None:
        self.notes: list[str] = []
        self._policy = _policy_key(policy)
        self._path = path
        self._base: sqlite3.Connection | None = None
        if path is not None:
            self._guarded(self._open)

    def find(self, stamps: Mapping[str, Stamp]) -> dict[str, tuple[npt.NDArray[Any], str]]:
        """Return the row of `FACTS` and the reason of those files that are kept with that very stamp."""
        found: dict[str, tuple[npt.NDArray[Any], str]] = {}
        self._guarded(lambda: self._find(stamps, found))
        return found

    def keep(self, entries: Iterable[tuple[str, Stamp, npt.NDArray[Any], str]]) -> None:
        """Keep the facts of some files: path, stamp, row and reason."""
        rows = [
            (os.fsencode(path), self._policy, *when, row.tobytes(), reason.encode("utf-8", "replace").decode())
            for path, when, row, reason in entries
        ]
        self._guarded(lambda: self._write(rows))

    def close(self) -> None:
        """Let go of the file."""
        if self._base is not None:
            with contextlib.suppress(sqlite3.Error):
                self._base.close()
            self._base = None

    def _open(self) -> None:
        assert self._path is not None
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._base = sqlite3.connect(self._path, timeout=_PATIENCE)
        (version,) = self._base.execute("PRAGMA user_version").fetchone()
        if version != VERSION:
            self._base.execute("DROP TABLE IF EXISTS facts")
            self._base.execute(f"PRAGMA user_version = {VERSION}")
        self._base.execute(_SCHEMA)
        self._base.execute("PRAGMA synchronous = OFF")  # what a power cut takes is looked at again
        self._base.commit()

    def _find(self, stamps: Mapping[str, Stamp], found: dict[str, tuple[npt.NDArray[Any], str]]) -> None:
        assert self._base is not None
        paths = list(stamps)
        for start in range(0, len(paths), _TOGETHER):
            some = [os.fsencode(path) for path in paths[start : start + _TOGETHER]]
            marks = ",".join("?" * len(some))
            question = f"SELECT path, size, changed, row, reason FROM facts WHERE policy = ? AND path IN ({marks})"
            for path, size, changed, row, reason in self._base.execute(question, (self._policy, *some)):
                name = os.fsdecode(path)
                if stamps.get(name) == (size, changed) and len(row) == FACTS.itemsize:
                    found[name] = np.frombuffer(row, FACTS)[0], reason

    def _write(self, rows: list[tuple[Any, ...]]) -> None:
        assert self._base is not None
        with self._base:
            self._base.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?, ?, ?, ?, ?)", rows)

    def _guarded(self, action: Any) -> None:
        """Do it; on a damaged file begin a new one, and on any other trouble go on without a cache."""
        if self._base is None and action != self._open:
            return
        try:
            action()
        except (sqlite3.Error, OSError, TypeError, ValueError, OverflowError) as error:
            self.close()
            said = str(error).lower()
            if not isinstance(error, sqlite3.DatabaseError) or any(word in said for word in _LOCKED):
                self.notes.append(f"The cache {self._path} is not used: {error}.")
                return
            self._begin_again(error)

    def _begin_again(self, error: Exception) -> None:
        assert self._path is not None
        try:
            self._path.unlink(missing_ok=True)
            self._open()
            self.notes.append(f"The cache {self._path} was damaged ({error}) and is made again.")
        except (sqlite3.Error, OSError) as again:
            self.close()
            self.notes.append(f"The cache {self._path} is damaged and not used: {again}; remove it.")


def _policy_key(policy: Preprocess) -> bytes:
    """Return what tells one way of decoding from another: the policy's part for files, and the decoder's version."""
    parts = [PIL.__version__, str(FACTS.descr), *(repr(getattr(policy, field)) for field in _POLICY_FIELDS)]
    return hashlib.sha256("\n".join(parts).encode()).digest()[:8]
