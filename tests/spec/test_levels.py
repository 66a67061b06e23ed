"""Levels: which maps each network offers, with how many channels, at which stride and size."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest

from resnets.spec.levels import check_input, level_sizes, levels, smallest_input
from resnets.spec.resolve import plan
from resnets.spec.trace import trace
from resnets.spec.variants import VARIANTS, architecture

Table = dict[str, tuple[int, int]]

IMAGENET: Table = {"conv1": (64, 2), "C1": (64, 4)}
BASIC: Table = IMAGENET | {"C2": (64, 4), "C3": (128, 8), "C4": (256, 16), "C5": (512, 32)}
BOTTLENECK: Table = IMAGENET | {"C2": (256, 4), "C3": (512, 8), "C4": (1024, 16), "C5": (2048, 32)}
STRIDES_AT_THE_END: Table = IMAGENET | {"C2": (256, 8), "C3": (512, 16), "C4": (1024, 32), "C5": (2048, 32)}
NO_STAGE_5: Table = {name: fact for name, fact in BOTTLENECK.items() if name != "C5"}
CIFAR: Table = {"C1": (16, 1), "C2": (16, 1), "C3": (32, 2), "C4": (64, 4)}
CIFAR_BOTTLENECK: Table = {"C1": (16, 1), "C2": (64, 1), "C3": (128, 2), "C4": (256, 4)}

# The first pattern that fits a name; channels and strides of each level.
EXPECTED = {
    "resnet*v2_keras": STRIDES_AT_THE_END,
    "*_mrcnn_c4": NO_STAGE_5,
    "resnet164v2_cifar": CIFAR_BOTTLENECK,
    "resnet8_cifar_speed": {"C1": (32, 1), "C2": (96, 2), "C3": (192, 4), "C4": (384, 8)},
    "*_cifar*": CIFAR,
    "resnet18*": BASIC,
    "resnet34*": BASIC,
    "plain*": BASIC,
    "*": BOTTLENECK,
}


def expected(name: str) -> Table:
    return next(table for pattern, table in EXPECTED.items() if fnmatchcase(name, pattern))


@pytest.mark.parametrize("name", VARIANTS)
def test_each_network_offers_its_levels_with_their_channels_and_strides(name: str) -> None:
    found = levels(plan(VARIANTS[name]))
    assert {key: (level.channels, level.stride) for key, level in found.items()} == expected(name)
    assert list(found) == list(expected(name))
    assert all(key == level.name for key, level in found.items())


@pytest.mark.parametrize("name", VARIANTS)
def test_there_is_a_conv1_only_where_a_pool_follows_it(name: str) -> None:
    network = plan(VARIANTS[name])
    assert ("conv1" in levels(network)) == (network.stem.pool is not None)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_level_of_a_large_picture_has_the_pictures_size_over_its_stride(name: str) -> None:
    network = plan(VARIANTS[name])
    sizes = level_sizes(network, (256, 512))
    assert sizes == {key: (256 // level.stride, 512 // level.stride) for key, level in levels(network).items()}


def test_the_mask_rcnn_backbone_gives_256_256_128_64_and_32_pixels_of_1024() -> None:
    network = plan(VARIANTS["resnet101_mrcnn"])
    sizes = level_sizes(network, (1024, 1024))
    assert [sizes[f"C{n}"] for n in range(1, 6)] == [(side, side) for side in (256, 256, 128, 64, 32)]
    assert [levels(network)[f"C{n}"].channels for n in range(1, 6)] == [64, 256, 512, 1024, 2048]


@pytest.mark.parametrize("depth", [50, 101])
def test_without_stage_5_there_is_no_c5(depth: int) -> None:
    with_it, without = (plan(VARIANTS[f"resnet{depth}_mrcnn{end}"]) for end in ("", "_c4"))
    assert levels(with_it).keys() - levels(without).keys() == {"C5"}
    assert without.stages == with_it.stages[:3]


@pytest.mark.parametrize("name", VARIANTS)
def test_the_smallest_input_is_where_every_stride_still_has_two_pixels_to_halve(name: str) -> None:
    network = plan(VARIANTS[name])
    least = smallest_input(network)
    flattens = network.head is not None and network.head.pooling == "flatten"
    strided = [step for step in trace(network, (least, least)) if step.stride > 1]
    assert strided and all(min(step.input) >= 2 for step in strided)
    with pytest.raises(ValueError, match="too small"):
        trace(network, (least - 1, least))
    for side in (least, least + 1, 1000):
        check_input(network, (side, least))
    assert not flattens or level_sizes(network, (least, least))["C5"] == (1, 1)


@pytest.mark.parametrize(
    ("name", "size", "sentence"),
    [
        (
            "resnet50",
            (16, 224),
            "an input of 16x224 is too small for resnet50: its strides come to 32, and it needs at least 17x17. "
            "Give a larger --size, the small stem (stem='cifar'), or fewer stages, such as blocks=(3, 4, 6)",
        ),
        (
            "resnet20_cifar",
            (8, 2),
            "an input of 8x2 is too small for resnet20_cifar: its strides come to 4, and it needs at least 3x3. "
            "Give a larger --size, or fewer stages, such as blocks=(3, 3)",
        ),
    ],
)
def test_an_input_too_small_is_refused_with_advice(name: str, size: tuple[int, int], sentence: str) -> None:
    with pytest.raises(ValueError) as refusal:
        check_input(plan(VARIANTS[name]), size)
    assert str(refusal.value) == sentence


def test_the_advice_of_the_refusal_works() -> None:
    for advice in ({"stem": "cifar"}, {"blocks": (3, 4, 6)}):
        check_input(plan(architecture("resnet50", **advice)), (16, 16))
