"""The keystone: a network has the names, shapes and counts of its Plan, and its maps the sizes of its trace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from resnets.net.layers import BatchNorm, Conv2d, Pool2d
from resnets.net.network import ResNet
from resnets.spec.count import parameters
from resnets.spec.levels import level_sizes, levels, smallest_input
from resnets.spec.resolve import plan
from resnets.spec.trace import Size, trace
from resnets.spec.variants import VARIANTS, architecture

Meta = Callable[[str], ResNet]

# Rows of the table, and the rule that no row has: Caffe's.
TRACED: dict[str, dict[str, Any]] = {name: {} for name in VARIANTS} | {
    "resnet18 with Caffe's pool": {"pool_padding": "ceil"},
    "resnet50 with TensorFlow's padding": {"padding": "same", "pool_padding": "same", "pool_fill": "zero"},
    "resnet34d with one more stage": {"blocks": (1, 2, 1, 1, 1)},
}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_network_has_the_names_and_shapes_of_its_plan_in_the_plans_order(name: str, without_numbers: Meta) -> None:
    built = {key: tuple(tensor.shape) for key, tensor in without_numbers(name).state_dict().items()}
    stated = plan(VARIANTS[name]).tensors()
    assert built == stated
    assert list(built) == list(stated)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_network_has_the_parameters_that_are_counted_on_its_plan(name: str, without_numbers: Meta) -> None:
    built = sum(tensor.numel() for tensor in without_numbers(name).parameters())
    assert built == parameters(plan(VARIANTS[name]))


def test_a_network_is_built_of_layers_that_a_plan_can_state(without_numbers: Meta) -> None:
    with_weights = {
        type(module)
        for name in VARIANTS
        for module in without_numbers(name).modules()
        if any(True for _ in module.parameters(recurse=False))
    }
    assert with_weights == {Conv2d, BatchNorm, nn.Linear}


def sizes_of(network: ResNet) -> list[Size]:
    """Unequal sides, halved to odd and even ones on the way, to one pixel for a head that flattens; the smallest."""
    least = smallest_input(network.plan)
    if network.architecture.head_pooling == "flatten":
        return [(28, 25), (least, least)]
    return [(72, 97), (least, least + 1)]


@pytest.mark.parametrize("name", TRACED)
def test_the_trace_tells_what_torch_does_to_the_size_of_every_map(name: str, without_numbers: Meta) -> None:
    if TRACED[name]:
        with torch.device("meta"):
            network = ResNet(architecture(name.split()[0], **TRACED[name])).eval()
    else:
        network = without_numbers(name)
    seen: dict[str, tuple[Size, Size, int, int]] = {}

    def note(key: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def hook(_: nn.Module, given: tuple[Tensor, ...], made: Tensor) -> None:
            before, after = (tuple(x.shape[2:]) or (1, 1) for x in (given[0], made))
            seen[key] = (before, after, given[0].shape[1], made.shape[1])

        return hook

    kinds = (Conv2d, Pool2d, nn.Linear)
    watched = [(key, module) for key, module in network.named_modules() if isinstance(module, kinds)]
    if network.norm is not None:
        watched.append(("norm", network.norm))
    hooks = [module.register_forward_hook(note(key)) for key, module in watched]
    try:
        for size in sizes_of(network):
            seen.clear()
            network(torch.empty(1, network.architecture.in_channels, *size, device="meta"))
            told = {
                step.name: (step.input, step.output, step.in_channels, step.out_channels)
                for step in trace(network.plan, size)
                if step.name != "head.pool"
            }
            assert seen == told
    finally:
        for hook in hooks:
            hook.remove()


@pytest.mark.parametrize("name", VARIANTS)
def test_the_levels_have_the_names_channels_and_sizes_that_are_told(name: str, without_numbers: Meta) -> None:
    network = without_numbers(name)
    size = (65, 97)
    maps = network.levels(torch.empty(2, network.architecture.in_channels, *size, device="meta"))
    sizes = level_sizes(network.plan, size)
    told = {key: (2, level.channels, *sizes[key]) for key, level in levels(network.plan).items()}
    assert {key: tuple(x.shape) for key, x in maps.items()} == told
    assert list(maps) == list(told)


def test_the_mask_rcnn_backbone_gives_c1_to_c5_of_a_1024_pixel_picture(without_numbers: Meta) -> None:
    maps = without_numbers("resnet101_mrcnn").levels(torch.empty(1, 3, 1024, 1024, device="meta"))
    pyramid = {key: tuple(x.shape[1:]) for key, x in maps.items() if key != "conv1"}
    assert pyramid == {
        "C1": (64, 256, 256),
        "C2": (256, 256, 256),
        "C3": (512, 128, 128),
        "C4": (1024, 64, 64),
        "C5": (2048, 32, 32),
    }
    without_stage5 = without_numbers("resnet101_mrcnn_c4").levels(torch.empty(1, 3, 1024, 1024, device="meta"))
    assert list(without_stage5) == ["conv1", "C1", "C2", "C3", "C4"]
