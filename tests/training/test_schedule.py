"""Schedules: pure functions from the share of a run that is done to the learning rate."""

from __future__ import annotations

from math import cos, pi

import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, OneCycleLR, SequentialLR

from resnets.training.recipe import Recipe
from resnets.training.recipes import RECIPES, recipe
from resnets.training.schedule import rate, side, thawed

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


def rates_of(scheduler: LRScheduler, steps: int) -> list[float]:
    found = []
    for _ in range(steps):
        found.append(scheduler.get_last_lr()[0])
        scheduler.optimizer.step()
        scheduler.step()
    return found


def sgd(lr: float) -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)


def test_a_cosine_after_a_warmup_is_torchs() -> None:
    """Loshchilov and Hutter 2016, eq. 5; Goyal et al. 2017, section 2.2."""
    warm, total = 20, 100
    row = recipe("digits", schedule="cosine", lr=0.4, warmup=0.2, warmup_from=0.1, lr_end=0.05)
    made = sgd(0.4)
    climb = LinearLR(made, start_factor=0.1, total_iters=warm)
    fall = CosineAnnealingLR(made, total - warm, eta_min=0.4 * 0.05)
    torchs = rates_of(SequentialLR(made, [climb, fall], milestones=[warm]), total)
    assert [rate(row, step / total) for step in range(total)] == pytest.approx(torchs)


def test_a_one_cycle_is_torchs() -> None:
    """Smith 2017, arXiv:1708.07120; torch's two-phase form of it, in straight lines."""
    total, peak = 101, 26
    row = recipe("digits", schedule="one_cycle", lr=0.4, warmup=0.25, warmup_from=0.1, lr_end=0.01)
    torchs = OneCycleLR(
        sgd(0.4), 0.4, total_steps=total, pct_start=peak / total, anneal_strategy="linear", cycle_momentum=False,
        div_factor=10, final_div_factor=10,
    )  # fmt: skip
    expected = rates_of(torchs, total - 1)
    assert [rate(row, step / (total - 1)) for step in range(total - 1)] == pytest.approx(expected)


def test_goyals_warmup_climbs_from_the_rate_of_a_batch_of_256() -> None:
    """Goyal et al. 2017, section 2.2: from 0.1 to 0.1 k in five epochs, and then as at batch 256, times k."""
    row = recipe("goyal2017")
    found = [rate(row, epoch / 90) for epoch in (0, 2.5, 5, 29.9, 30.1, 60.1, 80.1)]
    assert found == pytest.approx([0.1, (0.1 + 3.2) / 2, 3.2, 3.2, 0.32, 0.032, 0.0032])


def test_sides_grow_in_whole_steps_between_two_that_are_exact() -> None:
    row = recipe("photos", size_first=0.5, size_last=1.0, grow_from=0.25, grow_to=0.75)
    sides = [side(row, done, (224, 224))[0] for done in SHARES]
    assert {*sides} == {112, 128, 160, 192, 224}
    assert sides == sorted(sides)
    assert [side(row, done, (224, 224))[0] for done in (0.0, 0.25, 0.5, 0.75, 1.0)] == [112, 112, 160, 224, 224]


def test_small_pictures_grow_by_four_pixels() -> None:
    row = recipe("photos", size_first=0.5, size_last=1.0)
    assert {side(row, done, (32, 32)) for done in SHARES} == {(n, n) for n in (16, 20, 24, 28, 32)}


def test_each_side_of_an_oblong_picture_keeps_its_share() -> None:
    row = recipe("photos", size_first=0.5, size_last=0.5)
    assert side(row, 0.3, (192, 320)) == (96, 160)


@pytest.mark.parametrize("size", [(224, 224), (225, 301), (28, 28), (8, 8), (1, 1)])
@pytest.mark.parametrize("row", RECIPES.values(), ids=lambda row: row.name)
def test_a_row_that_says_nothing_of_sizes_trains_at_the_models(row: Recipe, size: tuple[int, int]) -> None:
    same = recipe(row.name, size_first=1.0, size_last=1.0)
    assert {side(same, done, size) for done in SHARES} == {size}


@pytest.mark.parametrize(("name", "pixels"), [("rsb-a3", 160), ("torchvision", 176), ("rsb-a2", 224)])
def test_rows_train_at_their_sources_size(name: str, pixels: int) -> None:
    assert {side(recipe(name), done, (224, 224)) for done in SHARES} == {(pixels, pixels)}


@pytest.mark.parametrize("first", [0.1, 0.45, 1.0, 1.6])
@pytest.mark.parametrize("last", [0.1, 0.8, 1.0, 1.3])
@pytest.mark.parametrize("size", [(224, 200), (129, 128), (28, 32), (5, 7)])
def test_no_side_is_outside_the_first_and_the_last(first: float, last: float, size: tuple[int, int]) -> None:
    row = recipe("photos", size_first=first, size_last=last, grow_to=0.9)
    ends = [side(row, 0.0, size), side(row, 1.0, size)]
    assert ends == [tuple(max(1, round(n * share)) for n in size) for share in (first, last)]
    for done in SHARES:
        for n, a, b in zip(side(row, done, size), *ends, strict=True):
            assert min(a, b) <= n <= max(a, b)


def test_what_is_frozen_thaws_at_its_share_of_the_run_or_never() -> None:
    staged = recipe("finetune-staged", thaw=0.25)
    assert [thawed(staged, done) for done in (0.0, 0.2499, 0.25, 1.0)] == [False, False, True, True]
    assert not any(thawed(recipe("finetune-head"), done) for done in SHARES)


@pytest.mark.parametrize("warmup", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("row", RECIPES.values(), ids=lambda row: row.name)
def test_no_schedule_leaves_its_bounds_anywhere(row: Recipe, warmup: float) -> None:
    made = recipe(row.name, warmup=warmup)
    assert all(0 <= rate(made, done) <= row.lr for done in SHARES)
    assert max(rate(made, done) for done in SHARES) == pytest.approx(row.lr, rel=1 / 200)
