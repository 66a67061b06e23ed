"""Fusing changes no answer of any row, and leaves just the norms that it must."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from resnets.net.freeze import at_rest, train_bn
from resnets.net.layers import BatchNorm, Conv2d
from resnets.net.network import ResNet, build
from resnets.runtime.fuse import foldable, fuse, unfused
from resnets.spec.plan import Norm
from resnets.spec.resolve import plan
from resnets.spec.variants import VARIANTS, architecture

# Facts that a row has in no such combination: a grouped pre-activation net with gates, biases and its own paddings.
ALSO: dict[str, dict[str, Any]] = {
    "resnet50v2_keras with everything": {"cardinality": 2, "se_reduction": 4, "padding": "same", "stem": "deep"},
    "resnet20_cifar before its blocks": {"order": "pre", "shortcut": "projection"},
    "resnet50d without a head": {"head": "none"},
    "resnet18 with a bare projection": {"projection_norm": False},
}


def cut(name: str) -> dict[str, Any]:
    """A row's facts but for its size: at most two blocks a stage, an eighth of the width."""
    row = VARIANTS[name]
    return {
        "blocks": tuple(min(count, 2) for count in row.blocks),
        "widths": tuple(max(width // 8, 8) for width in row.widths),
        "stem_width": max(row.stem_width // 8, 4),
        "base_width": row.base_width if row.cardinality == 1 else 16,
        "cardinality": min(row.cardinality, 4),
    }


def seen(network: ResNet) -> ResNet:
    """The network in float64, each of whose norms has numbers of its own."""
    generator = torch.Generator().manual_seed(0)
    network = network.double().eval()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, BatchNorm):
                count = module.num_features
                module.running_mean.copy_(torch.randn(count, generator=generator))
                module.running_var.copy_(torch.rand(count, generator=generator) * 2 + 0.1)
                module.weight.copy_(torch.rand(count, generator=generator) + 0.5)
                module.bias.copy_(torch.randn(count, generator=generator))
            elif isinstance(module, nn.Conv2d) and module.bias is not None:
                module.bias.copy_(torch.randn(module.out_channels, generator=generator))
    return network


def made(name: str, **differences: Any) -> ResNet:
    return seen(build(name, seed=0, **cut(name) | differences))


def pictures(network: ResNet) -> Tensor:
    side = 28 if network.architecture.head_pooling == "flatten" else max(network.smallest, 8)
    generator = torch.Generator().manual_seed(1)
    shape = (2, network.architecture.in_channels, side, side + (network.architecture.head_pooling != "flatten"))
    return torch.randn(shape, dtype=torch.float64, generator=generator)


def worst(fused: dict[str, Tensor], plain: dict[str, Tensor]) -> float:
    """The largest difference of any map, relative to the largest number of that map."""
    assert list(fused) == list(plain)
    return max(float((fused[key] - x).abs().max() / x.abs().max()) for key, x in plain.items())


def said(network: ResNet, x: Tensor) -> dict[str, Tensor]:
    with torch.no_grad():
        return {"logits": network(x), "features": network.features(x), **network.levels(x)}


CASES = {name: (name, {}) for name in VARIANTS} | {name: (name.split()[0], facts) for name, facts in ALSO.items()}


@pytest.mark.parametrize("name", CASES)
def test_a_fused_network_says_what_the_network_says(name: str) -> None:
    row, differences = CASES[name]
    network = made(row, **differences)
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    fused = fuse(network)
    x = pictures(network)
    assert worst(said(fused, x), said(network, x)) < 1e-9
    assert all(torch.equal(tensor, before[key]) for key, tensor in network.state_dict().items())
    # Only a pre-activation network has norms that read no convolution: one a block, and the last.
    stay = len(network.plan.blocks) + 1 if network.architecture.order == "pre" else 0
    assert len(unfused(fused)) == stay


@pytest.mark.parametrize("name", VARIANTS)
def test_of_a_whole_row_all_norms_are_foldable_but_the_first_of_a_block_and_the_final_one(name: str) -> None:
    row = plan(VARIANTS[name])
    norms = [layer.name for layer in row.layers() if isinstance(layer, Norm)]
    stay = [block.branch[0].norm.name for block in row.blocks if block.branch[0].norm] if row.norm else []
    stay += [row.norm.name] if row.norm else []
    assert {norm for _, norm in foldable(row)} == {*norms} - {*stay}
    assert len(norms) == len(foldable(row)) + len(stay)


@pytest.mark.parametrize(("groups", "bias"), [(1, False), (1, True), (4, False), (4, True)])
def test_a_fold_is_torchs_own(groups: int, bias: bool) -> None:
    network = made("resnet50", cardinality=groups, conv_bias=("inner",) if bias else ())
    conv, norm = network.stages[0][0].branch.conv2, network.stages[0][0].branch.norm2
    assert conv.groups == groups
    assert (conv.bias is not None) == bias
    theirs = fuse_conv_bn_eval(conv, norm)
    ours = fuse(network).stages[0][0].branch.conv2
    torch.testing.assert_close(ours.weight, theirs.weight, rtol=1e-13, atol=0)
    torch.testing.assert_close(ours.bias, theirs.bias, rtol=1e-12, atol=1e-12)


def test_a_network_of_float32_is_folded_in_float64_and_stays_one_of_float32() -> None:
    network = made("resnet18").float()
    fused, exact = fuse(network), fuse(network.double())
    assert {tensor.dtype for tensor in fused.state_dict().values()} == {torch.float32}
    for key, tensor in fused.state_dict().items():
        assert torch.equal(tensor, exact.state_dict()[key].float()), key


def test_a_network_in_training_is_left_in_training_and_its_copy_is_not() -> None:
    network = made("resnet18").train()
    fused = fuse(network)
    assert network.training
    assert not any(module.training for module in fused.modules())
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert not any(parameter.requires_grad for parameter in fused.parameters())
    x = pictures(network)
    assert worst(said(fused, x), said(network.eval(), x)) < 1e-9


def test_to_fuse_twice_is_to_fuse_once() -> None:
    once = fuse(made("resnet50d"))
    twice = fuse(once)
    assert all(torch.equal(tensor, once.state_dict()[key]) for key, tensor in twice.state_dict().items())


def test_a_norm_that_uses_the_batchs_statistics_in_evaluation_too_stays() -> None:
    network = made("resnet18")
    train_bn(network, True)
    fused = fuse(network)
    assert len(unfused(fused)) == len(unfused(network)) == 20
    train_bn(network, False)
    assert unfused(fuse(network)) == ()
    with at_rest(network):
        assert unfused(fuse(network)) == ()


def test_what_stays_is_named() -> None:
    fused = fuse(made("resnet50v2_keras", blocks=(1, 1), widths=(8, 16), strides=(1, 2)))
    assert unfused(fused) == ("stages.0.0.branch.norm1", "stages.1.0.branch.norm1", "norm")
    assert isinstance(fused.stages[0][0].branch.conv1, Conv2d)
    assert fused.stages[0][0].branch.conv1.bias is not None


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, row in VARIANTS.items() if sum(row.blocks) < 100])
def test_a_whole_row_fused_says_what_the_row_says(name: str) -> None:
    network = seen(build(name, seed=0))
    x = pictures(network)
    assert worst(said(fuse(network), x), said(network, x)) < 1e-9
    assert architecture(name) == network.architecture
