"""Zip entries: the directory of a zip archive, and one member's bytes where they lie; nothing is ever extracted.

The layout is PKWARE's APPNOTE 6.3.10. Members may be stored or deflated, each with bytes of its own; an archive may
have millions, which are told one after the other and held by nobody here.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

from resnets.files.byte_ranges import length, read_at
from resnets.files.errors import FileError

MOST_MEMBERS = 10_000_000
MOST_DIRECTORY_BYTES = 1 << 30
"""Of the list of members at the end of an archive; ImageNet's would have 0.12 GB."""

MOST_NAME = 4096
"""Bytes of a member's name, as of a path on a disk."""

STORED, DEFLATED = 0, 8
DEFLATE_RATIO = 1032
"""Deflate packs at most 258 bytes into two bits; a member that says it unpacks to more is lying."""

_PACKING = {6: "imploding", 9: "deflate64", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "xz", 99: "encryption"}
_UNREAD_FLAGS = {0: "is encrypted", 5: "is patched data", 6: "is encrypted", 13: "has a masked header"}

_END = struct.Struct("<4s4H2LH")  # signature, disks, entries here and in all, size and start of the directory, comment
_END64_PLACE = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")

ReadAt = Callable[[int, int], bytes]
"""(start, size) -> the bytes of the archive from there on; raises `FileError` where there are fewer."""


class ZipEntry(NamedTuple):
    """A member, as the directory tells of it. A folder's name ends with "/"."""

    name: str
    raw: bytes  # the name, as it stands there
    header: int  # where the member starts, its own header first
    packed: int  # bytes in the archive
    size: int  # bytes once they are unpacked
    crc: int
    method: int  # STORED or DEFLATED


class Directory(NamedTuple):
    """The list of an archive's members: where it starts, its bytes, and how many members there are."""

    start: int
    data: bytes
    members: int


def directory(file: BinaryIO, most_members: int = MOST_MEMBERS, most_bytes: int = MOST_DIRECTORY_BYTES) -> Directory:
    """Return the directory of an open zip archive; raise `FileError` for what is no whole archive on one disk."""
    whole = length(file)
    tail = read_at(file, max(0, whole - _END.size - 0xFFFF), min(whole, _END.size + 0xFFFF))
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) - at < _END.size:
        raise FileError("it does not end with a directory; it may be cut short")
    _, disk, first_disk, here, count, size, start, comment = _END.unpack_from(tail, at)
    if at + _END.size + comment != len(tail):
        raise FileError("there are bytes behind its end")
    end = whole - len(tail) + at
    if at >= _END64_PLACE.size and tail.startswith(b"PK\6\7", at - _END64_PLACE.size):
        end = _END64_PLACE.unpack_from(tail, at - _END64_PLACE.size)[2]
        signature, _, _, _, disk, first_disk, here, count, size, start = _END64.unpack(read_at(file, end, _END64.size))
        if signature != b"PK\6\6":
            raise FileError("its zip64 end is not where it says")
    if disk or first_disk or here != count:
        raise FileError("it is one of several disks; join them (zip -s 0 IN --out OUT)")
    if count > most_members or size > most_bytes:
        raise FileError(
            f"its directory has {count:,} members in {size:,} bytes; "
            f"at most {most_members:,} in {most_bytes:,} are read"
        )
    if start + size != end:
        raise FileError("its directory is not where it says; it may be cut short, or stand behind another file")
    return Directory(start, read_at(file, start, size), count)


def entries(listed: Directory) -> Iterator[ZipEntry]:
    """Yield the members of a zip archive in the order of its directory.

    Raises `FileError` for a directory that is damaged, and for a member that is encrypted, packed by another method
    than deflate, or says what cannot be.
    """
    start, data, count = listed
    at = 0
    for _ in range(count):
        if len(data) - at < _ENTRY.size:
            raise FileError("its directory is cut short")
        (signature, _, _, flags, method, _, _, crc, packed, size, name_size, extra_size, comment_size, _, _, _,
         header) = _ENTRY.unpack_from(data, at)  # fmt: skip
        at += _ENTRY.size
        raw, extra = data[at : at + name_size], data[at + name_size : at + name_size + extra_size]
        at += name_size + extra_size + comment_size
        if signature != b"PK\1\2" or at > len(data):
            raise FileError("its directory is damaged")
        name = _name(raw, is_utf8=bool(flags & 1 << 11))
        size, packed, header = _wide(extra, [size, packed, header])
        if not name.endswith("/"):
            _check(name, flags, method, size, packed)
        if header + _LOCAL.size + name_size + packed > start:
            raise FileError(f"{name[:100]!r} says it has {packed:,} bytes, more than there are")
        yield ZipEntry(name, raw, header, packed, size, crc, method)


def content(read: ReadAt, header: int, packed: int, size: int, crc: int, method: int) -> bytes:
    """Return a member's bytes, at most the `size` that it says; raise `FileError` where it is damaged."""
    local = _LOCAL.unpack(read(header, _LOCAL.size))
    if local[0] != b"PK\3\4":
        raise FileError("it is not where the archive's directory says; the archive is damaged")
    data = read(header + _LOCAL.size + local[-2] + local[-1], packed)
    if method == DEFLATED:
        engine = zlib.decompressobj(wbits=-15)  # deflate without a header
        try:
            data = engine.decompress(data, size + 1)
        except zlib.error as error:
            raise FileError(f"it is damaged ({error}); fetch the archive again") from None
    if len(data) != size or zlib.crc32(data) != crc:
        raise FileError("it is damaged (its size or its checksum is wrong); fetch the archive again")
    return data


def _name(raw: bytes, *, is_utf8: bool) -> str:
    if len(raw) > MOST_NAME:
        raise FileError(f"the name of a member has {len(raw):,} bytes; at most {MOST_NAME:,} are read")
    try:
        # The Mac's own archiver writes UTF-8 and does not say so; what is no UTF-8 is as old as the format.
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        if is_utf8:
            raise FileError(f"the name of a member, {raw[:100]!r}, is not UTF-8 as it says") from None
        return raw.decode("cp437")


def _wide(extra: bytes, values: list[int]) -> list[int]:
    """Replace each of the 32-bit values that is full by the next 64-bit one of the zip64 extra field."""
    if 0xFFFFFFFF not in values:
        return values
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


def _check(name: str, flags: int, method: int, size: int, packed: int) -> None:
    for bit, what in _UNREAD_FLAGS.items():
        if flags & 1 << bit:
            raise FileError(f"{name[:100]!r} {what}; unpack the archive, and give the folder")
    if method not in (STORED, DEFLATED):
        how = _PACKING.get(method, f"method {method}")
        raise FileError(
            f"{name[:100]!r} is packed by {how}; stored and deflated members are read, so pack it again with zip"
        )
    # An encoder that starts a block for every few bytes makes them more, but not twice as many.
    too_few, too_many = size > packed * DEFLATE_RATIO, packed > 2 * size + 1024
    if (method == STORED and size != packed) or too_few or too_many:
        raise FileError(f"{name[:100]!r} says it unpacks from {packed:,} bytes to {size:,}, which is impossible")
