"""Picture: from a picture as it is kept to the pixels that a network sees, at their size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from resnets.data.decoding.decode import decode, decode_bands
from resnets.data.decoding.fast import fast_pixels
from resnets.data.decoding.loading import contents
from resnets.data.decoding.transform import fit
from resnets.data.errors import BadImage
from resnets.data.source import Raw
from resnets.spec.preprocess import Preprocess

Crop = Callable[[int, int], tuple[int, int, int, int]]
"""Chooses (left, top, width, height) of a picture, given its width and height once it is the right way up."""


def pixels(raw: Raw, preprocess: Preprocess, crop: Crop | None = None) -> npt.NDArray[Any]:
    """Return one picture as (C, H, W) of the preprocess's size: uint8, or float32 in [0, 255] for fine bands.

    With `crop` that part of the picture fills the size; without, the preprocess's fit decides. Raises
    `BadImage` where the picture cannot be decoded.
    """
    if preprocess.colour == "bands":
        bands = decode_bands(raw, preprocess) if isinstance(raw, bytes) else raw
        if crop is None:
            return fit(bands, preprocess)
        left, top, width, height = crop(bands.shape[1], bands.shape[0])
        return fit(bands[top : top + height, left : left + width], _filled(preprocess))
    if preprocess.decoding == "fast":
        return fast_pixels(raw, preprocess, crop)
    image = decode(raw, preprocess) if isinstance(raw, bytes) else as_image(raw)
    if crop is None:
        return fit(image, preprocess)
    left, top, width, height = crop(*image.size)
    return fit(image.crop((left, top, left + width, top + height)), _filled(preprocess))


def file_pixels(path: str | Path, preprocess: Preprocess) -> npt.NDArray[Any]:
    """Return the picture in a file as `pixels` does; raise `BadImage`, which names the file, where it cannot be."""
    name, data = contents(path)
    try:
        return pixels(data, preprocess)
    except BadImage as error:
        raise BadImage(name, error.reason) from error


def as_image(raw: npt.NDArray[np.uint8]) -> Image.Image:
    """Return (H, W, 1 or 3) pixels as a picture of mode "L" or "RGB"."""
    return Image.fromarray(raw[:, :, 0] if raw.shape[2] == 1 else raw)


def _filled(preprocess: Preprocess) -> Preprocess:
    return replace(preprocess, fit="squash", resize=None)
