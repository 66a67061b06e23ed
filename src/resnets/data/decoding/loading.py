"""Loading: from the bytes of a picture file to its pixels as they are stored, within limits set beforehand."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from resnets.data.decoding.orientation import TAG, orientation, turned_back
from resnets.data.decoding.quiet import quiet
from resnets.data.decoding.signature import kind, why_unreadable
from resnets.data.errors import BadImage
from resnets.files import bounded
from resnets.files.errors import FileError
from resnets.spec.preprocess import Preprocess

MAX_BYTES = 256 << 20
"""Of a file: a quarter of a gigabyte holds any photograph of `MAX_PIXELS`, even uncompressed."""

MAX_PIXELS = 1 << 26
"""Of a picture: 67 million hold those of a 64-megapixel phone. Checked on the header, before a pixel is decoded.

The most that a decoder sets aside is 12 bytes a pixel (progressive CMYK JPEG: 8 of coefficients and 4 of pixels),
so that it stays below 1 GiB together with the file.
"""

MAX_WEBP_PIXELS = 44_739_242
"""Of a WebP, for which libwebp and Pillow set aside 16 bytes a pixel: its canvas, the one before, and two copies."""

MAX_ANIMATION = 1 << 29
"""Pixels that may have to be decoded to reach a frame of an animation, each of whose frames builds on the last."""

_ANIMATIONS = ("GIF", "PNG", "WEBP")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A picture in the pixels and at the turn that its file has."""

    image: Image.Image
    bits: int  # of one sample in the file
    is_white_zero: bool  # and Pillow has not turned it round
    orientation: int  # 1 to 8


@contextmanager
def declared(name: str) -> Iterator[None]:
    """Let `BadImage` out, and make one of everything else."""
    try:
        with quiet():
            yield
    except BadImage:
        raise
    # Decoders of hostile bytes raise whatever they met: OSError, SyntaxError, struct.error, MemoryError ...
    except Exception as error:
        raise BadImage(name, f"{type(error).__name__}: {str(error)[:200]}") from error


def contents(source: str | Path | bytes) -> tuple[str, bytes]:
    """Return what to call a file, and its bytes; raise `BadImage` where it is absent or too large."""
    if isinstance(source, bytes):
        if len(source) > MAX_BYTES:
            raise BadImage("image", f"it has {len(source):,} bytes; at most {MAX_BYTES:,} are read")
        return "image", source
    try:
        return str(source), bounded.read(source, MAX_BYTES)
    except FileError as error:
        raise BadImage(str(source), str(error)) from error


def loaded(name: str, data: bytes, preprocess: Preprocess) -> Loaded:
    """Return the preprocess's frame of a picture, decoded. Raises whatever a decoder raises; see `declared`."""
    formats = [name for name in preprocess.formats if name != "NPY"]
    try:
        image = Image.open(io.BytesIO(data), formats=formats)
    except UnidentifiedImageError:
        found = kind(data)
        fault = _fault(data, found) if found in formats else None
        raise BadImage(name, why_unreadable(data, preprocess.formats, fault)) from None
    except Image.DecompressionBombError:  # Pillow's own limit, which lies above ours
        raise BadImage(
            name, f"its header says it has more than {MAX_PIXELS:,} pixels, the most that are decoded"
        ) from None
    check_pixels(name, image.size, image.format)
    _seek(name, image, preprocess.frame)
    check_pixels(name, image.size, image.format)
    bits, is_white_zero, way_up = 8, False, 1
    if image.format == "PNG":
        bits = data[24]  # in the header, which comes first (PNG, section 11.2.1)
    elif image.format == "PPM":
        bits = 16 if image.mode == "I" else 8
    elif image.format == "TIFF":
        tags = image.tag_v2  # type: ignore[attr-defined]
        bits = max(tags.get(_BITS, (1,)))
        is_white_zero = bits > 8 and tags.get(_PHOTOMETRIC) == 0
        way_up = tags.get(TAG, 1)
    image.load()
    if image.format == "TIFF":  # which Pillow has turned upright by now, whatever is asked for
        return Loaded(turned_back(image, way_up), bits, is_white_zero, way_up)
    return Loaded(image, bits, False, orientation(image.info.get("exif")))


def _fault(data: bytes, kind: str | None) -> str:
    """Return what the reader of a format has against a file of it, which `Image.open` keeps to itself."""
    try:
        Image.OPEN[kind or ""][0](io.BytesIO(data), "")
    except Exception as error:
        return str(error)[:100] or type(error).__name__
    return "it is none after all"


_BITS, _PHOTOMETRIC = 258, 262  # TIFF 6.0, section 8


def check_pixels(name: str, size: tuple[int, int], kind: str | None) -> None:
    """Raise `BadImage` for a (width, height) that is not decoded."""
    width, height = size
    limit = MAX_WEBP_PIXELS if kind == "WEBP" else MAX_PIXELS
    if width * height > limit:
        raise BadImage(name, f"it is {width} x {height} pixels; at most {limit:,} are decoded")


def _seek(name: str, image: Image.Image, frame: int) -> None:
    # A PNG may hold a picture for those who do not know animations, which is none of its frames then.
    first = 1 if image.info.get("default_image") else 0
    if frame == 0 and not first:
        return
    frames = getattr(image, "n_frames", 1) - first
    if frame >= frames:
        raise BadImage(name, f"it has {frames} frame{'s' * (frames != 1)}; there is no frame {frame}, counted from 0")
    pixels = image.width * image.height * (frame + 1)
    if image.format in _ANIMATIONS and pixels > MAX_ANIMATION:
        raise BadImage(name, f"frame {frame} comes after {pixels:,} pixels; at most {MAX_ANIMATION:,} are decoded")
    try:
        image.seek(frame + first)
    except EOFError:
        raise BadImage(name, f"it says that it has {frames} frames, and ends before frame {frame}") from None
