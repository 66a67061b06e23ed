"""Names: many texts in two arrays, so that a million paths cost their bytes and are shared by workers.

A list of a million strings is a million objects, whose reference counts every worker process touches and so
copies; an array is copied by nobody.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from resnets.data.shared import SharedArray

_AT_ONCE = 1 << 14  # names taken at a time: the place of each of their bytes is a number of eight bytes


class Names(Sequence[str]):
    """Texts in order, kept as UTF-8 bytes one after the other; names that are no Unicode keep their bytes."""

    __slots__ = ("_blob", "_ends")

    def __init__(self, names: Iterable[str] = ()) -> None:
        blob, ends = bytearray(), array("q", [0])
        for name in names:
            blob += name.encode("utf-8", "surrogateescape")
            ends.append(len(blob))
        self._set(np.frombuffer(blob, np.uint8), np.frombuffer(ends, np.int64))

    @classmethod
    def of_arrays(cls, blob: npt.NDArray[np.uint8], ends: npt.NDArray[np.int64]) -> Names:
        """Return the names that lie in `blob` between each two of the N + 1 rising `ends`."""
        made = cls.__new__(cls)
        made._set(blob, ends)
        return made

    @property
    def arrays(self) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
        """The bytes, and the N + 1 places between them."""
        return self._blob.array, self._ends.array

    @property
    def is_whole(self) -> bool:
        """Say whether the places between the names are in order and inside the bytes, as a file's may not be."""
        blob, ends = self.arrays
        inside = ends.ndim == 1 and len(ends) > 0 and ends[0] >= 0 and ends[-1] <= len(blob)
        return bool(inside and (np.diff(ends) >= 0).all())

    def take(self, indices: npt.NDArray[np.integer[Any]]) -> Names:
        """Return these names, in this order."""
        blob, ends = self.arrays
        starts, lengths = ends[:-1][indices], np.diff(ends)[indices]
        taken_ends = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        taken = np.empty(taken_ends[-1], np.uint8)
        for first in range(0, len(starts), _AT_ONCE):
            some = slice(first, first + _AT_ONCE)
            begin, end = taken_ends[first], taken_ends[min(first + _AT_ONCE, len(starts))]
            # Byte k of the new blob comes from where its name starts in the old one, plus its place in the name.
            places = np.arange(begin, end) + np.repeat(starts[some] - taken_ends[:-1][some], lengths[some])
            taken[begin:end] = blob[places]
        return Names.of_arrays(taken, taken_ends)

    def __len__(self) -> int:
        return len(self._ends.array) - 1

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Names: ...
    def __getitem__(self, index: int | slice) -> str | Names:
        if isinstance(index, slice):
            return self.take(np.arange(len(self))[index])
        place = range(len(self))[index]
        blob, ends = self.arrays
        return bytes(blob[ends[place] : ends[place + 1]]).decode("utf-8", "surrogateescape")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Names):
            return False
        blob, ends = other.arrays
        return np.array_equal(self._blob.array, blob) and np.array_equal(self._ends.array, ends)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{len(self):,} names>"

    def _set(self, blob: npt.NDArray[np.uint8], ends: npt.NDArray[np.int64]) -> None:
        self._blob, self._ends = SharedArray(blob), SharedArray(ends)
