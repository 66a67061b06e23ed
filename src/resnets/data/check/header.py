"""Header: what a file says of itself before a pixel is decoded, and what a file is that is no picture."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from enum import IntFlag
from pathlib import PurePath

from PIL import Image, ImageCms

from resnets.data.decoding.orientation import TAG, TURNS, orientation
from resnets.data.decoding.quiet import quiet
from resnets.data.decoding.signature import kind
from resnets.spec.preprocess import FORMATS


class Oddity(IntFlag):
    """What is unusual about a file; the value is a bit of `facts`, so it is never given another meaning."""

    UNREADABLE = 1
    WRONG_ENDING = 2
    CMYK = 4
    PALETTE = 8
    ALPHA = 16
    SIXTEEN_BIT = 32
    FLOATING = 64
    ANIMATED = 128
    SIDEWAYS = 256
    PROFILE = 512
    GREY = 1024
    CONSTANT = 2048


@dataclass(frozen=True, slots=True)
class Header:
    """A file's format by its contents, and what is odd about it."""

    format: str
    oddities: Oddity
    orientation: int = 1


_MODES = {
    "CMYK": Oddity.CMYK,
    "P": Oddity.PALETTE,
    "PA": Oddity.PALETTE | Oddity.ALPHA,
    "LA": Oddity.ALPHA,
    "RGBA": Oddity.ALPHA,
    "RGBa": Oddity.ALPHA,
    "La": Oddity.ALPHA,
    "F": Oddity.FLOATING,
    "I": Oddity.SIXTEEN_BIT,
    "1": Oddity.GREY,
    "L": Oddity.GREY,
}

_PILLOW_FORMATS = tuple(name for name in FORMATS if name != "NPY")

_SAME_FORMAT = {"MPO": "JPEG"}
"""A phone's JPEG with a second one behind it, which is read as the first."""

_NO_PICTURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"version https://git-lfs", "a Git LFS pointer; fetch the file itself: git lfs pull"),
    (0, b"\0\x05\x16\x07", "what a Mac keeps beside a file (AppleDouble); remove it"),
    (4, b"ftypisom", "a video (MP4)"),
    (4, b"ftypmp4", "a video (MP4)"),
    (4, b"ftypqt", "a video (QuickTime)"),
)
"""Where a kind of file that comes among pictures has its mark, the mark, and what to call it."""


def read_header(data: bytes, name: str) -> Header | None:
    """Return what a picture's header says, or None where it cannot be read; `name` gives the ending.

    Every format is looked at, those that the data set does not allow too: a GIF called .jpg is a GIF.
    """
    if data.startswith(b"\x93NUMPY"):
        return Header("NPY", _ending_oddity(name, "NPY"))
    try:
        with quiet(), Image.open(io.BytesIO(data), formats=_PILLOW_FORMATS) as image:
            return _header(image, data, name)
    except Exception:  # as for decoding: hostile bytes raise whatever they met
        return None


def contents(data: bytes) -> str | None:
    """Return what the bytes of a file that is no picture are, as a sentence says it; None where that is unknown."""
    if not data:
        return "nothing: the file is empty"
    if not data.strip(b"\0"):
        return f"{len(data):,} zero bytes, as a copy that was broken off leaves behind"
    for place, mark, what in _NO_PICTURES:
        if data.startswith(mark, place):
            return what
    start = data[:4096]
    if start.lstrip()[:1] == b"<":
        return "text (HTML or XML), such as the page of a failed download"
    if kind(data) is None and _is_utf8(start) and all(byte in b"\t\n\r\f\x1b" or byte >= 32 for byte in start):
        return "text"
    return None


def _header(image: Image.Image, data: bytes, name: str) -> Header:
    form = _SAME_FORMAT.get(str(image.format), str(image.format))
    odd = _MODES.get(image.mode, Oddity(0)) | _ending_oddity(name, form)
    if image.mode.startswith("I") or _bits(image, data, form) > 8:
        odd |= Oddity.SIXTEEN_BIT
    if image.has_transparency_data:
        odd |= Oddity.ALPHA
    if image.format != "MPO" and getattr(image, "is_animated", False):
        odd |= Oddity.ANIMATED
    exif = image.info.get("exif")
    if exif is None and form == "TIFF":
        said = getattr(image, "tag_v2", {}).get(TAG, 1)
        turned = said if said in TURNS else 1
    else:
        turned = orientation(exif)
    if turned != 1:
        odd |= Oddity.SIDEWAYS
    if _has_other_profile(image.info.get("icc_profile")):
        odd |= Oddity.PROFILE
    return Header(form, odd, turned)


def _ending_oddity(name: str, form: str) -> Oddity:
    ending = PurePath(name).suffix.lower()
    known = any(ending in endings for endings in FORMATS.values())
    return Oddity.WRONG_ENDING if known and ending not in FORMATS.get(form, ()) else Oddity(0)


def _bits(image: Image.Image, data: bytes, form: str) -> int:
    """Return the bits of a channel where the mode hides them: Pillow gives 16-bit colour as RGB of 8."""
    if form == "PNG" and data[12:16] == b"IHDR" and len(data) > 24:
        return data[24]
    if form == "TIFF":
        bits = getattr(image, "tag_v2", {}).get(258, (8,))  # BitsPerSample (TIFF 6.0, section 8)
        return int(max(bits if isinstance(bits, tuple) else (bits,)))
    return 8


def _has_other_profile(profile: object) -> bool:
    """Say whether an embedded colour profile is readable and another one than sRGB."""
    if not isinstance(profile, bytes) or len(profile) < 132:
        return False
    (space,) = struct.unpack_from("4s", profile, 16)
    if space == b"GRAY":
        return False
    try:
        said = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile)))
    except Exception:  # a damaged profile is ignored by every reader
        return False
    return "srgb" not in said.lower() and "iec61966-2" not in said.lower()


def _is_utf8(start: bytes) -> bool:
    try:
        start.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start >= len(start) - 3  # cut inside a letter
    return True
