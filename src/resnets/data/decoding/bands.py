"""Bands: files of N channels, none of them a colour, as (H, W, C) numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from resnets.data.decoding.bands_tiff import read_tiff
from resnets.data.decoding.loading import check_pixels, loaded
from resnets.data.decoding.npy import read_npy
from resnets.data.decoding.orientation import turned
from resnets.data.decoding.signature import kind
from resnets.data.errors import BadImage
from resnets.spec.preprocess import Preprocess

Array = npt.NDArray[Any]

_CHANNELS = {"1": 1, "L": 1, "I;16": 1, "I;16B": 1, "I;16L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4}
"""Of Pillow's modes whose channels are numbers that a file has; a palette's numbers are names of colours."""


def bands_of(name: str, data: bytes, preprocess: Preprocess) -> Array:
    """Return the bands of a file as (H, W, C): uint8, or float32 in [0, 255]; see `decode_bands`."""
    found = kind(data)
    if found in preprocess.formats and found in ("NPY", "TIFF"):
        read = _npy if found == "NPY" else read_tiff
        bands = read(name, data, preprocess)
        if bands is not None:
            _check_count(name, bands.shape, preprocess.channels)
            return scaled(name, bands)
    return _of_picture(name, data, preprocess)


def scaled(name: str, bands: Array) -> Array:
    """Return uint8 as it is, uint16 and float numbers as float32 in [0, 255]; raise `BadImage` for all others."""
    if bands.dtype == np.uint8:
        return np.array(bands, order="C")
    if bands.dtype in (np.dtype("<u2"), np.dtype(">u2")):
        return np.divide(bands, np.float32(257), dtype=np.float32, order="C")
    if bands.dtype.kind != "f":
        raise BadImage(name, f"its numbers are {bands.dtype}; allowed: uint8, uint16, or floats from 0 to 1")
    low, high = float(bands.min()), float(bands.max())
    if not (low >= 0 and high <= 1):  # also where one is not a number
        raise BadImage(name, f"its numbers go from {low:g} to {high:g}; floats must lie from 0 to 1")
    return np.multiply(bands, np.float32(255), dtype=np.float32, order="C", casting="same_kind")


def _npy(name: str, data: bytes, preprocess: Preprocess) -> Array:
    bands = read_npy(name, data)
    if preprocess.frame:
        raise BadImage(name, f"it has 1 frame; there is no frame {preprocess.frame}, counted from 0")
    if bands.ndim == 2:
        bands = bands[:, :, np.newaxis]
    if bands.ndim != 3:
        raise BadImage(name, f"its shape is {bands.shape}; allowed: (H, W, bands), or (H, W) for one band")
    check_pixels(name, (bands.shape[1], bands.shape[0]), "NPY")
    return bands


def _check_count(name: str, shape: tuple[int, ...], channels: int) -> None:
    if shape[2] == channels:
        return
    hint = ""
    if shape[0] == channels:
        hint = "; its first axis has as many, so save it with the bands last: numpy.moveaxis(array, 0, -1)"
    raise BadImage(name, f"its shape is {shape}, so it has {shape[2]} bands and the network takes {channels}{hint}")


def _of_picture(name: str, data: bytes, preprocess: Preprocess) -> Array:
    """Return the channels of an ordinary picture."""
    stored = loaded(name, data, preprocess)
    image = stored.image
    count = _CHANNELS.get(image.mode)
    if count != preprocess.channels:
        has = "a palette, no bands" if image.mode == "P" else f"{count or 'unknown'} bands (mode {image.mode})"
        raise BadImage(name, f"it has {has}, and the network takes {preprocess.channels}; bands come as TIFF or .npy")
    if stored.bits > 8 and count != 1:
        raise BadImage(name, f"it has {stored.bits} bits a band, of which 8 would be lost; save it as TIFF or .npy")
    if preprocess.exif:
        image = turned(image, stored.orientation)
    pixels = np.asarray(image.convert("L") if image.mode == "1" else image)
    pixels = pixels[:, :, np.newaxis] if pixels.ndim == 2 else pixels
    if pixels.dtype == np.uint8:
        return np.array(pixels, order="C")
    white = np.float32(((1 << stored.bits) - 1) / 255)
    grey: Array = np.divide(pixels, white, dtype=np.float32)
    return 255 - grey if stored.is_white_zero else grey
