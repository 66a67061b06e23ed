"""Bounded reading: sizes are respected before memory is spent."""

from __future__ import annotations

import gzip
import os
import random
import tracemalloc
from pathlib import Path

import pytest

from resnets.files import bounded
from resnets.files.errors import FileError


def test_a_file_within_its_limit_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 100)
    assert bounded.read(tmp_path / "a", 100) == b"x" * 100


def test_what_cannot_be_read_is_refused_by_its_reason(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 1234)
    os.mkfifo(tmp_path / "pipe")
    for path, sentence in (
        (tmp_path / "a", "has 1,234 bytes; at most 1,000 are read"),
        (tmp_path / "absent", "there is no file"),
        (tmp_path, "is a folder"),
        (tmp_path / "pipe", "is not a regular file"),
        (tmp_path / "a" / "b", "cannot be read: Not a directory"),
        (Path("/dev/zero"), "is not a regular file"),
    ):
        with pytest.raises(FileError) as refusal:
            bounded.read(path, 1000)
        assert sentence in str(refusal.value)


def test_gzip_of_one_or_more_members_is_unpacked(tmp_path: Path) -> None:
    text = random.Random(0).randbytes(100_000)
    (tmp_path / "a.gz").write_bytes(gzip.compress(text) + gzip.compress(b"end") + b"\0" * 10)
    assert bounded.gunzip(tmp_path / "a.gz", 200_000) == text + b"end"
    assert bounded.gunzip(gzip.compress(b""), 0) == b""
    assert bounded.gunzip(gzip.compress(text, 0), len(text)) == text


def test_a_gzip_bomb_is_refused_without_unpacking_it() -> None:
    bomb = gzip.compress(bytes(50_000_000))
    tracemalloc.start()
    with pytest.raises(FileError, match="unpacks to more than the 1,000,000 bytes it may have"):
        bounded.gunzip(bomb, 1_000_000)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_many_empty_members_take_no_longer_than_their_bytes() -> None:
    assert bounded.gunzip(gzip.compress(b"") * 20_000, 10) == b""


def test_every_truncation_and_damage_is_refused_or_harmless() -> None:
    text = random.Random(1).randbytes(3000)
    data = gzip.compress(text, mtime=0)
    for end in range(0, len(data), 7):
        with pytest.raises(FileError, match=r"is cut short|is not gzip"):
            bounded.gunzip(data[:end], 10_000)
    with pytest.raises(FileError, match="is damaged"):
        bounded.gunzip(data[:-6] + b"\0\0" + data[-4:], 10_000)
    with pytest.raises(FileError, match="is not gzip"):
        bounded.gunzip(data + b"more", 10_000)
