"""Policy: torchvision's lists, its magnitudes and its pixels; only the chance is ours."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import chisquare, ks_2samp
from torchvision.transforms import v2

from resnets.data.augmentation.policy import DRAWS, POLICIES, chosen, magnitudes, operate
from resnets.data.augmentation.rows import AUGMENTATIONS, BINS, Augmentation, Policy
from resnets.data.draws import uniforms
from resnets.spec.preprocess import Interpolation

THEIRS: dict[Policy, Any] = {"trivial": v2.TrivialAugmentWide, "rand": v2.RandAugment}

RAND = Augmentation(source="test", policy="rand", operations=2, magnitude=9)

BOTH = pytest.mark.parametrize("policy", THEIRS)


@BOTH
@pytest.mark.parametrize(("height", "width"), [(224, 224), (32, 48)])
def test_operations_and_magnitudes_are_torchvisions(policy: Policy, height: int, width: int) -> None:
    theirs = THEIRS[policy]._AUGMENTATION_SPACE
    assert list(POLICIES[policy]) == list(theirs)
    for name, (make, signed) in theirs.items():
        values = make(BINS, height, width)
        expected = () if values is None else tuple(float(value) for value in values)
        assert magnitudes(name, policy, height, width) == expected
        steps = POLICIES[policy][name]
        assert signed == (steps is not None and steps.signed)


@BOTH
@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
@pytest.mark.parametrize("channels", [1, 3])
def test_each_operation_makes_torchvisions_pixels(policy: Policy, interpolation: Interpolation, channels: int) -> None:
    picture = torch.randint(0, 256, (channels, 24, 20), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    theirs = THEIRS[policy](interpolation=v2.InterpolationMode(interpolation))
    for name, steps in POLICIES[policy].items():
        for value, sign in itertools.product((magnitudes(name, policy, 24, 20) or (0.0,))[::6], (1, -1)):
            if sign < 0 and not (steps and steps.signed):
                continue
            expected = theirs._apply_image_or_video_transform(
                picture, name, sign * value, interpolation=theirs.interpolation, fill=theirs._fill
            )
            assert torch.equal(operate(picture, name, sign * value, interpolation), expected), (name, sign * value)


def test_a_bicubic_preprocess_moves_bilinearly_as_torchvision_has_no_bicubic_here() -> None:
    picture = torch.randint(0, 256, (3, 9, 9), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    assert torch.equal(operate(picture, "Rotate", 20.0, "bicubic"), operate(picture, "Rotate", 20.0, "bilinear"))


def ours(row: Augmentation, count: int) -> list[list[tuple[str, float]]]:
    return [chosen(row, 224, 224, draws) for draws in uniforms(2, 0, "pixels", np.arange(count), DRAWS).tolist()]


def recorded(policy: Policy, count: int, **settings: int) -> list[list[tuple[str, float]]]:
    """What torchvision's class draws for `count` pictures."""
    found: list[tuple[str, float]] = []

    class Recording(THEIRS[policy]):  # type: ignore[misc]
        def _apply_image_or_video_transform(self, image: Any, name: str, magnitude: float, **_: Any) -> Any:
            found.append((name, magnitude))
            return image

    torch.manual_seed(0)
    transform, pictures = Recording(**settings), []
    for _ in range(count):
        transform(torch.empty(3, 224, 224, dtype=torch.uint8))
        pictures.append(list(found))
        found.clear()
    return pictures


@pytest.mark.parametrize(
    ("policy", "row", "settings"),
    [("trivial", AUGMENTATIONS["trivial"], {}), ("rand", RAND, {"num_ops": 2, "magnitude": 9})],
)
def test_operations_are_drawn_as_torchvision_draws_them(
    policy: Policy, row: Augmentation, settings: dict[str, int]
) -> None:
    count = 6_000
    mine, their = ours(row, count), recorded(policy, count, **settings)
    assert {len(done) for done in mine} == {len(done) for done in their}
    names = list(POLICIES[policy])
    for place in range(len(their[0])):
        tallies = [Counter(done[place][0] for done in side) for side in (mine, their)]
        assert all(chisquare([tally[name] for name in names]).pvalue > 1e-3 for tally in tallies)
    for name in names:
        values = [[magnitude for done in side for drawn, magnitude in done if drawn == name] for side in (mine, their)]
        possible = magnitudes(name, policy, 224, 224) or (0.0,)
        assert all({abs(value) for value in side} <= set(possible) for side in values)
        assert ks_2samp(*values, method="asymp").pvalue > 1e-3


def test_the_operations_of_a_picture_say_nothing_of_each_other() -> None:
    names = list(POLICIES["rand"])
    table = np.zeros((14, 14))
    for (first, _), (second, _) in ours(RAND, 6_000):
        table[names.index(first), names.index(second)] += 1
    assert chisquare(table.ravel()).pvalue > 1e-3


def test_an_operation_is_done_with_its_probability() -> None:
    lengths = Counter(len(done) for done in ours(AUGMENTATIONS["rand"], 4_000))
    assert chisquare([lengths[0], lengths[1], lengths[2]], [1_000, 2_000, 1_000]).pvalue > 1e-3


def test_the_most_operations_have_draws_of_their_own() -> None:
    row = Augmentation(source="test", policy="rand", operations=10)
    tallies = [Counter(done[place][0] for done in ours(row, 1_500)) for place in range(10)]
    assert all(chisquare([tally[name] for name in POLICIES["rand"]]).pvalue > 1e-4 for tally in tallies)
