"""Atomic writing: whoever opens the final name finds the old file or the whole new one, never a part."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from resnets.files.errors import FileError


def write(path: str | Path, data: bytes) -> None:
    """Write `data` to `path` at once.

    When it returns, the bytes and the name are on the disk. Raises `FileError` where the folder is absent
    or `path` is a folder, and `OSError` when the disk refuses; what was at `path` before is then untouched.
    """
    with replacing(path) as file:
        file.write(data)


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path` for writing and reading; give it that name when the block ends.

    If the block raises, the temporary file is removed and `path` keeps what it held. A link is followed,
    and an existing file's permissions are kept. Raises as `write` does.
    """
    target = Path(os.path.realpath(path))
    _check(path, target)
    # The leading dot hides it from readers of the folder; a long name would not leave room for the rest.
    temporary = target.with_name(f".{target.name[:64]}.{os.getpid()}.{secrets.token_hex(4)}.part")
    try:
        with open(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR | _BINARY, 0o666), "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileNotFoundError):
            os.chmod(temporary, stat.S_IMODE(os.stat(target).st_mode))
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        raise
    _sync_folder(target.parent)


def check_folder(folder: Path) -> None:
    """Raise `FileError` where nobody may write in a folder, or in the nearest one above it that is there.

    So that what takes hours is not begun where its result could not be kept.
    """
    there = next(place for place in (folder, *folder.absolute().parents) if place.is_dir())
    if not os.access(there, os.W_OK | os.X_OK):
        raise FileError(f"{folder} cannot be written in: {there} is read-only to you")


def sweep(folder: Path) -> None:
    """Remove the temporary files that killed writers left in a folder where nobody is writing now."""
    for path in folder.glob(".*.part"):
        if re.fullmatch(r"\..+\.\d+\.[0-9a-f]{8}\.part", path.name):
            path.unlink(missing_ok=True)


_BINARY = getattr(os, "O_BINARY", 0)  # Windows would write "\n" as "\r\n" without it


def _check(path: str | Path, target: Path) -> None:
    if not target.parent.is_dir():
        folder = Path(path).parent
        raise FileError(f"cannot write {path}: there is no folder {folder}; make it first: mkdir -p {folder}")
    if target.is_dir():
        raise FileError(f"cannot write {path}: it is a folder; give the name of a file, such as {path}/file")


def _sync_folder(folder: Path) -> None:
    """Put the new name on the disk too; without this a power cut may bring the old file back."""
    if os.name == "nt":  # Windows cannot open a folder, and keeps names in order by itself
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
