"""Tar entries: the members of a plain tar file, told one after the other; nothing is ever extracted.

The layouts are POSIX's ustar and pax (IEEE Std 1003.1, pax, "ustar Interchange Format") and GNU's long names. The
standard library's tarfile takes a damaged header for the end of the archive and reads headers of any length; here the
one is an error, and the other has a limit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from resnets.files.byte_ranges import length, read_at
from resnets.files.errors import FileError

BLOCK = 512
MOST_MEMBERS = 30_000_000
MOST_HEADER_BYTES = 1 << 16
"""Of a long name or of pax's facts."""

MOST_PADDING = 1 << 20
"""Zero bytes behind the end: tapes were written in pieces of 10 kB."""

_FILES, _FOLDERS = b"0\0" + b"7", b"5D"  # "7": a file that some system wanted in one piece
_LABEL, _LONG_NAME, _LONG_LINK, _PAX, _PAX_FOR_ALL = b"V", b"L", b"K", b"xX", b"g"
_REFUSED = {
    b"1": "a link to another member",
    b"2": "a symbolic link",
    b"3": "a device",
    b"4": "a device",
    b"6": "a pipe",
    b"M": "cut over two tapes",
    b"S": "a sparse file",
}


class TarEntry(NamedTuple):
    """A member: its size in bytes, and where they start. A folder's name ends with "/"."""

    name: str
    start: int
    size: int


def entries(file: BinaryIO) -> Iterator[TarEntry]:
    """Yield the files and folders of an open tar file in their order.

    Raises `FileError` for what is no whole tar file, and for a member that is neither a file nor a folder.
    """
    whole = length(file)
    at = count = 0
    long_name: str | None = None
    said: dict[str, str] = {}
    while (block := _block(file, at, whole)).strip(b"\0"):
        _check_sum(block, at)
        kind, size = block[156:157], _number(block[124:136])
        if "size" in said and kind not in _PAX:
            size = _size(said["size"])
        if kind == b"5":
            size = 0  # of the disk that the folder may take, said POSIX; nothing of it is here
        start, at = at + BLOCK, at + BLOCK + -(-size // BLOCK) * BLOCK
        if at > whole:
            raise FileError(f"it is cut short: a member says it goes on to byte {at:,} of {whole:,}; fetch it again")
        count += 1
        if count > MOST_MEMBERS:
            raise FileError(f"it has more than {MOST_MEMBERS:,} members")
        if kind in _LONG_NAME:
            long_name = _text(_header(file, start, size).split(b"\0")[0])
        elif kind in _PAX:
            said = _facts(_header(file, start, size))
        elif kind in _PAX_FOR_ALL:
            if {"path", "size"} & set(_facts(_header(file, start, size))):
                raise FileError("it names all of its members at once, which cannot be read")
        elif kind not in _LONG_LINK + _LABEL:
            name = said.get("path") or long_name or _short_name(block)
            yield _entry(name, kind, start, size, said)
            long_name, said = None, {}
    _check_end(file, at, whole)


def _entry(name: str, kind: bytes, start: int, size: int, said: dict[str, str]) -> TarEntry:
    if kind in _FILES and not any(key.startswith("GNU.sparse") for key in said):
        return TarEntry(name, start, size)  # before POSIX a folder was a file whose name ends with "/"
    if kind in _FOLDERS:
        return TarEntry(name.rstrip("/") + "/", start, 0)
    what = _REFUSED.get(b"S" if kind in _FILES else kind, f"of the unknown kind {kind!r}")
    raise FileError(f"{name[:100]!r} is {what}; pack files and folders only (tar --dereference)")


def _block(file: BinaryIO, at: int, whole: int) -> bytes:
    if at + BLOCK > whole:
        raise FileError(f"it is cut short: it stops at byte {whole:,} without an end; fetch it again")
    return read_at(file, at, BLOCK)


def _check_sum(block: bytes, at: int) -> None:
    # Its own eight bytes count as spaces. Some old programs summed signed bytes, which differ above 127.
    summed = block[:148] + b" " * 8 + block[156:]
    told = re.fullmatch(rb" *([0-7]{1,8})[\0 ]*", block[148:156])
    beside = sum(summed) - int(told[1], 8) if told else -1
    if beside and beside != 256 * sum(byte > 127 for byte in summed):
        what = "it is no tar file" if at == 0 else f"it is damaged at byte {at:,}; fetch it again"
        raise FileError(f"{what} (the checksum of a header is wrong)")


def _number(field: bytes) -> int:
    """Octal digits, or for what they cannot say GNU's binary number."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.split(b"\0")[0].strip()
    if not re.fullmatch(rb"[0-7]*", digits):
        raise FileError(f"a header has {field[:12]!r} where a number should be")
    return int(digits or b"0", 8)


def _size(digits: str) -> int:
    if not re.fullmatch("[0-9]{1,18}", digits):
        raise FileError(f"a member says its size is {digits[:30]!r}")
    return int(digits)


def _short_name(block: bytes) -> str:
    name, prefix = block[:100].split(b"\0")[0], block[345:500].split(b"\0")[0]
    # GNU keeps times where ustar keeps the first folders of a long path.
    return _text(prefix + b"/" + name if prefix and block[257:263] == b"ustar\0" else name)


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _header(file: BinaryIO, start: int, size: int) -> bytes:
    if size > MOST_HEADER_BYTES:
        raise FileError(f"a header has {size:,} bytes; at most {MOST_HEADER_BYTES:,} are read")
    return read_at(file, start, size)


def _facts(data: bytes) -> dict[str, str]:
    """Read pax's facts: "<length> <key>=<value>\\n", the length in bytes of the whole line."""
    found: dict[str, str] = {}
    while data:
        digits, _, _ = data[:20].partition(b" ")
        size = int(digits) if re.fullmatch(rb"[0-9]{1,6}", digits) else 0
        line, data = data[len(digits) + 1 : size - 1], data[size:]
        key, is_fact, value = line.partition(b"=")
        if not is_fact or size <= len(digits):
            raise FileError("the pax header of a member is damaged")
        found[_text(key)] = _text(value)
    if found.get("path") == "" or "\0" in found.get("path", ""):
        raise FileError("the pax header of a member names it with no name")
    return found


def _check_end(file: BinaryIO, at: int, whole: int) -> None:
    if whole - at > MOST_PADDING or read_at(file, at, whole - at).strip(b"\0"):
        raise FileError(
            f"there are bytes behind its end, at byte {at:,}; if two archives were joined, give each by itself"
        )
