"""Thumbnail: a picture as small as a page shows it, within the page."""

from __future__ import annotations

import io

from PIL import Image

from resnets.page.png import data_uri

SIDE = 128
"""Pixels of the longer side."""

TINY = 64
"""Pixels up to which a picture is kept as it is, to the pixel, and the page enlarges it."""


def thumbnail(image: Image.Image) -> str:
    """Return a data: URI of a picture of any mode: a PNG of one up to `TINY` pixels, or a JPEG of up to `SIDE`."""
    picture = image.convert("RGB")
    stream = io.BytesIO()
    if is_tiny(image):
        picture.save(stream, "PNG")
        return data_uri("png", stream.getvalue())
    scale = min(1.0, SIDE / max(picture.size))
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    picture.resize(size, Image.Resampling.LANCZOS).save(stream, "JPEG", quality=82)
    return data_uri("jpeg", stream.getvalue())


def is_tiny(image: Image.Image) -> bool:
    """Say whether a picture's pixels are to be seen as they are."""
    return max(image.size) <= TINY
