"""Encoded: a small picture in every form that a decoder may meet, made here."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

from resnets.data.decoding.profile import _made

PNG_START = b"\x89PNG\r\n\x1a\n"
SIDEWAYS = Image.Exif()
SIDEWAYS[0x0112] = 6
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
WIDE = (0.3127, 0.3290, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)
"""x and y of white, red, green and blue of Display P3."""
WIDE_PROFILE = _made(1 / 2.2, WIDE)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """The file that Pillow writes."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def photo(width: int = 96, height: int = 80) -> Image.Image:
    """Smooth in all channels, with a little noise."""
    rows, columns = np.mgrid[0:height, 0:width]
    waves = [rows * 255 / height, columns * 255 / width, 127 + 120 * np.sin(rows / 9) * np.cos(columns / 7)]
    noise = np.random.default_rng(0).normal(0, 3, (height, width, 3))
    return Image.fromarray((np.stack(waves, axis=2) + noise).clip(0, 255).astype(np.uint8))


def chunk(name: bytes, body: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def with_chunk(png: bytes, name: bytes, body: bytes) -> bytes:
    """A PNG with a chunk more, behind its header."""
    return png[:33] + chunk(name, body) + png[33:]


def with_gamma(png: bytes, gamma: float, primaries: tuple[float, ...] = ()) -> bytes:
    """A PNG that says gAMA, and cHRM where there are primaries."""
    if primaries:
        png = with_chunk(png, b"cHRM", struct.pack(">8I", *(round(100_000 * value) for value in primaries)))
    return with_chunk(png, b"gAMA", struct.pack(">I", round(100_000 * gamma)))


def png(samples: npt.NDArray[Any], bits: int, colour: int, *more: bytes) -> bytes:
    """A PNG of samples (H, W) or (H, W, C) of any depth, written by hand; `colour` is the header's."""
    height, width = samples.shape[:2]
    if bits == 16:
        rows = [samples[y].astype(">u2").tobytes() for y in range(height)]
    else:
        each = np.unpackbits(samples.astype(np.uint8)[..., np.newaxis], axis=-1)[..., 8 - bits :]
        rows = [np.packbits(each[y].reshape(-1)).tobytes() for y in range(height)]
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return PNG_START + header + b"".join(more) + pixels + chunk(b"IEND", b"")


def grey_profile(gamma: float) -> bytes:
    """An ICC profile of grey."""
    white = struct.pack(">3i", 63190, 65536, 54061)
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    tags = struct.pack(">I4sII4sII", 2, b"kTRC", 156, len(curve), b"wtpt", 156 + len(curve), 20)
    rest = tags + curve + b"XYZ \0\0\0\0" + white
    kinds = (b"mntr", b"GRAY", b"XYZ ", b"", b"acsp", b"", white, b"")
    return struct.pack(">I4sI4s4s4s12s4s28s12s48s", 128 + len(rest), b"", 0x02400000, *kinds) + rest


def without_adobe(jpeg: bytes) -> bytes:
    """A JPEG without the marker in which Adobe says how CMYK is meant."""
    place = jpeg.index(b"\xff\xee\0\x0eAdobe")
    return jpeg[:place] + jpeg[place + 16 :]


def forms() -> dict[str, bytes]:
    """Files by what is odd about them, all of formats that browsers know too."""
    colour = photo()
    grey, palette, cmyk = colour.convert("L"), colour.quantize(64), colour.convert("CMYK")
    clear = colour.copy()
    clear.putalpha(grey)
    clear_grey, turned = clear.convert("LA"), colour.rotate(90, expand=False)
    deep = np.asarray(colour).astype(np.uint16) * 257 // 3 + 77
    deep[10:40, 10:40] = (0x1234, 0x5678, 0x9ABC)
    steps = np.arange(96 * 80).reshape(80, 96) % 16
    plain, animation = encoded(colour), {"save_all": True, "append_images": [turned]}
    grey_icc, wide = {"icc_profile": grey_profile(1.0)}, {"icc_profile": WIDE_PROFILE}
    return {
        "jpeg": encoded(colour, "JPEG"),
        "jpeg, colour in full": encoded(colour, "JPEG", subsampling=0),
        "jpeg, progressive": encoded(colour, "JPEG", progressive=True),
        "jpeg, grey": encoded(grey, "JPEG"),
        "jpeg, exif": encoded(colour, "JPEG", exif=SIDEWAYS),
        "jpeg, profile": encoded(colour, "JPEG", **wide),
        "jpeg, sRGB profile": encoded(colour, "JPEG", icc_profile=SRGB),
        "jpeg, damaged profile": encoded(colour, "JPEG", icc_profile=WIDE_PROFILE[:100]),
        "jpeg, profile of grey": encoded(colour, "JPEG", **grey_icc),
        "jpeg, grey, profile": encoded(grey, "JPEG", **grey_icc),
        "jpeg, grey, profile of colour": encoded(grey, "JPEG", **wide),
        "jpeg, CMYK": encoded(cmyk, "JPEG"),
        "jpeg, CMYK, no marker": without_adobe(encoded(cmyk, "JPEG")),
        "png": plain,
        "png, exif": encoded(colour, exif=SIDEWAYS),
        "png, palette": encoded(palette),
        "png, clear": encoded(clear),
        "png, clear grey": encoded(clear_grey),
        "png, profile": encoded(colour, **wide),
        "png, clear, profile": encoded(clear, **wide),
        "png, palette, profile": encoded(palette, **wide),
        "png, grey, profile": encoded(grey, **grey_icc),
        "png, clear grey, profile": encoded(clear_grey, **grey_icc),
        "png, grey, profile of colour": encoded(grey, **wide),
        "png, profile of grey": encoded(colour, **grey_icc),
        "png, gamma": with_gamma(plain, 1),
        "png, gamma 0": with_gamma(plain, 0),
        "png, gamma and primaries": with_gamma(plain, 0.55, WIDE),
        "png, gamma and another white": with_gamma(
            plain, 1 / 2.2, (0.3457, 0.3585, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)
        ),
        "png, gamma and no primaries": with_gamma(plain, 0.55, (0.3,) * 8),
        "png, gamma and sRGB": with_gamma(with_chunk(plain, b"sRGB", b"\0"), 1),
        "png, gamma and profile": with_gamma(encoded(colour, **wide), 1),
        "png, gamma and damaged profile": with_gamma(encoded(colour, icc_profile=WIDE_PROFILE[:90]), 1),
        "png, grey, gamma": with_gamma(encoded(grey), 1),
        "png, clear grey, gamma": with_gamma(encoded(clear_grey), 1),
        "png, primaries": with_chunk(plain, b"cHRM", struct.pack(">8I", *(round(1e5 * value) for value in WIDE))),
        "png, 16 bits": png(deep, 16, 2),
        "png, 16 bits, a clear colour": png(deep, 16, 2, chunk(b"tRNS", struct.pack(">3H", 0x1234, 0x5678, 0x9ABC))),
        "png, 16 bits, grey": png(deep[:, :, 0], 16, 0),
        "png, 16 bits, a clear grey": png(deep[:, :, 0], 16, 0, chunk(b"tRNS", b"\x12\x34")),
        "png, 16 bits, gamma": with_gamma(png(np.dstack([deep, deep[:, :, :1]]), 16, 6), 1),
        "png, 4 bits, a clear grey": png(steps, 4, 0, chunk(b"tRNS", b"\0\7")),
        "png, 2 bits, a clear grey": png(steps % 4, 2, 0, chunk(b"tRNS", b"\0\1")),
        "png, 1 bit, a clear grey": png(steps % 2, 1, 0, chunk(b"tRNS", b"\0\1")),
        "png, animation": encoded(colour, **animation),
        "webp": encoded(colour, "WEBP"),
        "webp, exif": encoded(colour, "WEBP", exif=SIDEWAYS),
        "webp, profile": encoded(colour, "WEBP", lossless=True, **wide),
        "webp, clear": encoded(clear, "WEBP"),
        "webp, clear, profile": encoded(clear, "WEBP", lossless=True, **wide),
        "webp, animation": encoded(colour, "WEBP", lossless=True, **animation),
        "gif, animation": encoded(colour, "GIF", **animation),
        "gif, a clear colour": encoded(clear.quantize(32), "GIF", transparency=0),
        "bmp": encoded(colour, "BMP"),
        "bmp, clear": encoded(clear, "BMP"),
        "bmp, palette": encoded(palette, "BMP"),
    }
