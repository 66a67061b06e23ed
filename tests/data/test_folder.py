"""Folder: classes from folders, in natural order, and a refusal that names what is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resnets.data.dataset import DataSet
from resnets.data.errors import BadImage, DataError
from resnets.data.open import open_data
from resnets.data.source import FolderSource
from resnets.data.sources.folder import read_folder


def plant(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"not looked into")
    return root


def test_real_photographs_in_train_and_val_are_read(shared_data: Path) -> None:
    trash = open_data(shared_data / "trashnet")
    assert trash.classes == ("cardboard", "glass", "metal", "paper", "plastic", "trash")
    assert trash.train is not None and trash.test is not None
    assert np.bincount(trash.train.labels).tolist() == [45] * 6
    assert np.bincount(trash.test.labels).tolist() == [15] * 6
    assert trash.test.image(0).size == (384, 512)
    assert trash.notes == ()


def test_names_with_numbers_come_in_natural_order(tmp_path: Path) -> None:
    plant(tmp_path, *[f"train/{c}/{n}.png" for c in ("10", "2", "1") for n in ("a10", "a9", "a1", "b")])
    plant(tmp_path, *[f"test/{c}/{n}.png" for c in ("2", "1", "10") for n in ("x",)])
    read = open_data(tmp_path)
    assert read.classes == ("1", "2", "10")
    assert isinstance(read.train, FolderSource)
    assert [path.stem for path in read.train.paths[:4]] == ["a1", "a9", "a10", "b"]
    assert read.test is not None
    assert [read.classes[k] for k in read.test.labels] == ["1", "2", "10"]


def test_without_a_given_split_a_fifth_of_every_class_is_held_back(tmp_path: Path) -> None:
    plant(tmp_path, *[f"{c}/{n}.jpg" for c in ("cat", "dog") for n in range(20)])
    first, second = read_folder(tmp_path), read_folder(tmp_path)
    assert isinstance(first.train, FolderSource) and isinstance(first.test, FolderSource)
    assert isinstance(second.test, FolderSource)
    assert np.bincount(first.train.labels).tolist() == [16, 16]
    assert np.bincount(first.test.labels).tolist() == [4, 4]
    assert set(first.train.paths).isdisjoint(first.test.paths)
    assert first.test.paths == second.test.paths
    assert first.notes == ("Split 80/20: no train folder was given.",)


def test_what_is_hidden_or_no_picture_is_left_out_and_said(tmp_path: Path) -> None:
    plant(tmp_path, *[f"{c}/{n}.JPG" for c in ("cat", "dog") for n in range(5)], "cat/deep/6.webp", "cat/a.txt")
    plant(tmp_path, ".cache/x/1.jpg", "cat/.hidden.jpg", "cat/.thumbs/1.jpg", "__MACOSX/cat/1.jpg", "readme.md")
    read = read_folder(tmp_path)
    assert read.classes == ("cat", "dog")
    assert len(read.train or ()) + len(read.test or ()) == 11
    assert read.notes[-1] == "Not read as pictures: 1 .txt."


def test_a_link_back_up_does_not_go_round_for_ever(tmp_path: Path) -> None:
    plant(tmp_path, *[f"{c}/{n}.jpg" for c in ("cat", "dog") for n in range(5)])
    (tmp_path / "cat" / "loop").symlink_to(tmp_path / "cat")
    (tmp_path / "cat" / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    read = read_folder(tmp_path)
    assert len(read.train or ()) + len(read.test or ()) == 11


def test_only_something_to_test_on_is_a_data_set_too(tmp_path: Path) -> None:
    plant(tmp_path, "test/cat/1.png", "test/dog/1.png")
    read = read_folder(tmp_path)
    assert read.train is None
    assert len(read.test or ()) == 2


def test_test_goes_before_val_and_the_other_is_named(tmp_path: Path) -> None:
    plant(tmp_path, *[f"{part}/{c}/1.png" for part in ("train", "val", "test") for c in ("cat", "dog")])
    read = read_folder(tmp_path)
    assert isinstance(read.test, FolderSource)
    assert read.test.paths[0].parts[-3] == "test"
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


def test_what_is_not_there_is_refused_with_what_may_be_given(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no data set and no folder 'digitz'"):
        open_data("digitz")
    (tmp_path / "mnist.tar").touch()
    with pytest.raises(DataError, match="is a file; unpack it if it is an archive"):
        open_data(tmp_path / "mnist.tar")


def test_the_fingerprint_is_of_names_sizes_and_classes(tmp_path: Path) -> None:
    def read(root: Path) -> DataSet:
        return read_folder(root)

    names = [f"{c}/{n}.jpg" for c in ("cat", "dog") for n in range(5)]
    one, two = plant(tmp_path / "one", *names), plant(tmp_path / "two", *names)
    assert read(one).fingerprint == read(two).fingerprint
    (two / "cat" / "3.jpg").write_bytes(b"longer than it was before")
    assert read(one).fingerprint != read(two).fingerprint


def test_a_file_that_is_no_picture_is_a_bad_image_by_name(tmp_path: Path) -> None:
    source = FolderSource([plant(tmp_path, "1.jpg") / "1.jpg"], np.zeros(1, np.int64))
    with pytest.raises(BadImage, match=r"1\.jpg: it is no readable JPEG or PNG or WEBP image"):
        source.image(0)
    Image.new("L", (3, 2)).save(tmp_path / "2.png")
    assert FolderSource([tmp_path / "2.png"], np.zeros(1, np.int64)).image(0).mode == "RGB"
