"""Digits and split: the built-in set, and parts that keep the share of every class."""

from __future__ import annotations

import numpy as np
import pytest

from resnets.data.errors import DataError
from resnets.data.open import open_data
from resnets.data.source import ArraySource
from resnets.data.splits.split import split


def toy(counts: list[int]) -> ArraySource:
    labels = np.repeat(np.arange(len(counts)), counts).astype(np.int64)
    return ArraySource(np.zeros((len(labels), 2, 2, 1), np.uint8), labels, "toy")


def test_the_digits_are_1797_pictures_of_8x8_split_the_same_way_every_time() -> None:
    first, second = open_data("digits"), open_data("digits")
    assert isinstance(first.train, ArraySource) and isinstance(first.test, ArraySource)
    assert isinstance(second.test, ArraySource)
    assert (len(first.train), len(first.test), first.train.size) == (1437, 360, (8, 8))
    assert (first.train.pixels.min(), first.train.pixels.max()) == (0, 255)
    assert np.array_equal(first.test.pixels, second.test.pixels)
    assert first.fingerprint == second.fingerprint
    assert np.bincount(first.test.labels).min() >= 34
    assert first.classes == tuple("0123456789")


def test_a_split_keeps_every_class_in_its_share() -> None:
    rest, held = split(toy([100, 50, 10]), 0.1, seed=3)
    assert np.bincount(rest.labels).tolist() == [90, 45, 9]
    assert np.bincount(held.labels).tolist() == [10, 5, 1]


def test_a_split_is_a_function_of_its_seed_and_keeps_names() -> None:
    source = toy([30, 30])
    names = [[held.name(k) for k in range(len(held))] for held in (split(source, 6, seed)[1] for seed in (1, 1, 2))]
    assert names[0] == names[1] != names[2]
    rest, held = split(source, 6, seed=1)
    together = {part.name(k) for part in (rest, held) for k in range(len(part))}
    assert together == {f"toy[{k}]" for k in range(60)}


@pytest.mark.parametrize(
    ("counts", "held", "sentence"),
    [
        ([5, 1], 0.5, "class 1 has one picture"),
        ([5, 5], 1, "1 of 10 pictures cannot be split with 2 classes on each side; hold back from 2 to 8"),
        ([5, 5], 9, "9 of 10 pictures cannot be split"),
        ([5, 5], 10, "10 of 10 pictures cannot be held back"),
        ([5, 5], 1.5, "1.5 of 10 pictures cannot be held back"),
    ],
)
def test_a_split_that_cannot_be_is_refused(counts: list[int], held: float, sentence: str) -> None:
    with pytest.raises(DataError) as refusal:
        split(toy(counts), held, seed=0)
    assert sentence in str(refusal.value)


def test_pixels_and_labels_that_do_not_fit_together_are_refused() -> None:
    pixels, labels = np.zeros((2, 3, 3, 1), np.uint8), np.zeros(2, np.int64)
    for given_pixels, given_labels, sentence in (
        (pixels.astype(float), labels, "pixels are float64"),
        (pixels[..., 0], labels, "allowed: uint8 (N, H, W, C)"),
        (pixels, labels[:1], "labels are int64 (1,); allowed: int64 (2,)"),
        (pixels, labels - 1, "the smallest label is -1"),
    ):
        with pytest.raises(DataError) as refusal:
            ArraySource(given_pixels, given_labels, "toy")
        assert sentence in str(refusal.value)
