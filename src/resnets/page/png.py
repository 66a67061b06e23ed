"""PNG: pixels as a picture within a page (ISO/IEC 15948), without an image library."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np
import numpy.typing as npt


def data_uri(kind: str, data: bytes) -> str:
    """Return the bytes of a picture as a data: URI; `kind` is jpeg, png or webp."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Return (H, W, 4) red, green, blue and opacity as a PNG."""
    height, width, _ = pixels.shape
    rows = np.zeros((height, 1 + 4 * width), np.uint8)  # each row begins with its filter: 0, none
    rows[:, 1:] = pixels.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)  # 8 bits; colour with opacity
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
