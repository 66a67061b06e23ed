"""HDF5's chunks: a dataset that lies in the file as boxes of equal size, each packed for itself."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from resnets.files.errors import FileError

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class Table:
    """The boxes of one dataset: their sides, what packs them, and corner, first byte and size of each."""

    name: str
    item_bytes: int
    sides: tuple[int, ...]
    filters: tuple[str, ...]
    boxes: tuple[tuple[tuple[int, ...], int, int], ...]

    @property
    def stored(self) -> int:
        """Bytes in the file."""
        return sum(size for _, _, size in self.boxes)


def table(name: str, row: dict[str, Any], item_bytes: int, size: int) -> Table:
    """Return the boxes that a report tells; raise `FileError` where they do not cover the dataset exactly once.

    `size` is the file's. A box is at most as large as 1 MB and a hundred times what is stored of it.
    """
    shape, sides = row["shape"], tuple(row["chunk"])
    boxes = tuple((tuple(each[:-2]), each[-2], each[-1]) for each in row["chunks"])
    wanted = prod(-(-side // step) for side, step in zip(shape, sides, strict=True))
    corners = {corner for corner, _, _ in boxes}
    if len(boxes) != wanted or len(corners) != wanted:
        raise FileError(f"dataset {name[:200]!r} has {len(corners):,} of its {wanted:,} chunks")
    whole = prod(sides) * item_bytes
    for corner, start, stored in boxes:
        is_inside = all(0 <= at < side and at % step == 0 for at, side, step in zip(corner, shape, sides, strict=True))
        if not is_inside or start < 0 or stored < 0 or start + stored > size:
            raise FileError(f"dataset {name[:200]!r} has a chunk outside the file or outside its shape")
        if stored != whole if "gzip" not in row["filters"] else whole > (1 << 20) + 100 * stored:
            raise FileError(f"dataset {name[:200]!r} has a chunk of {whole:,} bytes, of which {stored:,} are stored")
    return Table(name, item_bytes, sides, tuple(row["filters"]), boxes)


def read(part: Callable[[int, int], bytes], shape: tuple[int, ...], boxes: Table) -> bytes:
    """Return the dataset's bytes, the last index running fastest."""
    import numpy as np

    whole = np.empty((*shape, boxes.item_bytes), np.uint8)
    for corner, start, stored in boxes.boxes:
        box = _unpacked(part(start, stored), boxes)
        # A box at the edge goes on behind it.
        inside = tuple(slice(at, at + step) for at, step in zip(corner, boxes.sides, strict=True))
        place = whole[inside]
        place[...] = box[tuple(slice(0, side) for side in place.shape)]
    return whole.tobytes()


def _unpacked(data: bytes, boxes: Table) -> np.ndarray[Any, Any]:
    import numpy as np

    size = prod(boxes.sides) * boxes.item_bytes
    if "gzip" in boxes.filters:
        try:
            data = zlib.decompressobj().decompress(data, size + 1)
        except zlib.error as error:
            raise FileError(f"dataset {boxes.name[:200]!r} is damaged ({error}); fetch the file again") from None
    if len(data) != size:
        raise FileError(f"dataset {boxes.name[:200]!r} has a chunk that does not unpack to its {size:,} bytes")
    octets = np.frombuffer(data, np.uint8)
    if "shuffle" in boxes.filters:  # first all first bytes, then all second ones, ...
        octets = octets.reshape(boxes.item_bytes, -1).T
    return octets.reshape(*boxes.sides, boxes.item_bytes)
