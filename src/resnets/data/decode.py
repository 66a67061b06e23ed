"""Decode: from the bytes of a file to a picture, by one stated policy; what cannot be is a `BadImage`.

The first frame of an animation, turned as its EXIF says, transparency laid on a stated colour, 16-bit grey
scaled to 8, everything else as Pillow converts it.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from resnets.data.colour import to_colour
from resnets.data.errors import BadImage
from resnets.data.orientation import upright
from resnets.files import bounded
from resnets.files.errors import FileError
from resnets.spec.preprocess import Preprocess

MAX_BYTES = 256 << 20
"""Of a file: a quarter of a gigabyte holds any photograph of `MAX_PIXELS`, even as good as uncompressed."""

MAX_PIXELS = 89_478_485
"""Of a picture: where Pillow starts to warn of decompression bombs (256 MiB of RGB); a 48-megapixel phone
makes half of it. Checked on the header, before a pixel is decoded."""


def decode(source: str | Path | bytes, preprocess: Preprocess) -> Image.Image:
    """Return a picture in mode "L" (colour="grey") or "RGB", at its own size and the right way up.

    `source` is a path or the bytes of a file. Raises `BadImage`, and nothing else, for a file that is absent,
    over the limits, of a format that the preprocess does not allow, cut short or damaged.
    """
    name = "image" if isinstance(source, bytes) else str(source)
    try:
        data = source if isinstance(source, bytes) else bounded.read(source, MAX_BYTES)
    except FileError as error:
        raise BadImage(name, str(error)) from error
    if len(data) > MAX_BYTES:
        raise BadImage(name, f"it has {len(data):,} bytes; at most {MAX_BYTES:,} are read")
    try:
        with Image.open(io.BytesIO(data), formats=preprocess.formats) as image:
            _check_pixels(name, image.size)
            image.load()
            flat = _flatten(upright(image) if preprocess.exif else image, preprocess)
            return to_colour(flat, preprocess)
    except BadImage:
        raise
    except UnidentifiedImageError:
        raise BadImage(name, f"it is no readable {' or '.join(preprocess.formats)} image") from None
    # Decoders of hostile bytes raise whatever they met (OSError, SyntaxError, struct.error, MemoryError ...),
    # and Pillow's own warnings arrive here where the process has made them errors.
    except Exception as error:
        raise BadImage(name, f"{type(error).__name__}: {str(error)[:200]}") from error


def _check_pixels(name: str, size: tuple[int, int]) -> None:
    width, height = size
    if width * height > MAX_PIXELS:
        raise BadImage(name, f"it is {width} x {height} pixels; at most {MAX_PIXELS:,} are decoded")


def _flatten(image: Image.Image, preprocess: Preprocess) -> Image.Image:
    """Return a picture of 8 bits a channel without transparency, in mode "L" or "RGB"."""
    if image.mode.startswith("I"):
        return _scale_sixteen_bits(image, preprocess)
    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers of no known range")
    if image.has_transparency_data:
        solid = Image.new("RGBA", image.size, (*preprocess.alpha, 255))
        return Image.alpha_composite(solid, image.convert("RGBA")).convert("RGB")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def _scale_sixteen_bits(image: Image.Image, preprocess: Preprocess) -> Image.Image:
    """Map grey 0..65535 to 0..255; Pillow's own conversion would cut everything above 255 off at white."""
    grey = np.asarray(image)
    if grey.min() < 0 or grey.max() > 65535:
        raise ValueError(f"its grey goes from {grey.min()} to {grey.max()}; 16 bits end at 65535")
    scaled = Image.fromarray(((grey.astype(np.uint32) + 128) // 257).astype(np.uint8))
    clear = image.info.get("transparency")
    if clear is None:
        return scaled
    mask = Image.fromarray(np.where(grey == clear, 0, 255).astype(np.uint8))
    return Image.composite(scaled.convert("RGB"), Image.new("RGB", image.size, preprocess.alpha), mask)
