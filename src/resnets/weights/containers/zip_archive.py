"""Zip archives seen safely: a table of members whose bytes are fetched where they lie; nothing is ever extracted.

Only what torch, numpy and Keras write is read: members stored or deflated, not encrypted, on one disk, each with bytes
of its own. The directory is read by `files.zip_entries`; what a weights file has more to fear is checked here.
"""

from __future__ import annotations

import itertools
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from resnets.files import byte_ranges
from resnets.files.errors import FileError
from resnets.files.zip_entries import DEFLATED, ZipEntry, directory, entries
from resnets.weights.containers.contents import MOST_HEADER_BYTES

MOST_MEMBERS = 20_000
"""In one archive: a member for each tensor, and some beside them."""


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an archive: its unpacked size in bytes, and where its packed bytes lie."""

    path: Path
    name: str
    size: int
    offset: int
    packed: int
    is_deflated: bool
    crc: int

    def read(self, limit: int) -> bytes:
        """Return the whole member, whose checksum is right; raise `FileError` where it has more than `limit` bytes."""
        if self.size > limit:
            raise FileError(f"{self.path}: {self.name} has {self.size:,} bytes; at most {limit:,} are read")
        data = self.read_range(0, self.size)
        if zlib.crc32(data) != self.crc:
            raise FileError(f"{self.path}: {self.name} is damaged (its checksum is wrong); fetch it again")
        return data

    def read_range(self, start: int, size: int) -> bytes:
        """Return `size` of the member's unpacked bytes from `start` on, whose checksum is not looked at.

        Memory stays near `size`, also where the member is deflated and what lies before has to be unpacked.
        """
        if start < 0 or size < 0 or start + size > self.size:
            raise FileError(f"{self.path}: {self.name} has {self.size:,} bytes, and no byte {start + size:,}")
        if not self.is_deflated:
            return byte_ranges.read_range(self.path, self.offset + start, size)
        with byte_ranges.opened(self.path) as file:
            return _inflate(self, file, start, size)


def open_archive(path: Path) -> dict[str, Member]:
    """Return the members of a zip archive by name, in its directory's order; folders are left out.

    Raises `FileError` for what is no zip archive or is damaged, for names that lead outside the archive or come
    twice, for members that share bytes, are encrypted, or are packed otherwise than by deflate.
    """
    with byte_ranges.opened(path) as file:
        try:
            members = _members(path, file)
        except FileError as error:
            raise FileError(f"{path} is not read as a zip archive: {error}") from None
    found: dict[str, Member] = {}
    for member in members:
        if member.name in found:
            raise FileError(f"{path} is not read as a zip archive: it has two members {member.name[:100]!r}")
        found[member.name] = member
    return {name: member for name, member in found.items() if not name.endswith("/")}


_LOCAL = struct.Struct("<4s5H3L2H")


def _members(path: Path, file: BinaryIO) -> list[Member]:
    """Return every entry of the directory, checked against the member's own header."""
    listed = directory(file, MOST_MEMBERS, MOST_HEADER_BYTES)
    spans: list[tuple[int, int]] = []
    members = []
    for entry in entries(listed):
        _check_name(entry.name)
        offset = _offset(file, entry)
        if offset + entry.packed > listed.start:
            raise FileError(f"{entry.name!r} says it has {entry.packed:,} bytes, more than there are")
        spans.append((entry.header, offset + entry.packed))
        is_deflated = entry.method == DEFLATED
        members.append(Member(path, entry.name, entry.size, offset, entry.packed, is_deflated, entry.crc))
    spans.sort()
    if any(end > following for (_, end), (following, _) in itertools.pairwise(spans)):
        raise FileError("two of its members share bytes")
    return members


def _check_name(name: str) -> None:
    parts = name.removesuffix("/").split("/")
    is_outside = "\\" in name or ":" in parts[0] or any(part in ("", ".", "..") for part in parts)
    if is_outside or not name.isprintable() or len(name) > 1024:
        raise FileError(f"a member is named {name[:100]!r}, which is no path inside an archive")


def _offset(file: BinaryIO, entry: ZipEntry) -> int:
    """Return where a member's bytes start, behind its own header, which must name the same member."""
    local = _LOCAL.unpack(byte_ranges.read_at(file, entry.header, _LOCAL.size))
    if local[0] != b"PK\3\4" or local[-2] != len(entry.raw) or file.read(len(entry.raw)) != entry.raw:
        raise FileError(f"{entry.name!r} is not where the directory says")
    return entry.header + _LOCAL.size + int(local[-2]) + int(local[-1])


_PIECE = 1 << 16


def _inflate(member: Member, file: BinaryIO, start: int, size: int) -> bytes:
    """Unpack until `start + size`, keeping only what was asked for."""
    engine = zlib.decompressobj(wbits=-15)  # deflate without a header
    kept = bytearray()
    skip, left = start, member.packed
    file.seek(member.offset)
    data = b""
    while len(kept) < size:
        if not data:
            data = file.read(min(_PIECE, left))
            left -= len(data)
        try:
            piece = engine.decompress(data, min(_PIECE, skip + size - len(kept)))
        except zlib.error as error:
            raise FileError(f"{member.path}: {member.name} is damaged ({error}); fetch it again") from None
        if not piece and not data:
            raise FileError(f"{member.path}: {member.name} unpacks to less than the {member.size:,} bytes it says")
        data = engine.unconsumed_tail
        kept += piece[skip:]
        skip -= min(skip, len(piece))
    return bytes(kept)
