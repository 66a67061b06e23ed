"""Measure: published means and deviations, and the preprocess that follows from a data set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from resnets.data.measure import default_preprocess, measure
from resnets.data.open import open_data
from resnets.data.source import ArraySource
from resnets.spec.preprocess import IMAGENET


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
    assert default_preprocess(open_data(shared_data / "trashnet")) == IMAGENET


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
