"""Packaged: pixels in, calibrated logits and levels out; what does not fit together is refused at once."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
import torch

from resnets.runtime.packaged import Packaged
from resnets.spec.preprocess import Preprocess
from tests.runtime import small


@pytest.mark.parametrize("levels", [(), ("C1", "C3"), ("C3",), ("C3", "conv1")])
@pytest.mark.parametrize("name", ["resnet18", "resnet50v2_keras"])
def test_it_says_what_the_network_says_of_normalised_pictures_over_the_temperature(
    name: str, levels: tuple[str, ...]
) -> None:
    packaged = small.packaged(name, levels)
    batch = small.pictures(3)
    said = packaged(torch.from_numpy(batch))
    expected = small.expected(packaged, batch)
    assert packaged.outputs == (*levels, "logits") == tuple(expected)
    for key, tensor in zip(packaged.outputs, said, strict=True):
        torch.testing.assert_close(tensor, torch.from_numpy(expected[key]), rtol=1e-6, atol=1e-6)


def test_without_a_head_only_levels_come_out() -> None:
    packaged = small.packaged("seresnet50", ("C2",))
    assert packaged.outputs == ("C2",)
    (said,) = packaged(torch.from_numpy(small.pictures(2)))
    assert said.shape == (2, 64, 9, 9)


def test_it_knows_the_shape_of_a_picture() -> None:
    assert small.packaged("resnet18").shape == (3, 36, 33)
    assert small.packaged("resnet20_cifar").shape == (1, 36, 33)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("resnet18", {"levels": ("C4",)}, r"levels=\('C4',\) of resnet18; allowed: each .* of conv1, C1, C2, C3"),
        ("resnet18", {"levels": ("C1", "C1")}, "allowed: each at most once"),
        ("resnet18", {"temperature": 0.0}, r"temperature=0.0 is not possible; allowed: a number above 0"),
        ("resnet18", {"temperature": math.nan}, "temperature=nan is not possible"),
        ("resnet18", {"temperature": math.inf}, "temperature=inf is not possible"),
        ("seresnet50", {"levels": ()}, r"seresnet50 has no head, so no logits; give levels, such as levels=\('C3',\)"),
        ("resnet18", {"colour": "grey"}, "resnet18 takes 3 channels, and colour='grey' makes 1; give the preprocess"),
        ("resnet18", {"size": (4, 36)}, "an input of 4x36 is too small for resnet18"),
    ],
)
def test_what_does_not_fit_together_is_refused(name: str, change: dict[str, Any], message: str) -> None:
    facts: dict[str, Any] = {"levels": ("C2",), "temperature": 1.0, "colour": "rgb", "size": (36, 33)} | change
    preprocess = dataclasses.replace(Preprocess(), size=facts["size"], colour=facts["colour"])
    with pytest.raises(ValueError, match=message):
        Packaged(small.network(name), preprocess, facts["temperature"], facts["levels"])
