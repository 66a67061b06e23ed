"""Signature: what a file is, by its first bytes; its name decides nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from resnets.spec.preprocess import FORMATS

_STARTS: Mapping[bytes, str] = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"\x93NUMPY": "NPY",
    b"\0\0\0\x0cjP  ": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"\0\0\1\0": "ICO",
    b"8BPS": "PSD",
    b"%PDF": "PDF",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"PK\3\4": "ZIP",
    b"\x1f\x8b": "gzip",
    b"<": "SVG, XML or HTML",
    b"BM": "BMP",
    **{b"P%d" % digit: "PPM" for digit in range(1, 7)},
}
"""The first bytes of a file and what it is then: a format by Pillow's name, or in words what we do not read."""

_BRANDS: Mapping[bytes, str] = {b"avif": "AVIF", b"avis": "AVIF", b"heic": "HEIC", b"heix": "HEIC", b"mif1": "HEIC"}


def kind(data: bytes) -> str | None:
    """Return what the bytes of a file begin like, by Pillow's name of the format where we have one, or None."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        return _BRANDS.get(data[8:12])
    return next((kind for start, kind in _STARTS.items() if data.startswith(start)), None)


def why_unreadable(data: bytes, formats: Sequence[str], fault: str | None) -> str:
    """Return the sentence that says why bytes, which no reader of these formats knew, are refused.

    `fault` is what the reader of the format they begin like has against them.
    """
    found = kind(data)
    if not data:
        why = "the file is empty"
    elif found is None:
        why = f"it begins with {data[:8]!r}, as no format does that is read"
    elif found not in FORMATS:
        why = f"it is {found}, which is not read; convert it to PNG or JPEG"
    elif found not in formats:
        why = f"it is {found}, which the preprocess does not name among its formats"
    else:
        why = f"it begins like {found} and is damaged ({fault})"
    return f"it is no readable {' or '.join(formats)} image: {why}"
