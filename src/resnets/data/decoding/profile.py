"""Profile: what a picture's numbers mean as colours, and the same colours in sRGB.

A picture may carry an ICC profile; a PNG may say it with gAMA and cHRM instead (PNG, third edition, sections 11.3.2.1
and 11.3.2.2), of which an ICC profile is made here. As browsers do, a profile that cannot be used is ignored: one
that is damaged, too long, or made for another kind of pixels than the picture's. So is one that is sRGB to within
1 in 255, as most are: such pictures are left as they are, to the bit.
"""

from __future__ import annotations

import io
import struct
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

Kind = Literal["L", "RGB", "CMYK"]
"""Of pixels, by Pillow's mode."""

LONGEST = 4 << 20
"""Bytes of a profile; those of printing presses, with the largest tables, have about two million."""

_SPACES = {"L": "GRAY", "RGB": "RGB ", "CMYK": "CMYK"}
_CLASSES = ("mntr", "scnr", "prtr", "spac")  # describe colours; the others name single ones, or change them
_KEPT = 8  # profiles at a time: those of one camera are all the same

Matrix = npt.NDArray[np.float64]


def profile_of(image: Image.Image, kind: Kind) -> bytes | None:
    """Return the ICC profile to take an opened picture's pixels to sRGB with; None where they stay as they are.

    An ICC profile comes before the sRGB chunk of a PNG, and that before gAMA and cHRM, as the format has it.
    """
    embedded = image.info.get("icc_profile")
    if isinstance(embedded, bytes) and _usable(embedded, kind):
        return embedded if any(_moves(embedded, usable) for usable in _usable(embedded, kind)) else None
    gamma = image.info.get("gamma")
    if image.format != "PNG" or "srgb" in image.info or not gamma or kind == "CMYK":
        return None
    try:
        made = _made(gamma, image.info.get("chromaticity") or _SRGB)
    except (np.linalg.LinAlgError, struct.error, OverflowError, ValueError, ZeroDivisionError):
        return None  # primaries on one line, or numbers that no profile can hold
    return made if _usable(made, kind) and _moves(made, "RGB") else None


def to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Return a picture of mode "L", "RGB" or "CMYK" in sRGB, in mode "RGB", by a profile from `profile_of`."""
    (kind,) = _usable(profile, image.mode)
    transform = _transform(profile, kind)
    assert transform is not None
    seen = ImageCms.applyTransform(image if image.mode == kind else image.convert(kind), transform)
    assert seen is not None
    return seen


def _usable(profile: bytes, kind: str) -> tuple[str, ...]:
    """Return the kind of pixels that the profile takes for pixels of a kind: their own, or RGB for grey; or none."""
    kinds = ("L", "RGB") if kind == "L" else (kind,)
    return next(((taken,) for taken in kinds if _transform(profile, taken) is not None), ())


@lru_cache(_KEPT * 3)
def _transform(profile: bytes, kind: str) -> ImageCms.ImageCmsTransform | None:
    """Return what takes pixels of a kind to sRGB; None for a profile that cannot.

    The intent is perceptual, the profile's own first choice; for profiles without tables all are one.
    """
    if len(profile) > LONGEST:
        return None
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        facts = opened.profile
        if facts.xcolor_space != _SPACES[kind] or facts.device_class not in _CLASSES:
            return None
        return ImageCms.buildTransform(opened, ImageCms.createProfile("sRGB"), kind, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):  # littlecms found it damaged
        return None


@lru_cache(_KEPT * 3)
def _moves(profile: bytes, kind: str) -> bool:
    """Say whether any of a few hundred colours comes out more than 1 in 255 from where it was."""
    if kind == "CMYK":
        return True
    if kind == "L":
        ramp = np.arange(256, dtype=np.uint8)
        colours = np.stack([ramp] * 3, axis=-1)[np.newaxis]
        image = Image.fromarray(ramp[np.newaxis])
    else:
        levels = np.linspace(0, 255, 8).astype(np.uint8)
        colours = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(1, -1, 3)
        image = Image.fromarray(colours)
    return bool(np.abs(np.asarray(to_srgb(image, profile)).astype(int) - colours).max() > 1)


_SRGB = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
"""x and y of white, red, green and blue (IEC 61966-2-1)."""

_D50 = np.array([0.9642, 1.0, 0.8249])  # white of every ICC profile (ICC.1:2022, 7.2.16)
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
"""Cone responses, in which white points are adapted (ICC.1:2022, annex E)."""


def _made(gamma: float, chromaticity: tuple[float, ...]) -> bytes:
    """Return an ICC profile (ICC.1:2022, section 7) of an exponent and of white, red, green and blue."""
    columns = _primaries(chromaticity)
    xyz = [b"XYZ \0\0\0\0" + _fixed(column) for column in (*columns.T, _D50)]
    curve = b"para\0\0\0\0\0\0\0\0" + _fixed(np.array([1 / gamma]))
    bodies = [*xyz, curve]
    names = [b"rXYZ", b"gXYZ", b"bXYZ", b"wtpt", b"rTRC", b"gTRC", b"bTRC"]
    start = 128 + 4 + 12 * len(names)
    places = [start + 20 * n for n in range(len(bodies))]
    table = [(name, places[min(n, 4)], len(bodies[min(n, 4)])) for n, name in enumerate(names)]
    tags = struct.pack(">I", len(table)) + b"".join(struct.pack(">4sII", *row) for row in table)
    rest = tags + b"".join(bodies)
    header = struct.pack(
        ">I4sI4s4s4s12s4s28s12s48s",
        *(128 + len(rest), b"", 0x04300000, b"mntr", b"RGB ", b"XYZ ", b"", b"acsp", b"", _fixed(_D50), b""),
    )
    return header + rest


def _primaries(chromaticity: tuple[float, ...]) -> Matrix:
    """Return the XYZ of red, green and blue under D50, one to a column."""
    white, red, green, blue = (
        np.array([x / y, 1.0, (1 - x - y) / y]) for x, y in zip(chromaticity[::2], chromaticity[1::2], strict=True)
    )
    primaries = np.stack([red, green, blue], axis=1)
    primaries = primaries * np.linalg.solve(primaries, white)  # together they are white
    cones = np.diag((_BRADFORD @ _D50) / (_BRADFORD @ white))
    adapted: Matrix = np.linalg.inv(_BRADFORD) @ cones @ _BRADFORD @ primaries
    return adapted


def _fixed(values: npt.NDArray[np.float64]) -> bytes:
    """Return numbers as s15Fixed16."""
    return struct.pack(f">{len(values)}i", *(round(float(value) * 65536) for value in values))
