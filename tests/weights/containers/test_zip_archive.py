"""Zip archives: members as zipfile reads them, and a refusal for every archive that lies about them."""

from __future__ import annotations

import io
import os
import random
import struct
import tracemalloc
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from resnets.files.errors import FileError
from resnets.weights.containers.zip_archive import MOST_MEMBERS, open_archive


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A member as written by hand; what is None is what it should be."""

    name: bytes = b"a"
    local_name: bytes | None = None
    data: bytes = b"some bytes"
    method: int = 0
    flags: int = 0
    size: int | None = None
    packed: int | None = None
    header: int | None = None
    extra: bytes = b""


def archive(*entries: Entry, behind: bytes = b"", count: int | None = None) -> bytes:
    body, directory = bytearray(), bytearray()
    for entry in entries:
        header = len(body) if entry.header is None else entry.header
        size = len(entry.data) if entry.size is None else entry.size
        packed = len(entry.data) if entry.packed is None else entry.packed
        facts = (20, entry.flags, entry.method, 0, 0, zlib.crc32(entry.data), packed, size)
        local = entry.name if entry.local_name is None else entry.local_name
        body += struct.pack("<4s5H3L2H", b"PK\3\4", *facts, len(local), 0) + local + entry.data
        ends = (len(entry.name), len(entry.extra), 0, 0, 0, 0, header)
        directory += struct.pack("<4sH5H3L5H2L", b"PK\1\2", 20, *facts, *ends) + entry.name + entry.extra
    count = len(entries) if count is None else count
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(directory), len(body), 0)
    return bytes(body + directory + end + behind)


def opened(path: Path, data: bytes) -> dict[str, bytes]:
    path.write_bytes(data)
    return {name: member.read(1 << 20) for name, member in open_archive(path).items()}


def test_what_is_written_by_hand_is_read(tmp_path: Path) -> None:
    data = archive(Entry(), Entry(name=b"b/c", data=b""), Entry(name="ä".encode(), flags=1 << 11))
    assert opened(tmp_path / "a.zip", data) == {"a": b"some bytes", "b/c": b"", "ä": b"some bytes"}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_members_are_read_as_zipfile_reads_them_whole_and_in_part(tmp_path: Path, method: int) -> None:
    chance = random.Random(0)
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", method) as file:
        file.mkdir("folder")
        for number, size in enumerate((0, 1, 100, 300_000)):
            file.writestr(f"folder/{number}", chance.randbytes(size // 3) * 3)
    members = open_archive(path)
    with zipfile.ZipFile(path) as file:
        assert list(members) == [name for name in file.namelist() if name != "folder/"]
        for name, member in members.items():
            whole = file.read(name)
            assert member.read(len(whole)) == whole
            for _ in range(20):
                start = chance.randint(0, member.size)
                size = chance.randint(0, member.size - start)
                assert member.read_range(start, size) == whole[start : start + size]


def test_what_numpy_writes_in_zip64_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, a=np.arange(5), b=np.zeros((2, 3)))
    members = open_archive(path)
    assert list(members) == ["a.npy", "b.npy"]
    assert np.array_equal(np.load(io.BytesIO(members["a.npy"].read(1000))), np.arange(5))


OUTSIDE = (
    b"../a",
    b"a/../../b",
    b"/etc/passwd",
    b"a\\b",
    b"..\\a",
    b"C:/a",
    b"a//b",
    b"./a",
    b"",
    b"a\nb",
    b"x" * 1025,
)


@pytest.mark.parametrize("name", OUTSIDE, ids=lambda name: repr(name)[:20])
def test_a_name_that_leads_outside_the_archive_is_refused(tmp_path: Path, name: bytes) -> None:
    with pytest.raises(FileError, match="which is no path inside an archive"):
        opened(tmp_path / "a.zip", archive(Entry(name=name)))


HUGE = (1 << 32) - 1
WIDE = struct.pack("<2HQ", 1, 8, 1 << 62)
REFUSALS = [
    (b"", "does not end with a directory"),
    (b"PK\3\4" + b"\0" * 100, "does not end with a directory"),
    (archive(Entry(), behind=b"more"), "bytes behind its end"),
    (b"before" + archive(Entry()), "its directory is not where it says"),
    (archive(Entry(), Entry()), "two members 'a'"),
    (archive(Entry(flags=1)), "'a' is encrypted"),
    (archive(Entry(flags=1 << 13)), "'a' has a masked header"),
    (archive(Entry(method=14)), "packed by LZMA"),
    (archive(Entry(size=11)), "unpacks from 10 bytes to 11, which is impossible"),
    (archive(Entry(size=HUGE - 1, method=8)), "unpacks from 10 bytes to 4,294,967,294, which is impossible"),
    (archive(Entry(size=HUGE, method=8, extra=WIDE)), "unpacks from 10 bytes to 4,611,686,018,427,387,904"),
    (archive(Entry(size=HUGE, packed=HUGE, extra=WIDE)), "no zip64 size where it needs one"),
    (
        archive(Entry(size=HUGE, packed=HUGE, extra=struct.pack("<2H2Q", 1, 16, 1 << 62, 1 << 62))),
        "more than there are",
    ),
    (archive(Entry(size=500, packed=500)), "says it has 500 bytes, more than there are"),
    (archive(Entry(), Entry(name=b"b", header=0)), "'b' is not where the directory says"),
    (archive(Entry(), Entry(header=0)), "two of its members share bytes"),
    (archive(Entry(data=archive(Entry(name=b"b"))), Entry(name=b"b", header=31)), "two of its members share bytes"),
    (archive(Entry(local_name=b"b")), "'a' is not where the directory says"),
    (archive(Entry(header=999)), "more than there are"),
    (archive(Entry(name=b"\xff", flags=1 << 11)), "not UTF-8"),
    (archive(Entry(), count=2), "its directory is cut short"),
    (archive(Entry(), count=65535), "its directory has 65,535 members"),
]


@pytest.mark.parametrize(("data", "sentence"), REFUSALS, ids=lambda value: repr(value)[-30:])
def test_an_archive_that_lies_is_refused_with_its_reason(tmp_path: Path, data: bytes, sentence: str) -> None:
    with pytest.raises(FileError) as refusal:
        opened(tmp_path / "a.zip", data)
    assert sentence in str(refusal.value)
    assert "a.zip" in str(refusal.value)


def test_more_members_than_any_checkpoint_has_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(archive(*(Entry(name=b"%d" % number, data=b"") for number in range(MOST_MEMBERS + 1))))
    with pytest.raises(FileError, match=r"has 20,001 members in [0-9,]+ bytes; at most 20,000"):
        open_archive(path)


def test_a_damaged_member_is_told_by_its_checksum(tmp_path: Path) -> None:
    data = archive(Entry()).replace(b"some bytes", b"same bytes", 1)
    with pytest.raises(FileError, match="a is damaged"):
        opened(tmp_path / "a.zip", data)


def test_a_member_that_unpacks_to_less_or_is_no_deflate_is_refused(tmp_path: Path) -> None:
    for packed, sentence in (
        (zlib.compress(b"a" * 99, wbits=-15), "unpacks to less than the 100"),
        (b"\xff" * 9, "damaged"),
    ):
        with pytest.raises(FileError) as refusal:
            opened(tmp_path / "a.zip", archive(Entry(data=packed, size=100, method=8)))
        assert sentence in str(refusal.value)


def test_reading_beyond_a_member_or_its_limit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(archive(Entry()))
    member = open_archive(path)["a"]
    with pytest.raises(FileError, match="a has 10 bytes; at most 9 are read"):
        member.read(9)
    for start, size in ((0, 11), (11, 0), (-1, 1), (1, -1)):
        with pytest.raises(FileError, match="a has 10 bytes, and no byte"):
            member.read_range(start, size)
    path.write_bytes(b"cut")
    with pytest.raises(FileError, match="cut short or was changed"):
        member.read(10)


def test_unpacking_the_end_of_a_zip_bomb_takes_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    packed = zlib.compress(b"\0" * (200 << 20), 9, wbits=-15)
    path.write_bytes(archive(Entry(data=packed, size=200 << 20, method=8)))
    member = open_archive(path)["a"]
    tracemalloc.start()
    with pytest.raises(FileError, match="at most 1,000 are read"):
        member.read(1000)
    assert member.read_range(member.size - 5, 5) == b"\0" * 5
    assert tracemalloc.get_traced_memory()[1] < 2 << 20
    tracemalloc.stop()


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    good = archive(Entry(), Entry(name=b"b"))
    for end in range(len(good)):
        with pytest.raises(FileError):
            opened(tmp_path / "a.zip", good[:end])


def test_a_folder_an_absent_file_and_a_pipe_are_no_archives(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, sentence in (
        (tmp_path, "is a folder"),
        (tmp_path / "b", "there is no file"),
        (tmp_path / "pipe", "is not a regular file"),
    ):
        with pytest.raises(FileError) as refusal:
            open_archive(path)
        assert sentence in str(refusal.value)
