"""Initialisation: He's standard deviation layer by layer, torchvision's, and blocks that start as the identity."""

from __future__ import annotations

from math import sqrt

import pytest
import torch
import torchvision
from torch import nn

from resnets.net.block import PreActivationBlock, ResidualBlock
from resnets.net.layers import BatchNorm, Conv2d
from resnets.net.network import build
from resnets.spec.variants import VARIANTS

# One row for each kind of convolution: basic, bottleneck, grouped, biased, deep stem, gate, pre-activation.
DRAWN = ("resnet18", "resnext50_32x4d", "resnet34_note002", "resnet18d", "seresnet50", "resnet164v2_cifar")
BESIDE_TORCHVISION = ("resnet18", "resnext50_32x4d")

SIGMAS = 5.5  # no layer among a thousand is that far off by chance; another fan is, in every large layer


def conv_layers(network: nn.Module) -> list[nn.Conv2d]:
    return [module for module in network.modules() if isinstance(module, nn.Conv2d)]


@pytest.mark.parametrize("name", DRAWN)
def test_every_convolution_has_the_standard_deviation_of_he_et_al(name: str) -> None:
    # He et al. 2015 (arXiv:1502.01852), section 2.2, backward case: variance 2 / fan_out.
    for layer in conv_layers(build(name, seed=0)):
        weight = layer.weight.detach()
        expected = sqrt(2 / (layer.out_channels * layer.kernel_size[0] ** 2))
        sampling_error = expected / sqrt(2 * weight.numel())
        assert abs(float(weight.std()) - expected) < SIGMAS * sampling_error
        assert abs(float(weight.mean())) < SIGMAS * expected / sqrt(weight.numel())
        assert layer.bias is None or not layer.bias.any()


@pytest.mark.parametrize("name", BESIDE_TORCHVISION)
def test_every_layer_is_drawn_as_torchvision_draws_it(name: str) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        theirs = torchvision.models.get_model(name, weights=None)
    mine = build(name, seed=0)
    pairs = list(zip(in_order(mine), in_order(theirs), strict=True))
    for own, other in ((a.weight.detach(), b.weight.detach()) for a, b in pairs):
        assert own.shape == other.shape
        # The error of a ratio of two deviations is 1 / sqrt(n); of a difference of two means, sqrt(2 / n).
        assert abs(float(own.std() / other.std()) - 1) < SIGMAS / sqrt(own.numel())
        assert abs(float((own.mean() - other.mean()) / other.std())) < SIGMAS * sqrt(2 / own.numel())
    for own, other in zip(mine.head.linear.parameters(), theirs.fc.parameters(), strict=True):
        bound = 1 / sqrt(theirs.fc.in_features)
        for largest in (own.detach().abs().max(), other.detach().abs().max()):
            assert 0.98 * bound < float(largest) <= bound


def in_order(network: nn.Module) -> list[nn.Conv2d]:
    """Convolutions by shape, since torchvision's blocks name their shortcut last and stages have equals."""
    return sorted(conv_layers(network), key=lambda layer: (tuple(layer.weight.shape), layer.stride))


@pytest.mark.parametrize("name", DRAWN)
def test_norms_start_at_gamma_1_and_beta_0_with_statistics_of_nothing_seen(name: str) -> None:
    for norm in (module for module in build(name).modules() if isinstance(module, BatchNorm)):
        for tensor, start in ((norm.weight, 1), (norm.bias, 0), (norm.running_mean, 0), (norm.running_var, 1)):
            assert tensor is not None and bool((tensor == start).all())


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnet18d", "seresnet50", "resnet20_cifar"])
def test_with_zero_gamma_every_block_starts_as_its_shortcut(name: str) -> None:
    # Goyal et al. 2017 (arXiv:1706.02677), section 5.1. What enters a block has been through a ReLU.
    network = build(name, zero_gamma=True, seed=0).eval()
    x = torch.randn(2, 3, 33, 33, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        x = network.stem(x)
        for block in (block for stage in network.stages for block in stage):
            made = block(x)
            assert torch.equal(made, block.shortcut(x).relu())
            if isinstance(block.shortcut, nn.Identity):
                assert torch.equal(made, x)
            x = made


def test_zero_gamma_leaves_alone_what_would_not_start_as_the_identity() -> None:
    # No norm ends a pre-activation branch, and without a shortcut nothing would pass a plain network's block.
    for name in ("resnetv2_50", "plain18"):
        network = build(name, zero_gamma=True, blocks=(1, 1, 1, 1))
        norms = [module for module in network.modules() if isinstance(module, BatchNorm)]
        assert all(bool((norm.weight == 1).all()) for norm in norms)


def test_without_zero_gamma_no_block_starts_as_its_shortcut() -> None:
    network = build("resnet18", seed=0)
    blocks = [module for module in network.modules() if isinstance(module, ResidualBlock | PreActivationBlock)]
    assert len(blocks) == sum(VARIANTS["resnet18"].blocks)
    assert all(bool((block.branch.norm2.weight == 1).all()) for block in blocks)


def test_a_seed_draws_the_same_network_again_and_another_seed_another() -> None:
    one, again, other = (build("resnet20_cifar", seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[key], again[key]) for key in one)
    drawn = [key for key in one if "conv" in key or "linear" in key]
    assert not any(torch.equal(one[key], other[key]) for key in drawn)


def test_a_seed_does_not_depend_on_torchs_global_generator_nor_move_it() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        before = torch.get_rng_state()
        one = build("resnet20_cifar", seed=1).state_dict()
        torch.randn(3)
        again = build("resnet20_cifar", seed=1).state_dict()
        assert all(torch.equal(one[key], again[key]) for key in one)
        torch.manual_seed(5)
        build("resnet20_cifar", seed=1)
        assert torch.equal(torch.get_rng_state(), before)


def test_without_a_seed_torchs_global_generator_decides() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        one = build("resnet20_cifar")
        other = build("resnet20_cifar")
        torch.manual_seed(5)
        again = build("resnet20_cifar")
    assert torch.equal(one.stem.conv1.weight, again.stem.conv1.weight)
    assert not torch.equal(one.stem.conv1.weight, other.stem.conv1.weight)


def test_every_convolution_of_a_network_is_drawn_by_initialise() -> None:
    network = build("resnet50d", zero_gamma=True, device="meta")
    assert all(isinstance(layer, Conv2d) for layer in conv_layers(network))
