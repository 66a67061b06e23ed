"""Listing: which picture files are meant by files, folders, and lists of paths, one after the other."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from resnets.spec.preprocess import FORMATS, Preprocess

LONGEST_LINE = 1 << 16
"""Bytes of a line of a list; no system has paths as long as this."""


def pictures(images: str | Path | Iterable[str | Path], preprocess: Preprocess) -> Iterator[Path]:
    """Yield the files that are meant: each file as given, and of a folder every picture below it, sorted.

    Hidden files and folders are left out, and files whose ending is no picture's; links to folders are not followed.
    A picture of a format that the model does not read is yielded too, so that its record says so, and so is a folder
    that cannot be listed. Of one folder at a time the names are in memory.
    """
    formats = FORMATS.keys() - ({"NPY"} - set(preprocess.formats))  # an array is a picture only to who asked for it
    endings = frozenset(ending for name in formats for ending in FORMATS[name])
    for image in [images] if isinstance(images, str | Path) else images:
        path = Path(image)
        if os.path.isdir(path):
            yield from map(Path, _below(str(path), endings))
        else:
            yield path


def _below(folder: str, endings: frozenset[str]) -> Iterator[str]:
    """Yield the pictures below a folder, in the order of their paths' parts."""
    names: list[str] = []
    folders: set[str] = set()
    try:
        with os.scandir(folder) as found:
            for entry in found:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.add(entry.name)
                elif os.path.splitext(entry.name)[1].lower() not in endings or not entry.is_file():
                    continue
                names.append(entry.name)
    except OSError:
        yield folder  # reading it as a picture fails, which its record then says
        return
    names.sort()
    for name in names:
        path = os.path.join(folder, name)
        if name in folders:
            yield from _below(path, endings)
        else:
            yield path


def listed(words: Iterable[str], stdin: BinaryIO | None = None) -> Iterator[str]:
    """Yield the paths that words of a command line stand for: `@FILE` and `-` are lists, all others are themselves.

    A list has a path a line, and may be longer than memory; empty lines are skipped, and `-` is the standard input.
    Raises `ValueError` where a list is absent or is none.
    """
    for word in words:
        if word == "-":
            yield from _lines("the standard input", sys.stdin.buffer if stdin is None else stdin)
        elif word.startswith("@"):
            with _opened(word) as file:
                yield from _lines(word[1:], file)
        else:
            yield word


def lists(words: Iterable[str]) -> list[str]:
    """Return the files that hold lists, of words that `listed` takes."""
    return [word[1:] for word in words if word.startswith("@")]


def _opened(word: str) -> BinaryIO:
    try:
        return open(word[1:], "rb")
    except OSError as error:
        raise ValueError(
            f"the list {word[1:]} cannot be read ({error.strerror}); give @FILE, with a path on each line. A picture "
            f"whose own name begins with @ is {os.path.join('.', word)}"
        ) from None


def _lines(name: str, file: BinaryIO) -> Iterator[str]:
    number = 0
    while line := file.readline(LONGEST_LINE):
        number += 1
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        if b"\0" in line or (len(line) == LONGEST_LINE and not line.endswith(b"\n")):
            raise ValueError(
                f"line {number:,} of {name} is no path; a list has a path on each line (find without -print0)"
            )
        if path := line.rstrip(b"\r\n"):
            yield os.fsdecode(path)
