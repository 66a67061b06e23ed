"""The cache: a second check opens no file that has not changed, and no state of the cache is an error."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from resnets.data.check import scan as scanning
from resnets.data.check.check import Checked, check
from resnets.data.check.facts import VERSION
from tests.data.check.conftest import CLASSES, OF_TEST, OF_TRAIN, listed

ALL = len(CLASSES) * (OF_TRAIN + OF_TEST)


def known(checked: Checked) -> int:
    said = [line for line in checked.information if "known from an earlier check" in line]
    return int(said[0].split()[0]) if said else 0


def test_the_second_check_looks_at_nothing_again(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (photos / "train/glass/empty.jpg").touch()
    before = check(photos, workers=2)

    def never(*_: object) -> None:
        raise AssertionError("a file was looked at again")

    monkeypatch.setattr(scanning, "facts_of", never)
    after = check(photos, workers=2)
    assert (known(before), known(after)) == (0, ALL + 1)
    assert after.findings == before.findings
    assert np.array_equal(after.pictures.rows, before.pictures.rows)


def test_a_changed_file_is_looked_at_again(photos: Path) -> None:
    check(photos)
    path = sorted((photos / "train/glass").iterdir())[0]
    path.write_bytes(path.read_bytes()[:-3000])
    after = check(photos)
    assert known(after) == ALL - 1
    assert listed(after) == [("unreadable", f"train/glass/{path.name}")]


def test_a_new_time_alone_is_enough_to_look_again(photos: Path) -> None:
    check(photos)
    os.utime(sorted((photos / "train/glass").iterdir())[0], ns=(1, 1))
    assert known(check(photos)) == ALL - 1


def test_without_the_cache_nothing_is_kept(photos: Path, own_cache: Path) -> None:
    check(photos, use_cache=False)
    assert not own_cache.exists()


def test_another_version_begins_again(photos: Path, own_cache: Path) -> None:
    check(photos)
    with sqlite3.connect(own_cache) as base:
        base.execute(f"PRAGMA user_version = {VERSION + 1}")
    base.close()
    again = check(photos)
    assert known(again) == 0
    assert known(check(photos)) == ALL


@pytest.mark.parametrize("damage", ["text", "cut", "zeros inside", "another table", "rows of nonsense"])
def test_a_damaged_cache_is_made_again(damage: str, photos: Path, own_cache: Path) -> None:
    check(photos)
    data = own_cache.read_bytes()
    if damage == "text":
        own_cache.write_text("this is no database\n" * 100, encoding="utf-8")
    elif damage == "cut":
        own_cache.write_bytes(data[: len(data) // 2])
    elif damage == "zeros inside":
        own_cache.write_bytes(data[:4096] + bytes(len(data) - 4096))
    else:
        with sqlite3.connect(own_cache) as base:
            if damage == "another table":
                base.execute("DROP TABLE facts")
                base.execute("CREATE TABLE facts (path TEXT)")
            else:
                base.execute("UPDATE facts SET row = 'short', reason = x'ff'")
        base.close()
    again = check(photos)
    assert listed(again) == []
    assert listed(check(photos)) == []


def test_a_locked_cache_is_passed_by_and_said(photos: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resnets.data.check.cache._PATIENCE", 0.01)
    check(photos)
    other = sqlite3.connect(own_cache, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    checked = check(photos)
    other.close()
    assert listed(checked) == []
    assert any("is not used" in said for said in checked.information)
    assert own_cache.exists(), "it belongs to whoever holds it"


def test_a_cache_that_cannot_be_written_is_passed_by(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    checked = check(photos)
    assert listed(checked) == []
    assert any("is not used" in said for said in checked.information)


def test_threads_change_nothing(photos: Path) -> None:
    one, four = (check(photos, workers=workers, use_cache=False) for workers in (1, 4))
    assert np.array_equal(one.pictures.rows, four.pictures.rows)
    assert one.findings == four.findings
