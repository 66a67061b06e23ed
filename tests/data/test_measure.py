"""Measure: published means and deviations, and the preprocess that follows from a data set."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from resnets.data.dataset import DataSet
from resnets.data.errors import BadImage
from resnets.data.measure import default_preprocess, measure
from resnets.data.open import open_data
from resnets.data.source import ArraySource, FileSource, Labels, Source
from resnets.spec.preprocess import IMAGENET, Preprocess


def test_mnist_has_the_mean_and_deviation_that_everybody_uses(shared_data: Path) -> None:
    preprocess = default_preprocess(open_data(shared_data / "mnist"))
    assert (preprocess.mean, preprocess.std) == ((0.1307,), (0.3081,))
    assert (preprocess.size, preprocess.colour) == ((28, 28), "grey")


def test_cifar10_has_the_mean_and_deviation_that_everybody_uses(cifar10_folder: Path) -> None:
    preprocess = default_preprocess(open_data(cifar10_folder))
    assert preprocess.mean == (0.4914, 0.4822, 0.4465)
    assert preprocess.std == (0.247, 0.2435, 0.2616)
    assert (preprocess.size, preprocess.colour) == ((32, 32), "rgb")


def test_a_folder_of_photographs_gets_imagenets_preprocess(shared_data: Path) -> None:
    assert default_preprocess(open_data(shared_data / "trashnet")) == replace(IMAGENET, profile="srgb")


@pytest.mark.parametrize("channels", [1, 3])
def test_measured_numbers_are_numpys_in_every_order_of_colour(channels: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 200, (600, 4, 5, channels), dtype=np.uint8)
    pixels[..., -1] //= 2
    source = ArraySource(pixels, np.zeros(600, np.int64), "train")
    mean, std = measure(source, colour="grey" if channels == 1 else "rgb")
    assert mean == pytest.approx(pixels.mean((0, 1, 2)) / 255, abs=6e-5)
    assert std == pytest.approx(pixels.std((0, 1, 2)) / 255, abs=6e-5)
    if channels == 3:
        assert measure(source, colour="bgr") == (mean[::-1], std[::-1])
    else:
        assert measure(source, colour="rgb") == (mean * 3, std * 3)


def test_a_sample_is_the_same_every_time_and_spread_evenly() -> None:
    pixels = np.repeat(np.arange(100, dtype=np.uint8), 4).reshape(100, 2, 2, 1)
    source = ArraySource(pixels, np.zeros(100, np.int64), "train")
    mean, _ = measure(source, colour="grey", sample=3)
    assert mean == (round((0 + 50 + 99) / 3 / 255, 4),)
    assert measure(source, colour="grey", sample=1000) == measure(source, colour="grey")


def test_blank_pictures_get_a_deviation_that_can_be_divided_by() -> None:
    source = ArraySource(np.zeros((3, 2, 2, 1), np.uint8), np.zeros(3, np.int64), "train")
    assert measure(source, colour="grey") == ((0.0,), (0.01,))


def test_bands_are_measured_each_by_itself_in_arrays_and_in_files(tmp_path: Path) -> None:
    numbers = np.random.default_rng(0).random((3, 4, 5, 6)).astype(np.float32) * np.linspace(
        0.2, 1, 6, dtype=np.float32
    )
    for index, each in enumerate(numbers):
        np.save(tmp_path / f"{index}.npy", each)
    files = FileSource.of([tmp_path / f"{index}.npy" for index in range(3)], np.zeros(3, np.int64))
    mean, std = measure(files, colour="bands", bands=6, base=Preprocess(formats=("NPY",)))
    assert mean == pytest.approx(numbers.mean((0, 1, 2)), abs=6e-5)
    assert std == pytest.approx(numbers.std((0, 1, 2)), abs=6e-5)
    pixels = (numbers * 255).astype(np.uint8)
    preprocess = default_preprocess(dataset(ArraySource(pixels, np.zeros(3, np.int64), "train")))
    assert (preprocess.colour, preprocess.channels, preprocess.fit) == ("bands", 6, "squash")
    assert preprocess.mean == pytest.approx(pixels.mean((0, 1, 2)) / 255, abs=6e-5)
    with pytest.raises(BadImage, match=r"0\.npy: its shape is \(4, 5, 6\), so it has 6 bands"):
        measure(files, colour="bands", bands=5, base=Preprocess(formats=("NPY",)))


def dataset(source: Source) -> DataSet:
    return DataSet(name="toy", classes=("a",), train=source, test=None, fingerprint="")


@pytest.mark.parametrize("labels", [np.zeros((2, 3), bool), np.zeros((2, 1), np.float32)])
def test_what_the_labels_are_does_not_matter(labels: Labels) -> None:
    pixels = np.full((2, 3, 3, 1), 51, np.uint8)
    assert default_preprocess(dataset(ArraySource(pixels, labels, "train"))).mean == (0.2,)


def test_files_are_not_opened_for_a_preprocess(tmp_path: Path) -> None:
    broken = FileSource.of([tmp_path / "none.jpg"], np.zeros(1, np.int64))
    assert default_preprocess(dataset(broken)).size == (224, 224)
    with pytest.raises(BadImage, match=r"none\.jpg"):
        measure(broken, colour="rgb")
