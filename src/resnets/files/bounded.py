"""Bounded reading: never more bytes in memory than the caller has said a file may have."""

from __future__ import annotations

import zlib
from pathlib import Path

from resnets.files.byte_ranges import length, opened
from resnets.files.errors import FileError

_PIECE = 1 << 14  # compressed bytes at a time: what follows a member is copied, and members may be many
_CHUNK = 1 << 20  # unpacked bytes at a time


def read(path: str | Path, limit: int) -> bytes:
    """Return the contents of a file of at most `limit` bytes.

    Raises `FileError` for a file that is absent, unreadable, larger, or no regular file (a pipe or a device
    could deliver bytes for ever).
    """
    path = Path(path)
    with opened(path) as file:
        size = length(file)
        if size > limit:
            raise FileError(f"{path} has {size:,} bytes; at most {limit:,} are read")
        data = file.read(size + 1)  # Python sets as much memory aside as is asked for
    if len(data) > size:
        raise FileError(f"{path} grew while it was read; wait until it is whole")
    return data


def gunzip(source: str | Path | bytes, limit: int) -> bytes:
    """Return what a gzip file, given as a path or as its bytes, holds, up to `limit` bytes.

    Raises `FileError` when it is not gzip, is cut short or damaged, or holds more than `limit`: a small file
    can unpack to terabytes, so unpacking stops there.
    """
    name = "these bytes" if isinstance(source, bytes) else str(source)
    # Deflate never grows data by as much as a thousandth, so a larger file holds more than the limit.
    data = source if isinstance(source, bytes) else read(source, limit + limit // 1000 + _CHUNK)
    unpacked = bytearray()
    start = 0
    while True:
        start = _member(name, data, start, unpacked, limit)
        # gzip itself allows zeros after the last member
        if start == len(data) or (data[start] == 0 and not data[start:].strip(b"\0")):
            return bytes(unpacked)


def _member(name: str, data: bytes, start: int, unpacked: bytearray, limit: int) -> int:
    """Unpack the gzip member at `start` onto `unpacked`; return where the next one would start."""
    magic = data[start : start + 2]
    if magic != b"\x1f\x8b":
        raise FileError(f"{name} is not gzip: byte {start:,} has {magic.hex(' ') or 'nothing'}, not 1f 8b")
    engine = zlib.decompressobj(wbits=31)  # 31: a gzip header and checksum around deflate
    while not engine.eof:
        piece = data[start : start + _PIECE]
        try:
            chunk = engine.decompress(piece, _CHUNK)
        except zlib.error as error:
            raise FileError(f"{name} is damaged: {error}; fetch it again") from None
        start += len(piece) - len(engine.unconsumed_tail) - len(engine.unused_data)
        unpacked += chunk
        if len(unpacked) > limit:
            raise FileError(f"{name} unpacks to more than the {limit:,} bytes it may have")
        if not piece and not chunk and not engine.eof:
            raise FileError(f"{name} is cut short: it ends after {len(unpacked):,} unpacked bytes; fetch it again")
    return start
