"""Receptive fields, against the published table; tests/net/test_what_a_place_sees.py measures them."""

from __future__ import annotations

import pytest

from resnets.spec.count import receptive_field
from resnets.spec.resolve import plan
from resnets.spec.variants import VARIANTS, architecture

# Araujo, Norris and Sim 2019, "Computing Receptive Fields of Convolutional Neural Networks"; by blocks, since
# ResNet-v1-200 is no row. TF-Slim's networks, which they measured, stride at the end of a stage and not at the
# start of the next: the same field, as Keras v2 shows.
PUBLISHED = {(3, 4, 6, 3): 483, (3, 4, 23, 3): 1027, (3, 8, 36, 3): 1507, (3, 24, 36, 3): 1763}


@pytest.mark.parametrize("name", ["resnet50_v1", "resnet50_keras", "resnet50_mrcnn", "resnet50v2_keras"])
@pytest.mark.parametrize("blocks", PUBLISHED)
def test_the_receptive_field_is_the_published_one(name: str, blocks: tuple[int, ...]) -> None:
    assert receptive_field(plan(architecture(name, blocks=blocks))) == PUBLISHED[blocks]


@pytest.mark.parametrize("depth", [50, 101, 152])
def test_the_stride_on_the_3x3_sees_less_than_on_the_1x1(depth: int) -> None:
    # Three 3x3 windows, at the heads of conv3_x .. conv5_x, lie before a halving and not after: 2 * (4+8+16).
    v1, v15 = (receptive_field(plan(VARIANTS[f"resnet{depth}{suffix}"])) for suffix in ("_v1", ""))
    assert v1 - v15 == 56


@pytest.mark.parametrize("n", [1, 3, 9])
def test_a_cifar_network_sees_what_its_windows_add_up_to(n: int) -> None:
    # Stem 3, then 2 a 3x3 at stride 1, 4 at stride 2 and 8 at stride 4, less for the two that stride.
    expected = 3 + 2 * n * 2 + ((2 * n - 1) * 4 + 2) + ((2 * n - 1) * 8 + 4)
    assert receptive_field(plan(architecture("resnet20_cifar", blocks=(n, n, n)))) == expected
