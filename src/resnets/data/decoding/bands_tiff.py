"""Bands of a TIFF: any number of samples a pixel, of 8 or 16 bits or floats, which Pillow knows no mode for.

Packing knows nothing of samples: it packs bytes. So a TIFF of C bands of B bytes is unpacked as the grey picture of
8 bits, and of C x B times its width, that the same bytes are too (TIFF 6.0, sections 2, 8, 14 and 15).
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from resnets.data.decoding.loading import check_pixels
from resnets.data.decoding.orientation import TAG, TURNS
from resnets.data.errors import BadImage
from resnets.spec.preprocess import Preprocess

MAX_NUMBERS_BYTES = 128 << 20
"""Of the bands of a TIFF once unpacked: they are copied, and become up to four times as large as floats."""

Array = npt.NDArray[Any]
Numbers = npt.NDArray[np.int64]

_WIDTH, _HEIGHT, _BITS, _PACKING, _PHOTOMETRIC, _FILL_ORDER = 256, 257, 258, 259, 262, 266
_STRIPS, _SAMPLES, _ROWS, _STRIP_BYTES, _PLANAR, _PREDICTOR = 273, 277, 278, 279, 284, 317
_TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_BYTES, _FORMAT = 322, 323, 324, 325, 339

_TYPES: Mapping[int, str] = {1: "u1", 3: "u2", 4: "u4", 16: "u8"}  # of the numbers in a tag
_OF_BYTES = (1, 5, 8, 32773, 32946, 34925, 50000)  # none, LZW, deflate, PackBits, deflate, LZMA, Zstandard
_GREY_OR_RGB = (0, 1, 2, 5, 32844, 34892)  # the numbers stand for themselves, and not for a palette or YCbCr
_LETTERS = {1: "u", 2: "i", 3: "f", 4: "u"}


def read_tiff(name: str, data: bytes, preprocess: Preprocess) -> Array | None:
    """Return the page `preprocess.frame` as (H, W, C) of its own numbers, upright where `preprocess.exif`.

    Returns None for pages that are read as the pictures they are: packed as pictures (JPEG, fax), with a palette,
    or of fewer than 8 bits. Raises `BadImage` where there are not `preprocess.channels` bands.
    """
    page, pages_left = _page(name, data, preprocess.frame)
    samples = page.number(_SAMPLES, 1)
    if samples != preprocess.channels:
        several = "; pages of one band each are not read as bands" if samples == 1 and pages_left else ""
        raise BadImage(name, f"it has {samples} bands, and the network takes {preprocess.channels}{several}")
    bits, formats = page.numbers(_BITS, 1), page.numbers(_FORMAT, 1)
    if len(set(bits)) > 1 or len(set(formats)) > 1:
        raise BadImage(name, f"its bands have {bits.tolist()} bits and formats {formats.tolist()}; allowed: all alike")
    photometric = page.number(_PHOTOMETRIC, 1)
    if page.number(_PACKING, 1) not in _OF_BYTES or photometric not in _GREY_OR_RGB or bits[0] not in (8, 16, 32, 64):
        return None
    letter = _LETTERS.get(int(formats[0]), "c")
    if f"{letter}{bits[0]}" not in ("u8", "u16", "f16", "f32", "f64"):
        kind = {"u": "whole", "i": "signed", "f": "floating-point"}.get(letter, "complex")
        raise BadImage(name, f"it has {kind} numbers of {bits[0]} bits; allowed: uint8, uint16, or floats from 0 to 1")
    bands = _unpacked(name, data, page, samples, np.dtype(f"{page.order}{letter}{bits[0] // 8}"))
    if photometric == 0 and letter == "u":
        bands = np.iinfo(bands.dtype).max - bands
    return _upright(bands, page.number(TAG, 1)) if preprocess.exif else bands


@dataclass(frozen=True, slots=True)
class _Page:
    """The tags of one page: where the numbers of each are, of what type and how many."""

    data: bytes
    order: str  # "<" or ">"
    tags: Mapping[int, tuple[int, int, int]]  # place, type, count

    def numbers(self, tag: int, default: int) -> Numbers:
        """Return the numbers of a tag, or the default where there is no such tag."""
        place, kind, count = self.tags.get(tag, (0, 0, 0))
        if kind not in _TYPES or not count:
            return np.array([default])
        return np.frombuffer(self.data, self.order + _TYPES[kind], count, place).astype(np.int64)

    def number(self, tag: int, default: int) -> int:
        """Return the first number of a tag."""
        return int(self.numbers(tag, default)[0])


def _page(name: str, data: bytes, frame: int) -> tuple[_Page, bool]:
    """Return a page, and whether there are more after it."""
    order = "<" if data[:2] == b"II" else ">"
    is_big = struct.unpack_from(f"{order}H", data, 2)[0] == 43
    head, entry, inline, word = ("Q", "HHQ", 12, "Q") if is_big else ("H", "HHI", 8, "I")
    (place,) = struct.unpack_from(order + word, data, 8 if is_big else 4)
    for page in range(frame + 1):
        if not place:
            raise BadImage(name, f"it has {page} frames; there is no frame {frame}, counted from 0")
        (count,) = struct.unpack_from(order + head, data, place)
        place += struct.calcsize(head)
        size = inline + struct.calcsize(word)
        tags = {}
        for at in range(place, place + count * size, size):
            tag, kind, length = struct.unpack_from(order + entry, data, at)
            room = length * int(_TYPES.get(kind, "u1")[1])
            is_inside = room <= struct.calcsize(word)
            tags[tag] = (
                at + inline if is_inside else struct.unpack_from(order + word, data, at + inline)[0],
                kind,
                length,
            )
        (place,) = struct.unpack_from(order + word, data, place + count * size)
    return _Page(data, order, tags), bool(place)


def _unpacked(name: str, data: bytes, page: _Page, samples: int, dtype: np.dtype[Any]) -> Array:
    width, height = page.number(_WIDTH, 0), page.number(_HEIGHT, 0)
    if width < 1 or height < 1 or samples < 1:
        raise BadImage(name, f"it has {width} x {height} pixels of {samples} bands")
    check_pixels(name, (width, height), "TIFF")
    size = width * height * samples * dtype.itemsize
    if size > MAX_NUMBERS_BYTES:
        raise BadImage(name, f"its bands unpack to {size:,} bytes; at most {MAX_NUMBERS_BYTES:,} are, save it as .npy")
    planes = samples if page.number(_PLANAR, 1) == 2 else 1
    across = samples // planes * dtype.itemsize  # bytes of one pixel in a plane
    offsets = page.numbers(_TILES if _TILES in page.tags else _STRIPS, 0)
    pieces = len(offsets) // planes
    parts = []
    for plane in range(planes):
        grey = _as_grey(data, page, across, slice(plane * pieces, (plane + 1) * pieces))
        with Image.open(io.BytesIO(grey), formats=["TIFF"]) as image:
            rows = np.array(image)
        parts.append(_undone(name, rows.view(dtype).reshape(height, width, -1), page))
    return np.concatenate(parts, axis=2)


def _as_grey(data: bytes, page: _Page, across: int, pieces: slice) -> bytes:
    """Return the file with a page in front of all others that is the same bytes as grey of 8 bits."""
    width, height = page.number(_WIDTH, 0), page.number(_HEIGHT, 0)
    tags: dict[int, Numbers] = {
        tag: np.array([value])
        for tag, value in (
            (_WIDTH, width * across), (_HEIGHT, height), (_BITS, 8), (_PACKING, page.number(_PACKING, 1)),
            (_PHOTOMETRIC, 1), (_FILL_ORDER, page.number(_FILL_ORDER, 1)), (_SAMPLES, 1),
        )
    }  # fmt: skip
    if _TILES in page.tags:
        tags[_TILE_WIDTH] = np.array([page.number(_TILE_WIDTH, 0) * across])
        tags[_TILE_HEIGHT] = np.array([page.number(_TILE_HEIGHT, 0)])
        tags[_TILES], tags[_TILE_BYTES] = page.numbers(_TILES, 0)[pieces], page.numbers(_TILE_BYTES, 0)[pieces]
    else:
        tags[_ROWS] = np.array([min(page.number(_ROWS, height), height)])
        tags[_STRIPS], tags[_STRIP_BYTES] = page.numbers(_STRIPS, 0)[pieces], page.numbers(_STRIP_BYTES, 0)[pieces]
    start = len(data) + len(data) % 2
    behind = start + 2 + 12 * len(tags) + 4
    entries, arrays = [], []
    for tag, numbers in sorted(tags.items()):
        packed = numbers.astype("<u4").tobytes()
        entries.append(struct.pack("<HHI", tag, 4, len(numbers)) + (packed if len(packed) == 4 else b""))
        if len(packed) != 4:
            entries[-1] += struct.pack("<I", behind)
            arrays.append(packed)
            behind += len(packed)
    header = b"II*\0" + struct.pack("<I", start)
    table = struct.pack("<H", len(tags)) + b"".join(entries) + bytes(4)
    return b"".join([header, memoryview(data)[8:], bytes(len(data) % 2), table, *arrays])


def _undone(name: str, bands: Array, page: _Page) -> Array:
    """Undo the predictor: each number is stored as its difference to the one on its left, tile by tile."""
    predictor = page.number(_PREDICTOR, 1)
    if predictor == 1:
        return bands
    if predictor != 2 or bands.dtype.kind != "u":
        raise BadImage(name, f"its predictor is {predictor} of {bands.dtype}; save it without one, or as .npy")
    step = page.number(_TILE_WIDTH, 0) if _TILES in page.tags else bands.shape[1]
    native = bands.astype(bands.dtype.newbyteorder("="))
    for left in range(0, bands.shape[1], max(1, step)):
        tile = native[:, left : left + step]
        np.cumsum(tile, axis=1, dtype=tile.dtype, out=tile)
    return native


def _upright(bands: Array, orientation: int) -> Array:
    if orientation not in TURNS:
        return bands
    if orientation >= 5:  # first column first
        bands = bands.swapaxes(0, 1)
    across, down = _FLIPS[orientation]
    return bands[::down, ::across]


_FLIPS = {2: (-1, 1), 3: (-1, -1), 4: (1, -1), 5: (1, 1), 6: (-1, 1), 7: (-1, -1), 8: (1, -1)}
"""Steps across and down, by orientation; those from 5 are told of a picture whose axes were exchanged."""
