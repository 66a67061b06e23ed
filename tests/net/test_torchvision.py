"""Our networks are torchvision's: same weights, same numbers, to the last few bits of float64."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable
from math import inf

import pytest
import torch
import torchvision
from torch import Tensor, nn

from resnets.net.freeze import batch_norm_mode
from resnets.net.network import ResNet, build
from resnets.spec.count import parameters
from resnets.spec.resolve import plan
from resnets.spec.trace import macs
from resnets.spec.variants import VARIANTS

ROWS = (
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnext50_32x4d",
    "resnext101_32x8d",
    "resnext101_64x4d",
    "wide_resnet50_2",
    "wide_resnet101_2",
)

# The size of the input, and whether the network trains. At 33x49 the last map is 2x2, where a training
# network of ours takes another way to the same sum.
MEETINGS = (((64, 64), False), ((65, 97), False), ((33, 49), True))

# torchvision's names to ours: the first word, and what stands between a block and the tensor.
OUTSIDE = {
    "conv1": "stem.conv1",
    "bn1": "stem.norm1",
    "layer1": "stages.0",
    "layer2": "stages.1",
    "layer3": "stages.2",
    "layer4": "stages.3",
    "fc": "head.linear",
}
INSIDE = {
    "conv1": "branch.conv1",
    "bn1": "branch.norm1",
    "conv2": "branch.conv2",
    "bn2": "branch.norm2",
    "conv3": "branch.conv3",
    "bn3": "branch.norm3",
    "downsample.0": "shortcut.conv",
    "downsample.1": "shortcut.norm",
}
LEVELS = {"relu": "conv1", "maxpool": "C1", "layer1": "C2", "layer2": "C3", "layer3": "C4", "layer4": "C5"}


def ours(theirs: str) -> str:
    """Return our name of a tensor of torchvision's; raise `KeyError` for one that the tables do not know."""
    first, rest = theirs.split(".", 1)
    if inside := re.fullmatch(r"(\d+)\.(\w+|downsample\.\d)\.(\w+)", rest):
        number, layer, tensor = inside.groups()
        return f"{OUTSIDE[first]}.{number}.{INSIDE[layer]}.{tensor}"
    return f"{OUTSIDE[first]}.{rest}"


def on_meta(name: str) -> nn.Module:
    with torch.device("meta"):
        network: nn.Module = torchvision.models.get_model(name, weights=None)
    return network


def random_numbers(network: nn.Module) -> dict[str, Tensor]:
    """Weights that keep the signal's size, and batch norms that have seen something."""
    generator = torch.Generator().manual_seed(0)
    numbers: dict[str, Tensor] = {}
    for key, tensor in network.state_dict().items():
        draw = torch.randn if tensor.ndim > 1 else torch.rand
        x = draw(tensor.shape, generator=generator, dtype=torch.float32).double()
        match tensor.ndim, key.rpartition(".")[2]:
            case 0, _:
                x = torch.tensor(7)  # num_batches_tracked
            case 1, "weight" | "running_var":
                x += 0.5
            case 1, _:
                x -= 0.5
            case _:
                x /= (tensor.numel() / tensor.shape[0]) ** 0.5
        numbers[key] = x
    return numbers


def near(mine: Tensor, theirs: Tensor) -> bool:
    distance, scale = torch.dist(mine.detach(), theirs.detach(), inf), theirs.detach().norm(inf)
    return mine.shape == theirs.shape and float(distance) <= 1e-9 * float(scale)


def their_levels(network: nn.Module) -> dict[str, Tensor]:
    """Return a table that fills with torchvision's maps, under our names, when the network is called."""
    maps: dict[str, Tensor] = {}

    def keep(level: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def hook(_: nn.Module, __: tuple[Tensor, ...], made: Tensor) -> None:
            maps[level] = made.detach()

        return hook

    for name, level in LEVELS.items():
        network.get_submodule(name).register_forward_hook(keep(level))
    return maps


@pytest.mark.parametrize("name", ROWS)
def test_every_name_of_torchvisions_has_one_of_ours_and_back(name: str) -> None:
    theirs = list(on_meta(name).state_dict())
    mine = build(name, device="meta").state_dict()
    assert sorted(map(ours, theirs)) == sorted(mine)
    assert len(set(map(ours, theirs))) == len(theirs)


@pytest.mark.parametrize("name", ROWS)
def test_parameters_and_multiply_adds_are_those_in_torchvisions_own_records(name: str) -> None:
    for weights in torchvision.models.get_model_weights(name):
        assert parameters(plan(VARIANTS[name])) == weights.meta["num_params"]
        assert round(macs(plan(VARIANTS[name]), (224, 224)) / 1e9, 3) == weights.meta["_ops"]


@pytest.mark.parametrize("name", ROWS)
def test_logits_levels_gradients_and_statistics_are_torchvisions(name: str) -> None:
    theirs, mine = on_meta(name), build(name, device="meta")
    numbers = random_numbers(theirs)
    statistics = {key: x.clone() for key, x in numbers.items() if "running" in key or "tracked" in key}
    theirs.load_state_dict(numbers | statistics, assign=True)
    mine.load_state_dict({ours(key): x for key, x in numbers.items()}, assign=True)
    maps = their_levels(theirs)
    generator = torch.Generator().manual_seed(1)
    for size, training in MEETINGS[1:] if "101" in name or "152" in name else MEETINGS:
        pictures = torch.randn(2, 3, *size, generator=generator, dtype=torch.float64)
        direction = torch.randn(2, 1000, generator=generator, dtype=torch.float64)
        meet(mine.train(training), theirs.train(training), pictures, direction, maps)
    moved = mine.state_dict()
    assert all(near(moved[ours(key)].double(), x.double()) for key, x in statistics.items())
    assert int(moved["stem.norm1.num_batches_tracked"]) == 7 + sum(training for _, training in MEETINGS)
    del theirs, mine, numbers, moved
    gc.collect()


def meet(mine: ResNet, theirs: nn.Module, pictures: Tensor, direction: Tensor, maps: dict[str, Tensor]) -> None:
    """Run both forward and back, and compare all that comes out."""
    mine.zero_grad(set_to_none=True)
    theirs.zero_grad(set_to_none=True)
    made, expected = mine(pictures), theirs(pictures)
    assert near(made, expected)
    (made * direction).sum().backward()
    (expected * direction).sum().backward()
    gradients = dict(mine.named_parameters())
    for key, parameter in theirs.named_parameters():
        found, wanted = gradients[ours(key)].grad, parameter.grad
        assert found is not None and wanted is not None
        assert near(found, wanted), key
    batch_norm_mode(mine, update_statistics=False)  # a second call would move them again
    with torch.no_grad():
        levels = mine.levels(pictures)
    batch_norm_mode(mine)
    assert list(levels) == list(maps)
    assert all(near(levels[key], maps[key]) for key in maps)
