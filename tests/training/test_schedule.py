"""Schedules: pure functions from the share of a run that is done to the learning rate."""

from __future__ import annotations

from math import cos, pi

import pytest

from resnets.training.recipe import RECIPES, Recipe, recipe
from resnets.training.schedule import rate

SHARES = [step / 1000 for step in range(1001)]


def test_constant_is_constant() -> None:
    assert {rate(recipe("mnist-notes"), done) for done in SHARES} == {1e-4}


def test_steps_divide_by_ten_at_the_papers_32k_and_48k_iterations() -> None:
    """He et al. 2015, section 4.2: start with 0.1, divide by 10 at 32k and 48k, stop at 64k."""
    paper = recipe("cifar-he2015")
    rates = {done: rate(paper, done / 64_000) for done in (1, 31_999, 32_000, 47_999, 48_000, 64_000)}
    assert rates == pytest.approx({1: 0.1, 31_999: 0.1, 32_000: 0.01, 47_999: 0.01, 48_000: 0.001, 64_000: 0.001})


def test_cosine_falls_from_the_highest_rate_to_zero_as_a_cosine() -> None:
    row = recipe("digits", schedule="cosine", warmup=0.0, lr=0.4)
    assert rate(row, 0.0) == pytest.approx(0.4)
    assert rate(row, 0.25) == pytest.approx(0.4 * (1 + cos(pi / 4)) / 2)
    assert rate(row, 0.5) == pytest.approx(0.2)
    assert rate(row, 1.0) == pytest.approx(0.0)


def test_one_cycle_climbs_and_falls_in_straight_lines() -> None:
    row = recipe("digits", schedule="one_cycle", warmup=0.25, lr=0.4)
    assert [rate(row, done) for done in (0.0, 0.125, 0.25, 0.625, 1.0)] == pytest.approx([0.0, 0.2, 0.4, 0.2, 0.0])


@pytest.mark.parametrize("schedule", ["constant", "cosine", "one_cycle"])
def test_warmup_climbs_in_a_straight_line_to_the_highest_rate_without_a_jump(schedule: str) -> None:
    row = recipe("digits", schedule=schedule, warmup=0.1, lr=0.3)
    assert rate(row, 0.05) == pytest.approx(0.15)
    assert rate(row, 0.1) == pytest.approx(0.3)
    assert rate(row, 0.1 - 1e-9) == pytest.approx(rate(row, 0.1), rel=1e-6)


@pytest.mark.parametrize("warmup", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("row", RECIPES.values(), ids=lambda row: row.name)
def test_no_schedule_leaves_its_bounds_anywhere(row: Recipe, warmup: float) -> None:
    made = recipe(row.name, warmup=warmup)
    assert all(0 <= rate(made, done) <= row.lr for done in SHARES)
    assert max(rate(made, done) for done in SHARES) == pytest.approx(row.lr, rel=1 / 200)
