"""Folder: classes from folders, in natural order, and a refusal that names what is wrong."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image

from resnets.data.errors import BadImage, DataError
from resnets.data.natural import natural_order
from resnets.data.open import open_data
from resnets.data.reading import Reading
from resnets.data.source import FileSource


def plant(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"not looked into")
    return root


def paths(source: FileSource) -> list[Path]:
    return [Path(source.name(index)) for index in range(len(source))]


def test_real_photographs_in_train_and_val_are_read(shared_data: Path) -> None:
    trash = open_data(shared_data / "trashnet")
    assert trash.classes == ("cardboard", "glass", "metal", "paper", "plastic", "trash")
    assert trash.train is not None and trash.test is not None
    assert np.bincount(trash.train.labels).tolist() == [45] * 6
    assert np.bincount(trash.test.labels).tolist() == [15] * 6
    assert trash.test.image(0).size == (384, 512)
    assert trash.notes == ("Not read as pictures: 1 without ending.",)  # its licence
    assert (trash.split, trash.class_order) == ("given", "natural")


def test_names_with_numbers_come_in_natural_order(tmp_path: Path) -> None:
    plant(tmp_path, *[f"train/{c}/{n}.png" for c in ("10", "2", "1") for n in ("a10", "a9", "a1", "b")])
    plant(tmp_path, *[f"test/{c}/{n}.png" for c in ("2", "1", "10") for n in ("x",)])
    read = open_data(tmp_path)
    assert read.classes == ("1", "2", "10")
    assert isinstance(read.train, FileSource)
    assert [path.stem for path in paths(read.train)[:4]] == ["a1", "a9", "a10", "b"]
    assert read.test is not None
    assert [read.classes[k] for k in read.test.labels] == ["1", "2", "10"]


def test_without_a_given_split_a_fifth_of_every_class_is_held_back(tmp_path: Path) -> None:
    plant(tmp_path, *[f"{c}/{n}.jpg" for c in ("cat", "dog") for n in range(20)])
    first, second = open_data(tmp_path), open_data(tmp_path)
    assert isinstance(first.train, FileSource) and isinstance(first.test, FileSource)
    assert isinstance(second.test, FileSource)
    assert np.bincount(first.train.labels).tolist() == [16, 16]
    assert np.bincount(first.test.labels).tolist() == [4, 4]
    assert set(first.train.names).isdisjoint(first.test.names)
    assert first.test.names == second.test.names
    assert first.notes == ("Split 80/20: no train folder was given.",)
    assert first.split.startswith("made: 0.2 for testing, seed 0")
    other = open_data(tmp_path, Reading(test_share=0.5, split_seed=1))
    assert isinstance(other.test, FileSource) and len(other.test) == 20
    assert other.notes == ("Split 50/50: no train folder was given.",)


def test_what_is_hidden_or_no_picture_is_left_out_and_said(tmp_path: Path) -> None:
    plant(tmp_path, *[f"{c}/{n}.JPG" for c in ("cat", "dog") for n in range(5)], "cat/deep/6.webp", "cat/a.txt")
    plant(
        tmp_path, ".cache/x/1.jpg", "cat/.hidden.jpg", "cat/.thumbs/1.jpg", "__MACOSX/cat/1.jpg", "readme.md", "7.png"
    )
    read = open_data(tmp_path)
    assert read.classes == ("cat", "dog")
    assert len(read.train or ()) + len(read.test or ()) == 11
    assert read.notes[1:] == (
        "Not read as pictures: 1 .md, 1 .txt.",
        "In no class folder, so not read: 1 picture.",
        "Hidden, so not looked at: 1 file and 3 folders.",
    )


def test_what_is_left_out_of_a_given_split_is_said_once(tmp_path: Path) -> None:
    plant(tmp_path, *[f"{part}/{c}/1.png" for part in ("train", "test") for c in ("cat", "dog")])
    plant(tmp_path, "test/.x", "test/loose.png", "train/a.md", "test/cat/b.md", ".git/c", "unlabelled/1.png", "d.md")
    assert open_data(tmp_path).notes == (
        f"Not used: {tmp_path / 'unlabelled'}.",
        "Not read as pictures: 3 .md.",
        "In no class folder, so not read: 1 picture.",
        "Hidden, so not looked at: 1 file and 1 folder.",
    )


def test_only_the_formats_of_a_reading_are_pictures(tmp_path: Path) -> None:
    plant(tmp_path, *[f"{c}/{n}{e}" for c in ("cat", "dog") for n in range(5) for e in (".bmp", ".jpg")])
    assert "Not read as pictures: 10 .bmp." in open_data(tmp_path).notes
    read = open_data(tmp_path, Reading(formats=("BMP",)))
    assert "Not read as pictures: 10 .jpg." in read.notes
    assert all(path.suffix == ".bmp" for source in (read.train, read.test) for path in paths(cast(FileSource, source)))


def test_a_link_back_up_does_not_go_round_for_ever_and_is_said(tmp_path: Path) -> None:
    plant(tmp_path, *[f"{c}/{n}.jpg" for c in ("cat", "dog") for n in range(5)])
    (tmp_path / "cat" / "loop").symlink_to(tmp_path / "cat")
    (tmp_path / "cat" / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (tmp_path / "dog" / "self.txt").symlink_to(tmp_path / "dog" / "self.txt")
    read = open_data(tmp_path)
    assert len(read.train or ()) + len(read.test or ()) == 11
    assert read.notes[1:] == (
        "Not read as pictures: 1 .txt.",
        "Reached by a link a second time, so not followed: 1 folder.",
    )


def test_a_folder_that_cannot_be_listed_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(tmp_path, *[f"{c}/{n}.jpg" for c in ("cat", "dog") for n in range(5)], "cat/deep/1.jpg")
    scandir = os.scandir

    def refusing(path: str) -> Any:
        if Path(path).name == "deep":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(DataError, match=r"deep cannot be listed \(Permission denied\)"):
        open_data(tmp_path)


def test_names_of_files_may_be_any_bytes_and_those_of_classes_any_text(tmp_path: Path) -> None:
    plant(tmp_path, *[f"{c}/{n}.jpg" for c in ("猫", "ñ") for n in range(5)], "ñ/\udcff.jpg")
    read = open_data(tmp_path)
    assert read.classes == ("ñ", "猫")
    both = [*paths(cast(FileSource, read.train)), *paths(cast(FileSource, read.test))]
    assert tmp_path / "ñ" / "\udcff.jpg" in both
    assert all(path.is_file() for path in both)
    plant(tmp_path, "\udcff/1.jpg")
    with pytest.raises(DataError, match=r"udcff' is not UTF-8, and a model file keeps the names"):
        open_data(tmp_path)


def test_the_order_of_the_classes_is_stated_where_there_are_two(tmp_path: Path) -> None:
    plant(tmp_path, *[f"{part}/{c}/1.png" for part in ("train", "test") for c in ("10", "2", "1")])
    natural, string = open_data(tmp_path), open_data(tmp_path, Reading(class_order="string"))
    assert (natural.classes, natural.class_order) == (("1", "2", "10"), "natural")
    assert natural.notes == ("Classes are in natural order: number 1 is '2', and would be '10' in string order.",)
    assert (string.classes, string.class_order) == (("1", "10", "2"), "string")
    assert string.notes == ("Classes are in string order: number 1 is '10', and would be '2' in natural order.",)
    for read in (natural, string):
        assert read.train is not None
        assert [Path(read.train.name(k)).parent.name for k in range(3)] == list(read.classes)
    assert natural.fingerprint == string.fingerprint


def test_an_empty_class_is_refused_unless_it_is_declared(tmp_path: Path) -> None:
    plant(tmp_path, *[f"{part}/{c}/1.png" for part in ("train", "test") for c in ("a", "c")])
    (tmp_path / "train" / "b").mkdir()
    with pytest.raises(DataError, match=r"b holds no pictures; add some .*, or name the class in empty_classes"):
        open_data(tmp_path)
    read = open_data(tmp_path, Reading(empty_classes=("b", "d")))
    assert read.classes == ("a", "b", "c", "d")
    assert read.train is not None and read.test is not None
    assert read.train.labels.tolist() == read.test.labels.tolist() == [0, 2]


@pytest.mark.parametrize("names", [("Train", "TEST"), ("training", "Testing"), ("train", "Validation")])
def test_parts_are_known_in_any_case(tmp_path: Path, names: tuple[str, str]) -> None:
    plant(tmp_path, *[f"{part}/{c}/1.png" for part in names for c in ("cat", "dog")])
    read = open_data(tmp_path)
    assert read.classes == ("cat", "dog")
    assert (len(read.train or ()), len(read.test or ())) == (2, 2)


def test_classes_that_are_called_train_and_test_are_classes(tmp_path: Path) -> None:
    plant(tmp_path, *[f"{c}/{n}.png" for c in ("train", "test") for n in range(5)])
    assert open_data(tmp_path).classes == ("test", "train")


NATURAL = [["1", "01", "2", "2a", "10", "a", "a1", "a01", "a1b", "a2", "a10", "ab", "ä"], ["0", "00", "x0", "x00y"]]


@pytest.mark.parametrize("names", NATURAL, ids=str)
def test_numbers_in_names_count_as_numbers(names: list[str]) -> None:
    assert natural_order(reversed(names)) == names


def test_a_number_of_any_length_is_a_number() -> None:
    assert natural_order(["9" * 6000, "1" + "0" * 6000, "5"]) == ["5", "9" * 6000, "1" + "0" * 6000]


def test_only_something_to_test_on_is_a_data_set_too(tmp_path: Path) -> None:
    plant(tmp_path, "test/cat/1.png", "test/dog/1.png")
    read = open_data(tmp_path)
    assert read.train is None
    assert len(read.test or ()) == 2


def test_test_goes_before_val_and_the_other_is_named(tmp_path: Path) -> None:
    plant(tmp_path, *[f"{part}/{c}/1.png" for part in ("train", "val", "test") for c in ("cat", "dog")])
    read = open_data(tmp_path)
    assert isinstance(read.test, FileSource)
    assert paths(read.test)[0].parts[-3] == "test"
    assert read.notes == (f"Not used: {tmp_path / 'val'}.",)


REFUSALS = [
    (
        ["cat/1.jpg", "dog/1.txt"],
        "the class folder {}/dog holds no pictures, only .txt; add some (.jpg, .jpeg",
    ),
    (["cat/1.jpg", "dog/.hidden"], "the class folder {}/dog holds no pictures; add some"),
    (["cat/1.jpg"], "{} holds 1 class folders (cat); expected two or more, such as {}/cat/1.jpg"),
    (["1.jpg", "2.jpg"], "{} holds 2 pictures and 0 class folders; expected two or more"),
    (
        ["train/a/1.jpg", "train/b/1.jpg", "test/a/1.jpg", "test/c/1.jpg"],
        "not the training classes: {}/test lacks b and has c, which the training folder lacks",
    ),
    (["cat/1.jpg", "cat/2.jpg", "dog/1.jpg"], "dog holds one picture, and a split needs two of each class"),
    (["notes.txt"], "holds nothing that is known as data; give one of:\n  digits"),
    ([], "holds nothing that is known as data"),
]


@pytest.mark.parametrize(("paths", "sentence"), REFUSALS, ids=lambda value: str(value)[:40])
def test_a_folder_that_is_no_data_set_is_refused_with_what_was_expected(
    tmp_path: Path, paths: list[str], sentence: str
) -> None:
    with pytest.raises(DataError) as refusal:
        open_data(plant(tmp_path, *paths))
    assert sentence.replace("{}", str(tmp_path)) in str(refusal.value)


def test_the_fingerprint_is_of_names_sizes_and_classes(tmp_path: Path) -> None:
    names = [f"{c}/{n}.jpg" for c in ("cat", "dog") for n in range(5)]
    one, two = plant(tmp_path / "one", *names), plant(tmp_path / "two", *names)
    assert open_data(one).fingerprint == open_data(two).fingerprint
    (two / "cat" / "3.jpg").write_bytes(b"longer than it was before")
    assert open_data(one).fingerprint != open_data(two).fingerprint


def test_a_file_that_is_no_picture_is_a_bad_image_by_name(tmp_path: Path) -> None:
    source = FileSource.of([plant(tmp_path, "1.jpg") / "1.jpg"], np.zeros(1, np.int64))
    with pytest.raises(BadImage, match=r"1\.jpg: it is no readable JPEG or PNG or WEBP image"):
        source.image(0)
    Image.new("L", (3, 2)).save(tmp_path / "2.png")
    assert FileSource.of([tmp_path / "2.png"], np.zeros(1, np.int64)).image(0).mode == "RGB"
