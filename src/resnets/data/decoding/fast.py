"""Fast: decoding for speed, within a measured distance of the reference path.

Three things differ from it. A JPEG at least twice as large as needed is decoded at 1/2, 1/4 or 1/8 of its size,
which libjpeg does in the frequency domain. libjpeg-turbo is called through simplejpeg where that is installed.
And pixels are resized by torch, whose filters on 8-bit numbers are Pillow's to within 1 in 255. What this does not
suit (no JPEG, CMYK, a colour profile to be applied, a file with a fault) is decoded the reference way.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from resnets.data.decoding.colour import to_colour
from resnets.data.decoding.decode import MAX_BYTES, MAX_PIXELS, decode
from resnets.data.decoding.geometry import Size, geometry
from resnets.data.decoding.orientation import orientation
from resnets.data.decoding.profile import Kind, profile_of
from resnets.data.decoding.quiet import quiet
from resnets.data.decoding.transform import fit
from resnets.spec.preprocess import Preprocess

Pixels = npt.NDArray[np.uint8]
"""(H, W, C)"""

Crop = Callable[[int, int], tuple[int, int, int, int]]
"""Chooses (left, top, width, height) of a picture, given its width and height once it is the right way up."""

SCALES = (8, 4, 2)
"""Parts of its size at which a JPEG is decoded: libjpeg-turbo is quick at these, and slow at the others it has."""

_TURNS: dict[int, Callable[[Pixels], Pixels]] = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: stored[::-1].swapaxes(0, 1),
    7: lambda stored: stored[::-1, ::-1].swapaxes(0, 1),
    8: lambda stored: stored[:, ::-1].swapaxes(0, 1),
}
"""What sets a stored picture upright, by its EXIF orientation."""


def fast_pixels(raw: bytes | Pixels, preprocess: Preprocess, crop: Crop | None = None) -> Pixels:
    """Return one picture as (C, H, W) uint8 of the preprocess's size; `crop` chooses a part that fills it.

    Raises `BadImage` for the pictures for which `decode` raises it, and for no others.
    """
    jpeg = _jpeg(raw, preprocess) if isinstance(raw, bytes) else None
    if jpeg is None:
        picture = _reference(raw, preprocess)
        size = _size(picture)
        box = crop(*size) if crop else None
    else:
        size = jpeg.size
        box = crop(*size) if crop else None
        decoded = jpeg.decode(_scale(size, box, preprocess))
        picture = _reference(raw, preprocess) if decoded is None else decoded
    high, wide = preprocess.size
    if box is not None:
        return _resize(_part(picture, box, size), (wide, high), preprocess)
    laid = geometry(size, preprocess)
    if preprocess.fit == "pad" or laid.resized[0] * laid.resized[1] > MAX_PIXELS:
        return fit(_image(picture), preprocess)
    resized = _resize(picture, laid.resized, preprocess)
    return resized[:, laid.top : laid.top + high, laid.left : laid.left + wide]


@dataclass(frozen=True, slots=True)
class _Jpeg:
    """A JPEG of which the header has been read."""

    data: bytes
    image: Image.Image  # opened, not decoded
    colour: str  # of what is wanted: "L" or "RGB"
    turn: int

    @property
    def size(self) -> Size:
        width, height = self.image.size
        return (height, width) if self.turn >= 5 else (width, height)

    def decode(self, scale: int) -> Pixels | None:
        """Return the picture, upright, at 1 / `scale` of its size; None where the file has a fault."""
        turbo = _simplejpeg()
        try:
            stored = self._by_pillow(scale) if turbo is None else self._by_simplejpeg(turbo, scale)
        except (ValueError, OSError, SyntaxError):
            return None
        return _TURNS[self.turn](stored)

    def _by_simplejpeg(self, turbo: ModuleType, scale: int) -> Pixels:
        width, height = (-(-side // scale) for side in self.image.size)
        grey = "GRAY" if self.colour == "L" else "RGB"
        # The smallest scale that gives at least so many pixels is the one that gives exactly so many.
        decoded: Pixels = turbo.decode_jpeg(self.data, colorspace=grey, min_width=width, min_height=height)
        return decoded

    def _by_pillow(self, scale: int) -> Pixels:
        width, height = self.image.size
        self.image.draft(self.colour, (width // scale, height // scale))
        return _array(self.image if self.image.mode == self.colour else self.image.convert(self.colour))


def _jpeg(data: bytes, preprocess: Preprocess) -> _Jpeg | None:
    """Return an ordinary JPEG's header; None for all that the reference way has to look at."""
    if not data.startswith(b"\xff\xd8") or len(data) > MAX_BYTES or "JPEG" not in preprocess.formats:
        return None
    if preprocess.frame:
        return None
    try:
        with quiet():
            image = Image.open(io.BytesIO(data), formats=("JPEG",))
    except Exception:  # whatever a hostile header raises, the reference way says what is wrong
        return None
    kinds: dict[str, Kind] = {"L": "L", "RGB": "RGB"}
    kind = kinds.get(image.mode)
    if kind is None or (preprocess.profile == "srgb" and profile_of(image, kind) is not None):
        return None
    if image.width * image.height > MAX_PIXELS:
        return None
    turn = orientation(image.info.get("exif")) if preprocess.exif else 1
    return _Jpeg(data, image, "L" if preprocess.colour == "grey" else "RGB", turn)


@cache
def _simplejpeg() -> ModuleType | None:
    try:
        import simplejpeg
    except ImportError:
        return None
    return simplejpeg  # type: ignore[no-any-return]


def _scale(size: Size, box: tuple[int, int, int, int] | None, preprocess: Preprocess) -> int:
    """Return the largest scale that leaves every pixel of the result at least one pixel to come from."""
    source = size if box is None else box[2:]
    high, wide = preprocess.size
    needed = (wide, high) if box is not None else geometry(size, preprocess).resized
    enough = (scale for scale in SCALES if source[0] >= scale * needed[0] and source[1] >= scale * needed[1])
    return next(enough, 1)


def _part(picture: Pixels, box: tuple[int, int, int, int], size: Size) -> Pixels:
    """Return the box, given in pixels of a picture of `size`, of that picture, which may have fewer pixels now."""
    left, top, width, height = box
    across, down = picture.shape[1] / size[0], picture.shape[0] / size[1]
    columns, rows = round(left * across), round(top * down)
    return picture[
        rows : max(round((top + height) * down), rows + 1), columns : max(round((left + width) * across), columns + 1)
    ]


def _resize(picture: Pixels, size: Size, preprocess: Preprocess) -> Pixels:
    """Return (C, H, W) of that (width, height)."""
    if _size(picture) == size:
        return np.array(picture.transpose(2, 0, 1), order="C")
    if preprocess.interpolation == "nearest" or not preprocess.antialias:
        from dataclasses import replace

        return fit(_image(picture), replace(preprocess, size=size[::-1], fit="squash", resize=None))
    packed = np.require(picture, requirements=("C", "W"))  # a pack's pixels are read only, which torch warns of
    planes = torch.from_numpy(packed).permute(2, 0, 1)[None]  # (1, C, H, W), channels last
    resized = torch.nn.functional.interpolate(
        planes, size=size[::-1], mode=preprocess.interpolation, antialias=True, align_corners=False
    )
    return resized[0].numpy()


def _reference(raw: bytes | Pixels, preprocess: Preprocess) -> Pixels:
    if isinstance(raw, bytes):
        return _array(decode(raw, preprocess))
    return raw if raw.shape[2] == preprocess.channels else _array(to_colour(_image(raw), preprocess))


def _array(image: Image.Image) -> Pixels:
    pixels = np.array(image)  # a copy, which torch may write to
    return pixels[:, :, np.newaxis] if pixels.ndim == 2 else pixels


def _image(pixels: Pixels) -> Image.Image:
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def _size(pixels: Any) -> Size:
    return pixels.shape[1], pixels.shape[0]
