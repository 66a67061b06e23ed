"""Decode: from the bytes of a file to a picture, by one stated policy; what cannot be is a `BadImage`.

What a file is, is told by its first bytes. The stated frame of an animation, turned as its EXIF says, its colours
taken to sRGB, transparency laid on a stated colour, deep grey scaled to 8 bits, everything else as Pillow converts
it. What is damaged in a picture's pixels refuses it; damaged EXIF and colour profiles are ignored, as browsers do.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from resnets.data.decoding.bands import bands_of
from resnets.data.decoding.colour import to_colour
from resnets.data.decoding.flatten import flat
from resnets.data.decoding.loading import MAX_BYTES, MAX_PIXELS, check_pixels, contents, declared, loaded
from resnets.data.decoding.npy import read_npy
from resnets.data.decoding.orientation import turned
from resnets.data.decoding.signature import kind
from resnets.data.errors import BadImage
from resnets.spec.preprocess import Preprocess

__all__ = ["MAX_BYTES", "MAX_PIXELS", "decode", "decode_bands"]


def decode(source: str | Path | bytes, preprocess: Preprocess) -> Image.Image:
    """Return a picture in mode "L" (colour="grey") or "RGB", at its own size and the right way up.

    `source` is a path or the bytes of a file. Raises `BadImage`, and nothing else, for a file that is absent,
    over the limits, of a format that the preprocess does not allow, cut short or damaged, and for a frame that
    an animation does not have.
    """
    name, data = contents(source)
    with declared(name):
        if preprocess.colour == "bands":
            raise BadImage(name, f"the network takes {preprocess.channels} bands; use decode_bands")
        if kind(data) == "NPY" and "NPY" in preprocess.formats:
            return to_colour(_picture(name, data, preprocess), preprocess)
        stored = loaded(name, data, preprocess)
        image, way_up = flat(stored, preprocess), stored.orientation if preprocess.exif else 1
        del stored  # of a large picture two copies are enough
        image.info = {}  # what it said of its colours holds no more
        return to_colour(turned(image, way_up), preprocess)


def decode_bands(source: str | Path | bytes, preprocess: Preprocess) -> npt.NDArray[Any]:
    """Return a file of `preprocess.channels` bands as (H, W, C), at its own size and the right way up.

    uint8 stays as it is; uint16 and float become float32 in [0, 255], from 0..65535 and [0, 1]. Such files are
    .npy and TIFF of any number of bands, and pictures that have just so many channels. A band is a number
    and no colour: profiles are ignored, and transparency is a band like any other.
    Raises `BadImage`, and nothing else, for all that `decode` refuses and for another number of bands.
    """
    name, data = contents(source)
    with declared(name):
        return bands_of(name, data, preprocess)


def _picture(name: str, data: bytes, preprocess: Preprocess) -> Image.Image:
    """Return an .npy file of 8-bit grey or red, green and blue as a picture."""
    pixels = read_npy(name, data)
    if pixels.dtype != np.uint8 or not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)):
        allowed = "uint8 (H, W) or (H, W, 3), or colour='bands'"
        raise BadImage(name, f"it holds {pixels.dtype} {pixels.shape}; allowed with {preprocess.colour!r}: {allowed}")
    if preprocess.frame:
        raise BadImage(name, f"it has 1 frame; there is no frame {preprocess.frame}, counted from 0")
    check_pixels(name, (pixels.shape[1], pixels.shape[0]), "NPY")
    return Image.fromarray(np.ascontiguousarray(pixels))
