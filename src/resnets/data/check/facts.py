"""Facts: everything the rules ask about one picture, in one row of numbers, so that a million fit in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from resnets.data.check.hashes import SIDE, THUMB, hashes, shrink, shrink_arrays, thumbs
from resnets.data.check.header import Oddity, contents, read_header
from resnets.data.decoding.decode import decode
from resnets.data.decoding.signature import kind
from resnets.data.errors import BadImage
from resnets.data.source import ArraySource, Source
from resnets.spec.preprocess import FORMATS, Preprocess

VERSION = 1
"""Of what the numbers below mean; a cache of another version is made again."""

FACTS = np.dtype(
    [
        ("width", "<u4"),  # the right way up
        ("height", "<u4"),
        ("odd", "<u4"),  # bits of `Oddity`
        ("format", "u1"),  # a place in `FORMATS`, counted from 1; 0 where it is unknown
        ("orientation", "u1"),
        ("dark", "u1"),  # grey that one pixel in two hundred is below
        ("bright", "u1"),  # grey that one pixel in two hundred is above
        ("file", "<u8"),  # the start of the sha256 of the file's bytes; 0 for an array
        ("pixels", "<u8", (2,)),  # the start of the sha256 of the decoded pixels and their size
        ("hash", "<u8"),
        ("mirrored", "<u8"),  # the hash of the mirror image
        ("thumb", "u1", (THUMB, THUMB)),
    ]
)

Row = npt.NDArray[Any]

_FORMAT_NUMBERS: Mapping[str, int] = {name: number for number, name in enumerate(FORMATS, 1)}
_TAIL = 0.005
_CONSTANT_SPREAD = 2  # grey levels: what saving one colour as JPEG may do to it
_BLOCK = 512  # pictures of an array at a time


def policy_for_facts(preprocess: Preprocess) -> Preprocess:
    """Return the policy that pictures are looked at with: the model's for files, in colour and exact."""
    if preprocess.colour == "bands":
        return preprocess
    return replace(preprocess, colour="rgb", mean=(0.0,), std=(1.0,), decoding="exact")


def facts_of(source: Source, index: int, policy: Preprocess) -> tuple[Row, str]:
    """Return one picture's facts as a () row of `FACTS`, and why it cannot be read ("" where it can)."""
    row = np.zeros((), FACTS)
    name = source.name(index)
    raw: bytes | npt.NDArray[np.uint8] | None = None
    try:
        raw = source.raw(index)
        if isinstance(raw, bytes):
            row["file"] = _digest(raw)[0]
            header = read_header(raw, name)
            if header is not None:
                row["odd"], row["orientation"] = int(header.oddities), header.orientation
                row["format"] = _FORMAT_NUMBERS.get(header.format, 0)
        _look(row, pixels_of(raw, policy))
    except BadImage as error:
        row["odd"] |= int(Oddity.UNREADABLE)
        return row, _reason(error, raw, policy)
    return row, ""


def facts_of_arrays(source: ArraySource) -> Row:
    """Return the facts of all pictures of an array: (N,) rows of `FACTS`."""
    rows = np.zeros(len(source), FACTS)
    rows["height"], rows["width"] = source.size
    for start in range(0, len(source), _BLOCK):
        block = rows[start : start + _BLOCK]
        pixels = np.ascontiguousarray(source.pixels[start : start + _BLOCK])
        for row, picture in zip(block, pixels, strict=True):
            row["pixels"] = _digest(np.array(picture.shape, "<u4").tobytes() + picture.tobytes())
        grey = grey_of(pixels)
        flat = np.sort(grey.reshape(len(grey), -1), axis=1)
        place = int(_TAIL * (flat.shape[1] - 1))
        block["dark"], block["bright"] = flat[:, place], flat[:, -1 - place]
        spread = pixels.reshape(len(pixels), -1, source.channels)
        constant = (spread.max(axis=1) - spread.min(axis=1)).max(axis=1) <= _CONSTANT_SPREAD
        block["odd"] = constant * int(Oddity.CONSTANT) | int(Oddity.GREY if source.channels == 1 else 0)
        small = shrink_arrays(grey, SIDE)
        block["hash"], block["mirrored"] = hashes(small)
        block["thumb"] = thumbs(small)
    return rows


def pixels_of(raw: bytes | npt.NDArray[np.uint8], policy: Preprocess) -> Image.Image | npt.NDArray[np.uint8]:
    """Return one picture as it is compared: of mode "L" or "RGB", or the (H, W, C) bytes of its bands."""
    if not isinstance(raw, bytes):
        return Image.fromarray(raw[:, :, 0] if raw.shape[2] == 1 else raw) if raw.shape[2] in (1, 3) else raw
    if policy.colour != "bands":
        return decode(raw, policy)
    from resnets.data.decoding.decode import decode_bands

    bands = decode_bands(raw, policy)
    return np.ascontiguousarray(bands if bands.dtype == np.uint8 else np.clip(bands, 0, 255).astype(np.uint8))


def grey_of(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return (..., C) pixels as grey (...): ITU-R 601-2 for three channels, the mean for any other number."""
    if pixels.shape[-1] == 1:
        return pixels[..., 0]
    if pixels.shape[-1] == 3:
        weighed = pixels @ np.array([19595, 38470, 7471], np.uint32) + 0x8000
        return np.asarray(weighed >> 16, np.uint8)
    return np.asarray(pixels.mean(axis=-1).round(), np.uint8)


def grey_image(picture: Image.Image | npt.NDArray[np.uint8]) -> Image.Image:
    """Return a picture in mode "L"."""
    return picture.convert("L") if isinstance(picture, Image.Image) else Image.fromarray(grey_of(picture))


def _look(row: Row, picture: Image.Image | npt.NDArray[np.uint8]) -> None:
    grey = grey_image(picture)
    row["width"], row["height"] = grey.size
    if isinstance(picture, Image.Image):
        coloured = picture.convert("RGB")  # so that grey pixels saved in colour are the same picture
        spread = int(np.ptp(np.array(coloured.getextrema()), axis=1).max())
        data = coloured.tobytes()
    else:
        spread = int((picture.max(axis=(0, 1)) - picture.min(axis=(0, 1))).max())
        data = picture.tobytes()
    row["pixels"] = _digest(np.array(grey.size, "<u4").tobytes() + data)
    if spread <= _CONSTANT_SPREAD:
        row["odd"] |= int(Oddity.CONSTANT)
    counts = np.cumsum(grey.histogram())
    row["dark"] = np.searchsorted(counts, _TAIL * counts[-1], side="right")
    row["bright"] = min(255, int(np.searchsorted(counts, (1 - _TAIL) * counts[-1], side="left")))
    small = np.asarray(shrink(grey, SIDE))[None]
    (row["hash"],), (row["mirrored"],) = hashes(small)
    row["thumb"] = thumbs(small)[0]


def _digest(data: bytes) -> npt.NDArray[np.uint64]:
    return np.frombuffer(hashlib.sha256(data).digest()[:16], "<u8")


def _reason(error: BadImage, raw: bytes | npt.NDArray[np.uint8] | None, policy: Preprocess) -> str:
    """Return the decoder's reason, and what the file really holds where that is no picture to be read."""
    if not isinstance(raw, bytes):  # the file itself could not be read
        return error.reason
    held = contents(raw)
    if held is not None:
        return f"it holds {held}"
    form = kind(raw)
    if form in FORMATS and form not in policy.formats:
        return (
            f"it is {form}, which is not among the formats that are read; add it with --read formats=..., or convert it"
        )
    return error.reason
