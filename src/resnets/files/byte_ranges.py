"""Byte ranges: open a file of weights and fetch a few of its bytes, with every failure a `FileError`."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from resnets.files.errors import FileError


@contextlib.contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file for reading; raise `FileError` where it is absent, unreadable or no file on disk."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise FileError(f"{path} is a folder; give a file in it")
        if not stat.S_ISREG(status.st_mode):
            raise FileError(f"{path} is not a regular file; give a file on disk")
        with path.open("rb") as file:
            yield file
    except FileNotFoundError:
        raise FileError(f"there is no file {path}") from None
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or error}") from error


def length(file: BinaryIO) -> int:
    """Return how many bytes an open file has."""
    return os.fstat(file.fileno()).st_size


def read_range(path: Path, start: int, size: int) -> bytes:
    """Return the `size` bytes from `start` on; raise `FileError` where the file no longer has them."""
    with opened(path) as file:
        return read_at(file, start, size)


def read_at(file: BinaryIO, start: int, size: int) -> bytes:
    """Return the `size` bytes of an open file from `start` on; raise `FileError` where it has fewer."""
    # Python sets as much memory aside as is asked for, so a claim is held against the file first.
    if start + size > length(file):
        raise FileError(
            f"{file.name} ends before byte {start + size:,}: it is cut short or was changed; fetch it again"
        )
    file.seek(start)
    data = file.read(size)
    if len(data) != size:
        raise FileError(f"{file.name} was changed while it was read; wait until it is whole")
    return data
