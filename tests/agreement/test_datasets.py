"""Hugging Face's own `datasets`: the pictures and classes that it gives, from its files, splits and pickles."""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from resnets.data.errors import DataError
from resnets.data.reading import Columns, Reading
from resnets.data.source import Source
from resnets.data.sources.arrow import is_dataset, read_dataset
from resnets.data.sources.table import read_table

datasets = pytest.importorskip("datasets")

READING = Reading()


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets.disable_progress_bars()
    yield


def png(value: int) -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(value).integers(0, 256, (7, 9, 3), np.uint8)
    Pillow.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def pets(count: int, start: int = 0, **columns: tuple[list[Any], Any]) -> Any:
    cells = {
        "image": [{"bytes": png(start + value), "path": None} for value in range(count)],
        "label": [value % 3 for value in range(count)],
        **{name: column for name, (column, _) in columns.items()},
    }
    features = {
        "image": datasets.Image(),
        "label": datasets.ClassLabel(names=["dog", "ant", "cat"]),
        **{name: feature for name, (_, feature) in columns.items()},
    }
    return datasets.Dataset.from_dict(cells, features=datasets.Features(features))


def check_same(source: Source | None, given: Any) -> None:
    assert source is not None and len(source) == len(given)
    assert source.labels.tolist() == list(given["label"])
    for index in range(len(given)):
        assert np.array_equal(source.image(index), given[index]["image"].convert("RGB"))


def test_pictures_classes_and_parts_are_those_that_it_gives() -> None:
    parts = datasets.DatasetDict(train=pets(12), test=pets(6, 50))
    read = read_dataset(parts, READING)
    assert is_dataset(parts) and read.classes == ("dog", "ant", "cat")
    check_same(read.train, parts["train"])
    check_same(read.test, parts["test"])


def test_one_that_was_selected_shuffled_and_formatted_is_read_as_it_stands() -> None:
    given = pets(30).shuffle(seed=3).select(range(4, 24)).with_format("torch")
    read = read_dataset(datasets.DatasetDict(test=given), READING)
    check_same(read.test, given.with_format(None))


def test_a_split_by_groups_is_made_of_one_data_set() -> None:
    given = pets(60, patient=([f"p{value // 5}" for value in range(60)], datasets.Value("string")))
    read = read_dataset(given, READING)
    assert read.split == "made: 0.2 for testing, seed 0, stratified, grouped by patient"
    assert read.train is not None and read.test is not None and len(read.train) + len(read.test) == 60
    assert np.intersect1d(read.train.groups, read.test.groups).size == 0


@pytest.mark.parametrize("kind", ["Sequence", "List", "plain"])
def test_lists_of_classes_are_several(kind: str) -> None:
    names = datasets.ClassLabel(names=["x", "y"])
    if not hasattr(datasets, "List") and kind == "List":
        pytest.skip("List came with datasets 4")
    feature = [names] if kind == "plain" else getattr(datasets, kind)(names)
    given = pets(4, tags=([[0], [], [1, 0], [1]], feature)).remove_columns("label")
    read = read_dataset(datasets.DatasetDict(test=given), READING)
    assert (read.task, read.classes) == ("classes", ("x", "y")) and read.test is not None
    assert read.test.labels.tolist() == [[True, False], [False, False], [True, True], [False, True]]


def test_floats_are_numbers() -> None:
    given = pets(4, age=([1.5, 2, 3, 4], datasets.Value("float32")))
    read = read_dataset(datasets.DatasetDict(test=given), Reading(columns=Columns(label="age")))
    assert read.task == "numbers" and read.test is not None and read.test.labels.tolist() == [[1.5], [2], [3], [4]]


def test_pixels_and_paths_are_read_too(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 5, 6, 3), np.uint8)
    features = datasets.Features({"x": datasets.Array3D((5, 6, 3), "uint8"), "label": datasets.Value("string")})
    given = datasets.Dataset.from_dict({"x": list(pixels), "label": [*"abab"]}, features=features)
    read = read_dataset(datasets.DatasetDict(test=given), READING)
    assert read.test is not None and np.array_equal([read.test.raw(index) for index in range(4)], pixels)
    for value in (0, 1):
        (tmp_path / f"{value}.png").write_bytes(png(value))
    paths = [str(tmp_path / f"{value}.png") for value in (0, 1)]
    by_path = datasets.Dataset.from_dict({"image": paths, "label": [0, 1]}).cast_column("image", datasets.Image())
    read = read_dataset(datasets.DatasetDict(test=by_path), READING)
    assert read.test is not None and [read.test.raw(index) for index in (0, 1)] == [png(0), png(1)]


def raws(source: Source) -> list[Any]:
    return [source.raw(index) for index in range(len(source))]


def test_one_that_is_mapped_from_a_disk_works_in_another_process(tmp_path: Path) -> None:
    datasets.DatasetDict(train=pets(9), test=pets(3)).save_to_disk(str(tmp_path / "pets"))
    read = read_dataset(datasets.load_from_disk(str(tmp_path / "pets")), READING)
    assert read.train is not None
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as workers:
        assert workers.submit(raws, read.train).result() == [png(value) for value in range(9)]


def test_parquet_that_it_wrote_is_read_alike(tmp_path: Path) -> None:
    given = pets(30)
    given.to_parquet(str(tmp_path / "pets.parquet"))
    table, memory = read_table(tmp_path / "pets.parquet", READING), read_dataset(given, READING)
    assert table.classes == memory.classes and table.class_order == memory.class_order == "given"
    for ours, theirs in ((table.train, memory.train), (table.test, memory.test)):
        assert ours is not None and theirs is not None and raws(ours) == raws(theirs)
        assert np.array_equal(ours.labels, theirs.labels)


def test_one_that_is_streamed_is_refused() -> None:
    for streamed in (pets(3).to_iterable_dataset(), datasets.IterableDatasetDict(train=pets(3).to_iterable_dataset())):
        assert is_dataset(streamed)
        with pytest.raises(DataError, match="load it whole, with streaming=False"):
            read_dataset(streamed, READING)
