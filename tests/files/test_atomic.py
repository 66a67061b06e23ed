"""Atomic writing: the old file or the new one, whole, whatever happens in between."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from resnets.files import atomic
from resnets.files.errors import FileError


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    atomic.write(tmp_path / "a", b"one")
    atomic.write(tmp_path / "a", b"two")
    assert (tmp_path / "a").read_bytes() == b"two"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_failure_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    atomic.write(tmp_path / "a", b"old")
    with pytest.raises(KeyboardInterrupt), atomic.replacing(tmp_path / "a") as file:
        file.write(b"half of the n")
        raise KeyboardInterrupt
    assert (tmp_path / "a").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_process_killed_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    atomic.write(tmp_path / "a", b"old")
    child = os.fork()
    if child == 0:
        with atomic.replacing(tmp_path / "a") as file:
            file.write(b"half")
            file.flush()
            os.kill(os.getpid(), 9)
    os.waitpid(child, 0)
    assert (tmp_path / "a").read_bytes() == b"old"


def test_nothing_is_under_the_final_name_until_the_block_ends(tmp_path: Path) -> None:
    with atomic.replacing(tmp_path / "a") as file:
        file.write(b"all")
        assert not (tmp_path / "a").exists()
    assert (tmp_path / "a").read_bytes() == b"all"


def test_permissions_are_kept_and_new_files_follow_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        atomic.write(tmp_path / "new", b"")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640
    (tmp_path / "new").chmod(0o604)
    atomic.write(tmp_path / "new", b"again")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o604


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    atomic.write(tmp_path / "link", b"x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"x"


def test_an_absent_folder_is_named_with_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"there is no folder .*runs; make it first: mkdir -p"):
        atomic.write(tmp_path / "runs" / "a", b"")


def test_a_folder_is_not_overwritten(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="it is a folder"):
        atomic.write(tmp_path, b"")
