"""The cache: one folder for each reference, with its files and the record they are held against."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from resnets.files.errors import FileError
from resnets.weights.hub import source
from resnets.weights.hub.resolve import Place
from resnets.weights.hub.source import Kept, Source

LOCK = ".lock"


@dataclass(frozen=True, slots=True)
class Finding:
    """What verifying found of one file: nothing, or a sentence."""

    reference: str
    path: str
    problem: str | None = None


def cache_folder(given: str | Path | None = None) -> Path:
    """Return the cache: as given, else RESNETS_CACHE, else XDG_CACHE_HOME/resnets, else ~/.cache/resnets."""
    if given or os.environ.get("RESNETS_CACHE"):
        return Path(given or os.environ["RESNETS_CACHE"]).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "resnets"


def folder_of(place: Place, cache: str | Path | None = None) -> Path:
    """Return the folder of a reference, there or not."""
    return cache_folder(cache) / place.folder


def record(place: Place, folder: Path) -> Source | None:
    """Return the record of a reference's folder, or None; raise `FileError` if it is of another reference."""
    found = source.read(folder)
    if found and found.reference != place.reference:
        raise FileError(f"{folder} holds {found.reference}, and {place.reference} belongs there; remove it")
    return found


def result(place: Place, folder: Path) -> Path:
    """Return what a reference stands for on disk: the one file it names, or the folder of a repository."""
    return folder if place.file is None else folder / place.file.rpartition("/")[2]


def is_cached(place: Place, cache: str | Path | None = None) -> bool:
    """Return whether all files are there with their sizes; hashes are looked at when they are pulled."""
    folder = folder_of(place, cache)
    try:
        found = record(place, folder)
    except FileError:
        return False
    return bool(found and found.whole and all(_size(folder / file.name) == file.size for file in found.files))


def problem(path: Path, file: Kept) -> str | None:
    """Return what is wrong with a file of the cache, or None if it is, byte for byte, the recorded one."""
    if not path.is_file():
        return "is missing"
    if path.stat().st_size != file.size:
        return f"has {path.stat().st_size:,} bytes instead of {file.size:,}"
    with path.open("rb") as data:
        found = sha256(data)
    return None if found == file.sha256 else f"has SHA-256 {found} instead of {file.sha256}"


class Readable(Protocol):
    """Anything that bytes are read from."""

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes, at most `size`; none at the end."""
        ...


def sha256(file: Readable) -> str:
    """Return the hash of the rest of an open file."""
    digest = hashlib.sha256()
    while piece := file.read(1 << 20):
        digest.update(piece)
    return digest.hexdigest()


def verify_cache(cache: str | Path | None = None) -> list[Finding]:
    """Hash every file of the cache again; return a finding for each, and for each folder that is not whole."""
    root = cache_folder(cache)
    if not root.is_dir():
        raise FileError(f"there is no folder {root}; `resnets weights pull REFERENCE` makes it")
    folders = sorted(path for path in root.iterdir() if path.is_dir())
    return [finding for folder in folders for finding in _verified(folder)]


def _verified(folder: Path) -> Iterable[Finding]:
    try:
        found = source.read(folder)
    except FileError as error:
        yield Finding(folder.name, str(folder / source.NAME), str(error))
        return
    if found is None:
        if any(not path.name.startswith(".") for path in folder.iterdir()):
            yield Finding(folder.name, str(folder), "has no record yet; pull it again")
        return
    for file in found.files:
        yield Finding(found.reference, str(folder / file.name), problem(folder / file.name, file))
    if not found.whole:
        yield Finding(found.reference, str(folder), "is not whole; pull it again")


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None
