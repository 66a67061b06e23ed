"""Silence: on every row of the table, over three seeds, the doctor finds nothing."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch

from resnets.net.adapt import with_classes
from resnets.net.network import ResNet
from resnets.training.recipes import RECIPES, recipe
from tests.training.doctor import ward

STARTS_FROM_A_MODEL = ("finetune", "finetune-head", "finetune-staged")


@pytest.fixture(scope="module")
def trained() -> ResNet:
    """A network that knows the digits: what fine-tuning starts from."""
    network = ward.network()
    assert ward.run(network) == []
    return network


@pytest.mark.parametrize("steps", [72, pytest.param(400, marks=pytest.mark.slow)])
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("name", RECIPES)
def test_nothing_is_found_in_a_healthy_run_of(name: str, seed: int, steps: int, trained: ResNet) -> None:
    row = ward.cut(recipe(name, seed=seed))
    if row.freeze:
        row = replace(row, freeze="C4")  # the last level of a network for small pictures
    if name in STARTS_FROM_A_MODEL:
        network = with_classes(copy.deepcopy(trained), 10, generator=torch.Generator().manual_seed(seed))
    else:
        network = ward.network(seed, zero_gamma=row.zero_gamma)
    assert ward.run(network, row, steps=steps, epoch=steps // 4) == []


def test_every_row_that_starts_from_a_model_is_known_here() -> None:
    assert [name for name in RECIPES if name.startswith("finetune")] == list(STARTS_FROM_A_MODEL)
