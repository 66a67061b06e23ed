"""Arrow: data sets shaped like those of Hugging Face, which `tests/agreement/test_datasets.py` has for real."""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from resnets.data.errors import BadImage, DataError
from resnets.data.reading import Columns, Reading
from resnets.data.source import Source
from resnets.data.sources.arrow import is_dataset, read_dataset
from resnets.data.sources.arrow_source import ArrowSource
from resnets.data.sources.table_parts import ON_VALIDATION

READING = Reading()


def png(value: int) -> bytes:
    file = io.BytesIO()
    Pillow.new("RGB", (3, 2), (value, 0, 0)).save(file, "PNG")
    return file.getvalue()


class Image:
    def __init__(self, decode: bool = True) -> None:
        self.decode = decode

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Image) and self.decode == other.decode

    __hash__ = None  # type: ignore[assignment]


class ClassLabel:
    def __init__(self, *names: str) -> None:
        self.names, self.dtype = list(names), "int64"


class Array3D:
    dtype = "uint8"


class Value:
    def __init__(self, dtype: str) -> None:
        self.dtype = dtype


class Dataset:
    """As much of a `datasets.Dataset` as is used; a column of pictures refuses to be read where it would decode."""

    __module__ = "datasets.arrow_dataset"

    def __init__(self, columns: dict[str, list[Any]], features: dict[str, Any], split: str | None = None) -> None:
        self.columns, self.features, self.split = columns, features, split
        self.info = SimpleNamespace(dataset_name="pets")

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __getitem__(self, rows: int | slice) -> dict[str, Any]:
        for feature in self.features.values():
            assert not (isinstance(feature, Image) and feature.decode), "this would decode the picture"
        return {column: cells[rows] for column, cells in self.columns.items()}

    def with_format(self, kind: None) -> Dataset:
        return self

    def select_columns(self, names: list[str]) -> Dataset:
        return Dataset({name: self.columns[name] for name in names}, {name: self.features[name] for name in names})

    def cast_column(self, column: str, feature: Any) -> Dataset:
        return Dataset(self.columns, {**self.features, column: feature}, self.split)


class DatasetDict(dict[str, Dataset]):
    __module__ = "datasets.dataset_dict"


class IterableDataset:
    __module__ = "datasets.iterable_dataset"

    def __iter__(self) -> Iterator[Any]:
        return iter(())


NAMES = ClassLabel("dog", "ant")


def pets(count: int = 4, start: int = 0, split: str | None = None, labels: list[Any] | None = None) -> Dataset:
    pictures = [{"bytes": png(start + value), "path": None} for value in range(count)]
    columns = {"image": pictures, "label": labels or [value % 2 for value in range(count)]}
    return Dataset(columns, {"image": Image(), "label": NAMES}, split)


def reds(source: Source | None) -> list[int]:
    assert source is not None
    return [int(np.asarray(source.image(index))[0, 0, 0]) for index in range(len(source))]


def test_a_dictionary_of_data_sets_gives_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    read = read_dataset(DatasetDict(train=pets(4), validation=pets(2, 10)), READING)
    assert (reds(read.train), reds(read.test)) == ([0, 1, 2, 3], [10, 11])
    assert (read.classes, read.class_order, read.split) == (("dog", "ant"), "given", "given")
    assert read.train is not None and read.test is not None
    assert (read.train.labels.tolist(), read.test.labels.tolist()) == ([0, 1, 0, 1], [0, 1])
    assert (read.train.name(3), read.test.name(1), read.name) == ("train[3]", "validation[1]", "pets")
    assert read.notes == (ON_VALIDATION,)
    both = read_dataset(DatasetDict(train=pets(4), validation=pets(2, 10), test=pets(2, 20)), READING)
    assert reds(both.test) == [20, 21]
    assert both.notes == ("Not used: 2 pictures for validation, as there are others to test on.",)


def test_the_bytes_of_the_file_are_what_is_read() -> None:
    read = read_dataset(DatasetDict(train=pets(2), test=pets(2)), READING)
    assert read.train is not None and read.train.raw(1) == png(1)


@pytest.mark.parametrize(
    ("split", "sizes"), [(None, (8, 2)), ("train", (8, 2)), ("test", (0, 10)), ("validation", (0, 10))]
)
def test_one_data_set_is_split_unless_its_name_says_what_it_is_for(split: str | None, sizes: tuple[int, int]) -> None:
    read = read_dataset(pets(10, split=split), READING)
    assert (len(read.train or ()), len(read.test or ())) == sizes
    assert read.split == ("given" if sizes[0] == 0 else "made: 0.2 for testing, seed 0, stratified")


def test_a_column_may_say_the_split_and_the_group() -> None:
    given = pets(6)
    given.columns |= {"split": ["train"] * 4 + ["test"] * 2, "patient": ["p", "p", "q", "r", "q", "s"]}
    given.features |= {"split": Value("string"), "patient": Value("string")}
    read = read_dataset(given, READING)
    assert (reds(read.train), reds(read.test)) == ([0, 1, 2, 3], [4, 5])
    assert read.notes == ("1 of patient have pictures both to train and to test on.",)
    with pytest.raises(DataError, match="have a column 'split' too"):
        read_dataset(DatasetDict(train=given, test=given), READING)


def test_a_part_to_test_on_whose_classes_are_secret_is_not_used() -> None:
    parts = DatasetDict(train=pets(4), validation=pets(2, 10), test=pets(2, 20, labels=[-1, -1]))
    read = read_dataset(parts, READING)
    assert reds(read.test) == [10, 11]
    assert read.notes == ("Not used: the part 'test', whose classes are not given (-1).", ON_VALIDATION)
    with pytest.raises(DataError, match=r"test\[1\]: label is empty"):
        read_dataset(DatasetDict(train=pets(4), test=pets(2, labels=[1, -1])), READING)


def test_lists_of_classes_are_several_and_floats_are_numbers() -> None:
    given = pets(3, split="test", labels=[[0, 1], [], [1]])
    given.features["label"] = [NAMES]
    read = read_dataset(given, READING)
    assert read.task == "classes" and read.test is not None
    assert read.test.labels.tolist() == [[True, True], [False, False], [False, True]]
    given = pets(2, split="test", labels=[0.5, 2])
    given.features["label"] = Value("float64")
    read = read_dataset(given, READING)
    assert (read.task, read.classes) == ("numbers", ("label",))


def test_whole_numbers_and_texts_without_names_are_classes_in_natural_order() -> None:
    for labels, dtype in (([10, 2], "int32"), (["10", "2"], "string")):
        given = pets(2, split="test", labels=labels)
        given.features["label"] = Value(dtype)
        read = read_dataset(given, READING)
        assert (read.classes, read.class_order) == (("2", "10"), "natural")


def test_two_columns_of_pictures_or_classes_have_to_be_told_apart() -> None:
    given = pets(2, split="test")
    given.columns |= {"fine": [1, 0], "mask": [{"bytes": png(99), "path": None}] * 2}
    given.features |= {"fine": NAMES, "mask": Image()}
    assert reds(read_dataset(given, READING).test) == [0, 1]  # one of each has the usual heading
    named = read_dataset(given, Reading(columns=Columns(path="mask", label="fine")))
    assert reds(named.test) == [99, 99] and named.test is not None and named.test.labels.tolist() == [1, 0]
    given.columns["one"], given.features["one"] = given.columns.pop("image"), given.features.pop("image")
    with pytest.raises(DataError, match=r"'mask' and 'one' could each be the path; name it \(--read path=COLUMN\)"):
        read_dataset(given, READING)


def test_what_cannot_be_read_is_refused() -> None:
    with pytest.raises(DataError, match="an IterableDataset has no length and no order"):
        read_dataset(IterableDataset(), READING)
    for empty in (DatasetDict(), pets(0), DatasetDict(train=pets(0))):
        with pytest.raises(DataError, match="holds no pictures"):
            read_dataset(empty, READING)
    other = pets(2)
    other.features["label"] = Value("int64")
    with pytest.raises(DataError, match="the part 'test' has the columns"):
        read_dataset(DatasetDict(train=pets(2), test=other), READING)


def test_only_what_datasets_made_is_taken_for_a_data_set() -> None:
    assert all(map(is_dataset, (pets(), DatasetDict(), IterableDataset())))
    assert not any(map(is_dataset, ("photos", {}, [pets()], None, np.zeros(3))))


def test_pictures_that_are_pixels_are_read_as_they_are() -> None:
    pixels = [[[[value, 0, 0]] * 3] * 2 for value in (5, 6)]
    given = Dataset({"x": pixels, "label": [0, 1]}, {"x": Array3D(), "label": NAMES}, "test")
    assert reds(read_dataset(given, READING).test) == [5, 6]


class Cells(list[Any]):
    def name(self, row: int) -> str:
        return f"cells[{row}]"


ODD: list[tuple[object, str]] = [
    (None, "its cell holds nothing, not a picture"),
    ({"bytes": None, "path": None}, "its cell holds nothing, not a picture"),
    ({"bytes": None, "path": "none.png"}, "there is no file "),
    ({"bytes": None, "path": "a\0b"}, "null"),
    ("text", "its cell holds a str, not a picture"),
    ([[1, 2], [3]], "its cell holds float64 (0,); allowed: whole numbers 0 to 255, (H, W) or (H, W, C)"),
    ([[300]], "its cell holds int64 (1, 1, 1)"),
    ([[0.5]], "its cell holds float64 (1, 1, 1)"),
    ([], "its cell holds"),
]


@pytest.mark.parametrize(("cell", "reason"), ODD, ids=lambda value: str(value)[:30])
def test_a_cell_that_holds_no_picture_is_a_bad_image_by_name(cell: object, reason: str) -> None:
    source = ArrowSource(Cells([b"", cell]), np.array([1]), np.zeros(1, np.int64), "/nowhere")
    with pytest.raises(BadImage) as bad:
        source.raw(0)
    assert bad.value.name == "cells[1]" and reason in bad.value.reason


def test_pictures_taken_keep_their_names_labels_and_groups_in_a_pickle_too() -> None:
    labels, groups = np.arange(4), np.arange(4) + 10
    source = ArrowSource(Cells([b"a", b"b", b"c", b"d"]), np.arange(4), labels, "", groups)
    for each in (source, pickle.loads(pickle.dumps(source))):
        taken = each.take(np.array([3, 1])).take(np.array([1]))
        assert (taken.name(0), taken.raw(0), taken.labels.tolist()) == ("cells[1]", b"b", [1])
        assert taken.groups is not None and taken.groups.tolist() == [11]
