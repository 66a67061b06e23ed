"""Members: pictures inside archives, whose bytes are read where they lie."""

from __future__ import annotations

import os
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from resnets.data.decoding.decode import MAX_BYTES
from resnets.data.errors import BadImage
from resnets.data.names import Names
from resnets.data.shared import SharedArray
from resnets.data.source import Groups, Labels, Source, check_labels, taken
from resnets.files import byte_ranges, zip_entries
from resnets.files.errors import FileError

PLACE = np.dtype(
    [("archive", "<i4"), ("start", "<i8"), ("packed", "<i8"), ("size", "<i8"), ("crc", "<u4"), ("method", "u1")]
)
"""Where a member lies: in which archive, from which byte on, in how many, how many they are once unpacked, and
their checksum. `method` is zip's number, and then `start` is that of the member's own header; or it is PLAIN."""

PLAIN = 255
"""A method: the bytes as they are, without a header or a checksum, as in a tar."""

MOST_OPEN = 64
"""Archives that a process keeps open; of a thousand shards, the others are opened for each picture."""

Stamp = tuple[int, int]
"""Bytes and time of change of an archive when it was listed."""


class Archives:
    """Files that are opened when they are first read from, by each process for itself."""

    def __init__(self, paths: Sequence[str], stamps: Sequence[Stamp]) -> None:
        self.paths, self.stamps = tuple(paths), tuple(stamps)
        self._open: dict[int, int] = {}  # number -> descriptor
        weakref.finalize(self, _close, self._open).atexit = False

    def __reduce__(self) -> tuple[Any, ...]:
        return Archives, (self.paths, self.stamps)

    def read_at(self, number: int, start: int, size: int) -> bytes:
        """Return `size` bytes of an archive; raise `FileError` where it has fewer, or has changed."""
        path = Path(self.paths[number])
        descriptor = self._open.get(number)
        if descriptor is not None:
            return _read_at(path, descriptor, start, size)
        with byte_ranges.opened(path) as file:
            if stamp(file.fileno()) != self.stamps[number]:
                raise FileError(f"{path} was changed since it was listed; start again")
            if hasattr(os, "pread") and len(self._open) < MOST_OPEN:
                # Two threads may both come here: the second finds the first's, and the spare one is closed.
                spare = os.dup(file.fileno())
                if self._open.setdefault(number, spare) != spare:
                    os.close(spare)
            return byte_ranges.read_at(file, start, size)


def stamp(descriptor: int) -> Stamp:
    """Return by what an open archive is known to be the same."""
    facts = os.fstat(descriptor)
    return facts.st_size, facts.st_mtime_ns


@dataclass(frozen=True, eq=False, slots=True)
class MemberSource(Source):
    """Pictures in archives, read and decoded each time they are asked for.

    `places` holds (N,) of PLACE. A picture is called by the path of its archive and its own in there.
    """

    archives: Archives
    places: SharedArray
    names: Names
    labels: Labels
    groups: Groups | None = None

    def __post_init__(self) -> None:
        check_labels(", ".join(self.archives.paths[:3]), self.labels, self.groups, len(self.names))

    def __reduce__(self) -> tuple[Any, ...]:
        labels = SharedArray.of(self.labels)
        return _received, (self.archives, self.places, self.names, labels, self.groups)

    def __len__(self) -> int:
        return len(self.names)

    def name(self, index: int) -> str:
        """Return "photos.zip/cat/1.jpg"."""
        return f"{self.archives.paths[self.places.array[index]['archive']]}/{self.names[index]}"

    def raw(self, index: int) -> bytes:
        """Return the bytes of one member; raise `BadImage` where it is too large or damaged."""
        number, start, packed, size, crc, method = self.places.array[index].item()
        if size > MAX_BYTES:
            raise BadImage(self.name(index), f"it has {size:,} bytes; at most {MAX_BYTES:,} are read")
        read = partial(self.archives.read_at, number)
        try:
            if method == PLAIN:
                return read(start, size)
            return zip_entries.content(read, start, packed, size, crc, method)
        except FileError as error:
            raise BadImage(self.name(index), str(error)) from error

    def take(self, indices: npt.NDArray[np.integer[Any]]) -> MemberSource:
        """Return the source of these pictures, in this order."""
        return MemberSource(
            self.archives,
            SharedArray(self.places.array[indices]),
            self.names.take(indices),
            self.labels[indices],
            taken(self.groups, indices),
        )


def _received(
    archives: Archives, places: SharedArray, names: Names, labels: SharedArray, groups: Groups | None
) -> MemberSource:
    return MemberSource(archives, places, names, labels.array, groups)


def _read_at(path: Path, descriptor: int, start: int, size: int) -> bytes:
    """Read without moving the place of the file, which threads and forked processes share."""
    # As much memory is set aside as is asked for, so a claim is held against the file first.
    if start + size > os.fstat(descriptor).st_size:
        raise FileError(f"{path} ends before byte {start + size:,}: it is cut short or was changed; fetch it again")
    pieces = []
    while size:
        piece = os.pread(descriptor, size, start)
        if not piece:
            raise FileError(f"{path} was changed while it was read; wait until it is whole")
        pieces.append(piece)
        start, size = start + len(piece), size - len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _close(descriptors: dict[int, int]) -> None:
    for descriptor in descriptors.values():
        os.close(descriptor)
