"""CIFAR: the same pictures that pickle gives, without it."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from resnets.data.errors import DataError
from resnets.data.open import open_data
from resnets.data.source import ArraySource
from resnets.files.errors import FileError


def write_cifar100(folder: Path, protocol: int = 2, **changes: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    chance = np.random.default_rng(0)
    for name, count in (("train", 8), ("test", 4)):
        facts: dict[str, object] = {
            "data": chance.integers(0, 256, (count, 3072), dtype=np.uint8),
            "fine_labels": [n % 4 for n in range(count)],
            "coarse_labels": [0] * count,
        }
        (folder / name).write_bytes(pickle.dumps(facts | changes, protocol))
    names = {"fine_label_names": ["apple", "bee", "cloud", "dog"], "coarse_label_names": ["all"]}
    (folder / "meta").write_bytes(pickle.dumps(names, protocol))


def test_cifar10_holds_the_pictures_that_pickle_gives(cifar10_folder: Path) -> None:
    read = open_data(cifar10_folder)
    assert isinstance(read.train, ArraySource)
    assert isinstance(read.test, ArraySource)
    assert (len(read.train), len(read.test)) == (50_000, 10_000)
    assert (read.train.size, read.train.channels) == ((32, 32), 3)
    assert read.classes[:3] == ("airplane", "automobile", "bird")
    assert np.bincount(read.train.labels).tolist() == [5000] * 10
    assert np.bincount(read.test.labels).tolist() == [1000] * 10
    for name, pixels, labels in (
        ("data_batch_3", read.train.pixels[20_000:30_000], read.train.labels[20_000:30_000]),
        ("test_batch", read.test.pixels, read.test.labels),
    ):
        theirs = pickle.loads((cifar10_folder / name).read_bytes(), encoding="latin1")
        assert np.array_equal(pixels, theirs["data"].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
        assert labels.tolist() == theirs["labels"]


def test_the_folder_above_the_batches_will_do(cifar10_folder: Path) -> None:
    assert open_data(cifar10_folder.parent).name == "cifar10"


@pytest.mark.parametrize("protocol", range(6))
def test_cifar100_has_its_fine_classes(tmp_path: Path, protocol: int) -> None:
    write_cifar100(tmp_path / "cifar-100-python", protocol)
    read = open_data(tmp_path)
    theirs = pickle.loads((tmp_path / "cifar-100-python" / "train").read_bytes())
    assert read.name == "cifar100"
    assert read.classes == ("apple", "bee", "cloud", "dog")
    assert isinstance(read.train, ArraySource)
    assert read.train.labels.tolist() == theirs["fine_labels"]
    planes = read.train.pixels.transpose(0, 3, 1, 2).reshape(8, 3072)
    assert np.array_equal(planes, theirs["data"])


REFUSALS = [
    ({"data": np.zeros((8, 3071), np.uint8)}, "its data are |u1 (8, 3071); expected bytes in (N, 3072)"),
    ({"data": np.zeros((8, 3072), np.int64)}, "its data are <i8 (8, 3072)"),
    ({"data": b"bytes"}, "its data are bytes"),
    ({"fine_labels": [0] * 7}, "has 8 images and 7 fine_labels"),
    ({"fine_labels": None}, "has 8 images and no fine_labels"),
    ({"fine_labels": [0, 1, 2, 3, 0, 1, 2, 4]}, "a label is 4; allowed: 0 to 3"),
    ({"fine_labels": [0, 1, 2, 3, 0, 1, 2, "3"]}, "a label is 3; allowed: 0 to 3"),
]


@pytest.mark.parametrize(("changes", "sentence"), REFUSALS, ids=lambda value: str(value)[-40:])
def test_a_batch_that_is_not_what_it_should_be_is_refused(
    tmp_path: Path, changes: dict[str, object], sentence: str
) -> None:
    write_cifar100(tmp_path, **changes)
    with pytest.raises(DataError) as refusal:
        open_data(tmp_path)
    assert sentence in str(refusal.value)


def test_a_batch_with_something_else_in_it_is_refused(tmp_path: Path) -> None:
    write_cifar100(tmp_path, extra=Path("x"))
    with pytest.raises(FileError, match=r"names 'pathlib\S* \w*Path', which is not allowed"):
        open_data(tmp_path)


def test_a_missing_batch_is_named(tmp_path: Path) -> None:
    write_cifar100(tmp_path)
    (tmp_path / "test").unlink()
    with pytest.raises(DataError, match="lacks test; unpack the whole archive there again"):
        open_data(tmp_path)


def test_both_sets_below_one_folder_are_refused(tmp_path: Path) -> None:
    write_cifar100(tmp_path / "cifar-100-python")
    (tmp_path / "cifar-10-batches-py").mkdir()
    for name in ("data_batch_1", "batches.meta"):
        (tmp_path / "cifar-10-batches-py" / name).touch()
    with pytest.raises(DataError, match="holds more than one set; give one of them"):
        open_data(tmp_path)
