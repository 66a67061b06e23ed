"""Orientation: which way up a picture was taken, as its EXIF says, and how to turn it."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from PIL import Image

TAG = 0x0112
"""Of the orientation, in EXIF (CIPA DC-008, Exif 2.32, table 4) and in TIFF, where EXIF has it from."""

_SHORT = 3

TURNS: Mapping[int, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What brings a picture of an orientation upright; 1 is upright."""

_BACK: Mapping[int, int] = {6: 8, 8: 6}  # every other turn undoes itself


def turned(image: Image.Image, orientation: int) -> Image.Image:
    """Return a loaded picture of this orientation, 1 to 8, upright; itself where it is."""
    turn = TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)


def turned_back(image: Image.Image, orientation: int) -> Image.Image:
    """Return a picture that was turned from this orientation as it was stored."""
    return turned(image, _BACK.get(orientation, orientation))


def orientation(exif: object) -> int:
    """Return the orientation, 1 to 8, from EXIF bytes; 1 where they are absent, damaged or silent.

    Read here and not by Pillow, which warns of other damage in the block: a picture with a broken thumbnail
    entry is still a picture. Nor is an orientation in XMP believed, which Pillow takes for EXIF's and
    browsers do not.
    """
    if not isinstance(exif, bytes):
        return 1
    block = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None:
        return 1
    try:
        (directory,) = struct.unpack_from(f"{order}I", block, 4)
        (entries,) = struct.unpack_from(f"{order}H", block, directory)
        for place in range(directory + 2, directory + 2 + 12 * entries, 12):
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", block, place)
            if tag == TAG:
                return value if kind == _SHORT and value in TURNS else 1
    except struct.error:  # it points outside itself
        pass
    return 1
