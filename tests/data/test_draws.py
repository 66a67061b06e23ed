"""Draws: a picture's chance is its own, whatever is drawn beside it."""

from __future__ import annotations

from typing import get_args

import numpy as np

from resnets.data.draws import Purpose, generator, uniforms


def test_a_row_is_what_the_pictures_own_generator_draws() -> None:
    indices = np.array([5, 0, 2**40, 7])
    rows = uniforms(3, 1, "pixels", indices, 6)
    for row, index in zip(rows, indices.tolist(), strict=True):
        assert row.tolist() == generator(3, 1, "pixels", index).random(6).tolist()
    assert uniforms(3, 1, "pixels", indices[:0], 6).shape == (0, 6)


def test_another_key_is_another_chance() -> None:
    places = [(seed, epoch, purpose, index) for seed in (0, 1) for epoch in (0, 1) for index in (0, 1)
              for purpose in get_args(Purpose)]  # fmt: skip
    drawn = [tuple(generator(*place).random(4)) for place in places]
    assert len(set(drawn)) == len(places)


def test_long_draws_of_neighbours_do_not_run_into_each_other() -> None:
    first, second = (generator(0, 0, "pixels", index).random(10_000) for index in (0, 1))
    assert np.intersect1d(first, second).size == 0


def test_the_numbers_are_uniform_over_pictures_and_neighbours_are_not_alike() -> None:
    column = uniforms(11, 4, "crop", np.arange(20_000), 1)[:, 0]
    counts = np.histogram(column, bins=20, range=(0, 1))[0]
    assert ((counts - 1000) ** 2 / 1000).sum() < 43.8  # chi-square with 19 degrees of freedom, p = 0.001
    assert abs(np.corrcoef(column[:-1], column[1:])[0, 1]) < 0.03


def test_the_stream_is_numpys_philox_and_stays_what_it_is() -> None:
    raw = generator(7, 9, "pixels", 5).bit_generator.random_raw(2)
    assert raw.tolist() == [8231724093571499442, 3607378964916133294]
