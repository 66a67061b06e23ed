"""Zip archives seen safely: a table of members whose bytes are fetched where they lie; nothing is ever extracted.

The layout is PKWARE's APPNOTE 6.3.10. Only what torch, numpy and Keras write is read: members stored or
deflated, not encrypted, on one disk, each with bytes of its own.
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
from resnets.weights.containers.contents import MOST_HEADER_BYTES

MOST_MEMBERS = 20_000
"""In one archive: a member for each tensor, and some beside them."""

DEFLATE_RATIO = 1032
"""Deflate packs at most 258 bytes into two bits; a member that says it unpacks to more is lying."""


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
            start, directory, count = _directory(file)
            members = _members(path, file, start, directory, count)
        except FileError as error:
            raise FileError(f"{path} is not read as a zip archive: {error}") from None
    found: dict[str, Member] = {}
    for member in members:
        if member.name in found:
            raise FileError(f"{path} is not read as a zip archive: it has two members {member.name[:100]!r}")
        found[member.name] = member
    return {name: member for name, member in found.items() if not name.endswith("/")}


_END = struct.Struct("<4s4H2LH")  # signature, disks, entries here and in all, size and start of the directory, comment
_END64_PLACE = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_UNREAD_FLAGS = {0: "is encrypted", 5: "is patched data", 6: "is encrypted", 13: "has a masked header"}


def _directory(file: BinaryIO) -> tuple[int, bytes, int]:
    """Return where the directory starts, its bytes, and the count of its entries."""
    whole = byte_ranges.length(file)
    tail = byte_ranges.read_at(file, max(0, whole - _END.size - 0xFFFF), min(whole, _END.size + 0xFFFF))
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) - at < _END.size:
        raise FileError("it does not end with a directory; it may be cut short")
    _, disk, first_disk, here, count, size, start, comment = _END.unpack_from(tail, at)
    if at + _END.size + comment != len(tail):
        raise FileError("there are bytes behind its end")
    end = whole - len(tail) + at
    if at >= _END64_PLACE.size and tail.startswith(b"PK\6\7", at - _END64_PLACE.size):
        end = _END64_PLACE.unpack_from(tail, at - _END64_PLACE.size)[2]
        signature, _, _, _, disk, first_disk, here, count, size, start = _END64.unpack(
            byte_ranges.read_at(file, end, _END64.size)
        )
        if signature != b"PK\6\6":
            raise FileError("its zip64 end is not where it says")
    if disk or first_disk or here != count:
        raise FileError("it is one of several disks")
    if count > MOST_MEMBERS or size > MOST_HEADER_BYTES:
        raise FileError(
            f"its directory has {count:,} members in {size:,} bytes; "
            f"at most {MOST_MEMBERS:,} in {MOST_HEADER_BYTES:,} are read"
        )
    if start + size != end:
        raise FileError("its directory is not where it says; it may be cut short, or stand behind another file")
    return start, byte_ranges.read_at(file, start, size), count


def _members(path: Path, file: BinaryIO, start: int, directory: bytes, count: int) -> list[Member]:
    """Return every entry of the directory, checked against the member's own header."""
    at = 0
    spans: list[tuple[int, int]] = []
    members = []
    for _ in range(count):
        if len(directory) - at < _ENTRY.size:
            raise FileError("its directory is cut short")
        (signature, _, _, flags, method, _, _, crc, packed, size, name_size, extra_size, comment_size, _, _, _,
         header) = _ENTRY.unpack_from(directory, at)  # fmt: skip
        at += _ENTRY.size
        raw, extra = directory[at : at + name_size], directory[at + name_size : at + name_size + extra_size]
        at += name_size + extra_size + comment_size
        if signature != b"PK\1\2" or at > len(directory):
            raise FileError("its directory is damaged")
        name = _name(raw, is_utf8=bool(flags & 1 << 11))
        size, packed, header = _wide(extra, [size, packed, header])
        _check_entry(name, flags, method, size, packed)
        offset = _offset(file, name, raw, header)
        if offset + packed > start:
            raise FileError(f"{name!r} says it has {packed:,} bytes, more than there are")
        spans.append((header, offset + packed))
        members.append(Member(path, name, size, offset, packed, method == 8, crc))
    spans.sort()
    if any(end > following for (_, end), (following, _) in itertools.pairwise(spans)):
        raise FileError("two of its members share bytes")
    return members


def _name(raw: bytes, *, is_utf8: bool) -> str:
    try:
        name = raw.decode("utf-8" if is_utf8 else "cp437")
    except UnicodeDecodeError:
        raise FileError("the name of a member is not UTF-8") from None
    parts = name.removesuffix("/").split("/")
    is_outside = "\\" in name or ":" in parts[0] or any(part in ("", ".", "..") for part in parts)
    if is_outside or not name.isprintable() or len(name) > 1024:
        raise FileError(f"a member is named {name[:100]!r}, which is no path inside an archive")
    return name


def _wide(extra: bytes, values: list[int]) -> list[int]:
    """Replace each of the 32-bit values that is full by the next 64-bit one of the zip64 extra field."""
    at, wide = 0, b""
    while at + 4 <= len(extra):
        kind, size = struct.unpack_from("<2H", extra, at)
        if kind == 1:
            wide = extra[at + 4 : at + 4 + size]
        at += 4 + size
    for place, value in enumerate(values):
        if value == 0xFFFFFFFF:
            if len(wide) < 8:
                raise FileError("a member has no zip64 size where it needs one")
            values[place], wide = int.from_bytes(wide[:8], "little"), wide[8:]
    return values


def _check_entry(name: str, flags: int, method: int, size: int, packed: int) -> None:
    for bit, what in _UNREAD_FLAGS.items():
        if flags & 1 << bit:
            raise FileError(f"{name!r} {what}")
    if method not in (0, 8):
        raise FileError(f"{name!r} is packed by method {method}; stored and deflated members are read")
    if (method == 0 and size != packed) or size > packed * DEFLATE_RATIO:
        raise FileError(f"{name!r} says it unpacks from {packed:,} bytes to {size:,}, which is impossible")


def _offset(file: BinaryIO, name: str, raw: bytes, header: int) -> int:
    """Return where a member's bytes start, behind its own header, which must name the same member."""
    local = _LOCAL.unpack(byte_ranges.read_at(file, header, _LOCAL.size))
    if local[0] != b"PK\3\4" or local[-2] != len(raw) or file.read(len(raw)) != raw:
        raise FileError(f"{name!r} is not where the directory says")
    return header + _LOCAL.size + int(local[-2]) + int(local[-1])


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
