"""The manifest: written and read to the byte, obeyed, and refused for other data or a slip of the pen."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resnets.data.dataset import DataSet
from resnets.data.errors import DataError
from resnets.data.manifest import LeftOut, Manifest, obey, read_manifest, write_manifest
from resnets.data.names import Names
from resnets.data.source import ArraySource, FileSource


def data(count: int = 6, classes: int = 2) -> DataSet:
    labels = np.arange(count) % classes
    sources = [ArraySource(np.zeros((count, 2, 2, 1), np.uint8), labels, part) for part in ("train", "test")]
    return DataSet(
        name="made", classes=tuple("abcdef"[:classes]), train=sources[0], test=sources[1], fingerprint="f" * 64
    )


def manifest(*names: str, split: str = "train", **changes: Any) -> Manifest:
    made = Manifest(
        name="made",
        fingerprint="f" * 64,
        counts={"train": 6, "test": 6},
        settings={"formats": ["JPEG"]},
        left_out=tuple(LeftOut(name, split, "unreadable", "it is empty") for name in names),
        kept={"small": 2},
    )
    return replace(made, **changes)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    made = manifest("train[0]", "train[3]")
    write_manifest(tmp_path / "m.json", made)
    assert read_manifest(tmp_path / "m.json") == made
    assert made.to_bytes() == read_manifest(tmp_path / "m.json").to_bytes()
    assert len(made.to_bytes().splitlines()) == 10, "an entry a line, to be edited by hand"


def test_pictures_are_left_out_and_counted() -> None:
    made = manifest("train[0]", "train[3]")
    left = obey(data(), made)
    assert left.train is not None and left.test is not None
    assert [left.train.name(index) for index in range(len(left.train))] == [
        "train[1]",
        "train[2]",
        "train[4]",
        "train[5]",
    ]
    assert len(left.test) == 6
    assert left.notes == ("Left out by the manifest: 2 pictures (2 unreadable).",)


def test_an_empty_manifest_changes_nothing() -> None:
    given = data()
    assert obey(given, manifest()) is given


def test_test_pictures_are_left_out_by_their_split() -> None:
    left = obey(data(), manifest("test[1]", split="test"))
    assert left.train is not None and left.test is not None
    assert (len(left.train), len(left.test)) == (6, 5)


def test_files_go_by_their_path_below_the_folder_and_odd_bytes_are_spelled_out(tmp_path: Path) -> None:
    names = Names(["cat/1.jpg", "cat/\udcff.jpg", "cat/3.jpg"])
    source = FileSource(names, np.zeros(3, np.int64), "/somewhere")
    given = DataSet(name="made", classes=("cat",), train=source, test=None, fingerprint="f" * 64)
    made = manifest("cat/1.jpg", r"cat/\xff.jpg")
    write_manifest(tmp_path / "m.json", made)
    left = obey(given, read_manifest(tmp_path / "m.json"))
    assert left.train is not None
    assert left.train.name(0) == "/somewhere/cat/3.jpg"


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (manifest("train[9]"), r"leaves out 'train\[9\]', and train has no such picture; correct the name"),
        (manifest("train[0]", split="test"), r"leaves out 'train\[0\]', and test has no such picture"),
        (manifest(fingerprint="0" * 64), "as many pictures as before, but files were renamed"),
        (manifest(fingerprint="0" * 64, counts={"train": 7, "test": 6}), "train had 7 pictures and has 6.*run resnets"),
        (manifest(fingerprint="0" * 64, name="other"), "it was made for 'other' and this is 'made'"),
        (manifest("train[0]", "train[2]", "train[4]"), "leaves no picture of a in train"),
        (manifest(*(f"train[{index}]" for index in range(6))), "leaves out every picture of train"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(made: Manifest, said: str) -> None:
    with pytest.raises(DataError, match=said):
        obey(data(), made)


def test_two_pictures_of_one_name_cannot_be_told_apart() -> None:
    source = FileSource(Names(["a.jpg", "a.jpg"]), np.zeros(2, np.int64))
    given = DataSet(name="made", classes=("cat",), train=source, test=None, fingerprint="f" * 64)
    with pytest.raises(DataError, match="two pictures of that name"):
        obey(given, manifest("a.jpg"))


Edit = Callable[[dict[str, Any]], Any]

SLIPS: list[tuple[Edit, str]] = [
    (lambda facts: facts.pop("data"), "data must be an object, and is missing"),
    (lambda facts: facts.pop("left_out"), "left_out must be a list, and is missing"),
    (lambda facts: facts.update(extra=1), "'extra' is no part of a manifest"),
    (lambda facts: facts.update(schema=2), "it has schema 2"),
    (lambda facts: facts.update(schema=True), "schema must be a whole number"),
    (lambda facts: facts["data"].update(train="6"), "data's train must be a whole number"),
    (lambda facts: facts["kept"].update(small="2"), "kept's small must be a whole number"),
    (lambda facts: facts["left_out"].append("train[0]"), "entry 1 of left_out must be an object"),
    (
        lambda facts: facts["left_out"][0].pop("reason"),
        "entry 0 of left_out: its reason must be a text, and is missing",
    ),
    (lambda facts: facts["left_out"][0].update(split="val"), "split is 'val'; allowed: train, test"),
    (lambda facts: facts["left_out"][0].update(why="x"), "'why' is not known"),
    (lambda facts: facts["left_out"].append(facts["left_out"][0]), "is left out of train twice"),
]


@pytest.mark.parametrize(("slip", "said"), SLIPS)
def test_a_slip_of_the_pen_is_named(slip: Edit, said: str, tmp_path: Path) -> None:
    facts = json.loads(manifest("train[0]").to_bytes())
    slip(facts)
    (tmp_path / "m.json").write_text(json.dumps(facts), encoding="utf-8")
    with pytest.raises(DataError, match=said) as caught:
        read_manifest(tmp_path / "m.json")
    assert "m.json" in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": NaN}', '{"a": 1, "a": 2}', "[" * 100_000, "\udcff", "null"])
def test_what_is_no_manifest_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "m.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(DataError, match="cannot be used"):
        read_manifest(tmp_path / "m.json")


def test_an_absent_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be used"):
        read_manifest(tmp_path / "none.json")


def test_more_than_can_be_read_back_is_not_written(tmp_path: Path) -> None:
    made = manifest(*(f"train[{index}]" for index in range(200_001)))
    with pytest.raises(DataError, match="more than a manifest can hold"):
        write_manifest(tmp_path / "m.json", made)
    assert not (tmp_path / "m.json").exists()
