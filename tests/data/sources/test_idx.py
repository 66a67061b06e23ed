"""Idx: MNIST as its authors count it, and a refusal with a reason for every file that is not whole."""

from __future__ import annotations

import gzip
import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest

from resnets.data.errors import DataError
from resnets.data.open import open_data
from resnets.data.source import ArraySource
from resnets.data.sources.idx import read_array, read_idx
from resnets.files.errors import FileError


def idx(array: np.ndarray, code: int = 8) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape) + array.tobytes()


def write_set(folder: Path, prefixes: tuple[str, str] = ("train", "t10k"), dot: str = "-", top: int = 9) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for prefix, count in zip(prefixes, (12, 5), strict=True):
        images = np.arange(count * 6, dtype=np.uint8).reshape(count, 2, 3)
        labels = (np.arange(count) % top + 1).astype(np.uint8)
        (folder / f"{prefix}-images{dot}idx3-ubyte").write_bytes(idx(images))
        (folder / f"{prefix}-labels{dot}idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))


def test_mnist_has_the_counts_that_its_authors_state(shared_data: Path) -> None:
    mnist = open_data(shared_data / "mnist")
    assert isinstance(mnist.train, ArraySource)
    assert isinstance(mnist.test, ArraySource)
    assert (len(mnist.train), len(mnist.test)) == (60_000, 10_000)
    assert mnist.classes == tuple("0123456789")
    assert (mnist.train.size, mnist.train.channels) == ((28, 28), 1)
    assert np.bincount(mnist.train.labels).tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949,
    ]  # fmt: skip
    assert np.bincount(mnist.test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert mnist.train.name(17) == "train[17]"


def test_mnist_has_the_pixels_that_a_plain_reading_gives(shared_data: Path) -> None:
    mnist = read_idx(shared_data / "mnist")
    for part, prefix in ((mnist.train, "train"), (mnist.test, "t10k")):
        assert isinstance(part, ArraySource)
        raw = gzip.decompress((shared_data / "mnist" / f"{prefix}-images-idx3-ubyte.gz").read_bytes())
        assert hashlib.md5(part.pixels.tobytes()).digest() == hashlib.md5(raw[16:]).digest()
    assert np.array_equal(np.asarray(mnist.train.image(7)), mnist.train.pixels[7, :, :, 0])


@pytest.mark.parametrize("prefixes", [("train", "t10k"), ("train", "test"), ("emnist-x-train", "emnist-x-test")])
@pytest.mark.parametrize("dot", ["-", "."])
def test_every_spelling_of_the_names_is_read(tmp_path: Path, prefixes: tuple[str, str], dot: str) -> None:
    write_set(tmp_path, prefixes, dot)
    read = open_data(tmp_path)
    assert (len(read.train or ()), len(read.test or ())) == (12, 5)
    assert read.name == tmp_path.name


def test_classes_go_up_to_the_largest_label(tmp_path: Path) -> None:
    write_set(tmp_path, top=11)
    assert read_idx(tmp_path).classes == tuple(map(str, range(12)))


def test_torchvisions_folder_is_found_from_its_root(tmp_path: Path) -> None:
    write_set(tmp_path / "MNIST" / "raw")
    assert len(open_data(tmp_path).train or ()) == 12


def test_the_fingerprint_changes_with_one_pixel_and_not_with_compression(tmp_path: Path) -> None:
    write_set(tmp_path)
    before = read_idx(tmp_path).fingerprint
    images = tmp_path / "train-images-idx3-ubyte"
    data = images.read_bytes()
    images.unlink()
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(data))
    assert read_idx(tmp_path).fingerprint == before
    images.write_bytes(data[:-1] + b"\xfe")  # a plain file goes before its .gz
    assert read_idx(tmp_path).fingerprint != before


GOOD = idx(np.zeros((3, 2, 2), np.uint8))

REFUSALS = [
    (b"", "is no idx file: it starts with nothing"),
    (b"PNG...", "is no idx file: it starts with 50 4e 47 2e, not 00 00"),
    (GOOD[:10], "is cut short: expected a header of 16 bytes, found 10"),
    (GOOD[:-1], "is cut short: for 3 x 2 x 2 expected 28 bytes, found 27; fetch it again"),
    (GOOD + b"\0", "is too long: for 3 x 2 x 2 expected 28 bytes, found 29"),
    (idx(np.zeros((3, 2), np.uint8)), "holds type 8 in 2 dimensions; expected type 8 (unsigned byte) in 3"),
    (idx(np.zeros((3, 2, 2), np.uint8), code=13), "holds type 13 in 3 dimensions"),
    (idx(np.zeros((0, 2, 2), np.uint8)), "is empty: its header says 0 x 2 x 2"),
    (struct.pack(">HBB3I", 0, 8, 3, 2**32 - 1, 2**32 - 1, 2**32 - 1), "is cut short: for 4294967295 x"),
]


@pytest.mark.parametrize(("data", "sentence"), REFUSALS, ids=lambda value: repr(value)[:30])
def test_a_file_that_is_not_what_its_header_says_is_refused(tmp_path: Path, data: bytes, sentence: str) -> None:
    for path, contents in ((tmp_path / "plain", data), (tmp_path / "packed.gz", gzip.compress(data))):
        path.write_bytes(contents)
        with pytest.raises(DataError) as refusal:
            read_array(path, dimensions=3)
        assert sentence in str(refusal.value)
        assert str(path) in str(refusal.value)


def test_a_gzip_file_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    write_set(tmp_path)
    labels = tmp_path / "train-labels-idx1-ubyte.gz"
    labels.write_bytes(labels.read_bytes()[:-9])
    with pytest.raises(FileError, match=r"train-labels-idx1-ubyte\.gz is cut short"):
        open_data(tmp_path)


def test_images_and_labels_of_different_sets_are_refused(tmp_path: Path) -> None:
    write_set(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.zeros(4, np.uint8))))
    with pytest.raises(DataError, match=r"has 5 images and .* has 4 labels; they are not of one set"):
        open_data(tmp_path)


def test_images_without_labels_are_refused(tmp_path: Path) -> None:
    write_set(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match="holds train-images-idx3-ubyte without its labels"):
        open_data(tmp_path)


def test_a_folder_with_two_sets_is_refused(tmp_path: Path) -> None:
    write_set(tmp_path, ("emnist-letters-train", "emnist-letters-test"))
    write_set(tmp_path, ("emnist-digits-train", "emnist-digits-test"))
    with pytest.raises(DataError, match=r"several sets \(emnist-digits, emnist-letters\)"):
        open_data(tmp_path)
