"""Blocks and shortcuts against the papers' equations, and maps that nobody writes to afterwards."""

from __future__ import annotations

from functools import cache

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from resnets.net.block import PreActivationBlock, ResidualBlock
from resnets.net.network import ResNet, build
from resnets.net.shortcut import Projection, ZeroPad
from resnets.spec.architecture import Architecture
from resnets.spec.variants import VARIANTS, architecture

SIDES = ((8, 8), (9, 7), (5, 6))


def kinds_of_block() -> dict[str, str]:
    """The first row of the table for each way in which a block, stem or shortcut can be made."""
    firsts: dict[tuple[object, ...], str] = {}
    for name, row in VARIANTS.items():
        how = (row.stem, row.block, row.order, row.shortcut, row.projects, row.stride_in, row.se_reduction, row.padding)
        firsts.setdefault(how, name)
    return {name: " ".join(map(str, how)) for how, name in firsts.items()}


KINDS = kinds_of_block()


def small(name: str, **facts: object) -> Architecture:
    """The row with two blocks in each of its first two stages, and few channels."""
    return architecture(name, blocks=(2, 2), widths=(16, 32), stem_width=16, num_classes=5, **facts)


@cache
def network_of(name: str, **facts: object) -> ResNet:
    """A small network of a row's kind, its norms and biases far from where they start."""
    network = ResNet(small(name, **facts)).double().eval()
    generator = torch.Generator().manual_seed(0)
    for key, tensor in network.state_dict().items():
        if tensor.ndim == 1:
            tensor.uniform_(0.5, 1.5, generator=generator)
            if key.endswith(("bias", "running_mean")):
                tensor.sub_(1)
    return network


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_the_kinds_cover_every_word_that_some_row_says() -> None:
    assert len(KINDS) >= 12
    for field in ("stem", "block", "order", "shortcut", "projects", "stride_in", "se_reduction", "padding"):
        said = {getattr(row, field) for row in VARIANTS.values()}
        assert {getattr(VARIANTS[name], field) for name in KINDS} == said


@pytest.mark.parametrize("name", KINDS, ids=lambda name: f"{name}: {KINDS[name]}")
def test_a_level_is_not_written_to_by_what_follows(name: str) -> None:
    network = network_of(name)
    kept: list[Tensor] = []
    marks: list[nn.Module] = [*network.stem, *network.stages]
    hooks = [mark.register_forward_hook(lambda _, __, made: kept.append(made.clone())) for mark in marks]
    x = random(2, network.architecture.in_channels, 33, 40)
    before = x.clone()
    with torch.no_grad():
        maps = network.levels(x)
    for hook in hooks:
        hook.remove()
    stem = {"C1": kept[len(network.stem) - 1]}
    if "conv1" in maps:
        stem = {"conv1": kept[len(network.stem) - 2]} | stem
    copies = stem | dict(zip(("C2", "C3"), kept[len(network.stem) :], strict=True))
    if network.norm is not None:
        copies["C3"] = torch.relu(network.norm(copies["C3"]))
    assert list(maps) == list(copies)
    assert all(torch.equal(maps[key], copies[key]) for key in maps)
    assert torch.equal(x, before)


@pytest.mark.parametrize("name", KINDS, ids=lambda name: f"{name}: {KINDS[name]}")
def test_a_block_leaves_its_input_as_it_is(name: str) -> None:
    with torch.no_grad():
        for stage in network_of(name).stages:
            for block in stage:
                first = next(module for module in block.modules() if isinstance(module, nn.Conv2d))
                x = random(2, first.in_channels, 7, 8)
                before = x.clone()
                block(x)
                assert torch.equal(x, before)


@pytest.mark.parametrize("name", [name for name in KINDS if VARIANTS[name].order == "post"])
def test_a_block_is_relu_of_f_of_x_plus_shortcut_of_x(name: str) -> None:
    # He et al. 2015, Fig. 2, eq. 1 and 2; F(x) + nothing for a plain network.
    for block in (block for stage in network_of(name).stages for block in stage):
        assert isinstance(block, ResidualBlock)
        layers = dict(block.branch.named_children())
        x = random(2, layers["conv1"].in_channels, 9, 8)
        y = x
        count = sum(key.startswith("conv") for key in layers)
        for number in range(1, count + 1):
            y = layers[f"norm{number}"](layers[f"conv{number}"](y))
            if number < count:
                y = y.clamp_min(0)
        if "gate" in layers:
            y = layers["gate"](y)
        total = y if block.shortcut is None else y + block.shortcut(x)
        torch.testing.assert_close(block(x), total.clamp_min(0))


@pytest.mark.parametrize("name", [name for name in KINDS if VARIANTS[name].order == "pre"])
def test_a_preactivation_block_is_f_of_x_plus_shortcut_of_x_and_a_projection_starts_after_the_first_relu(
    name: str,
) -> None:
    # He et al. 2016, Fig. 1b and the appendix: the first block's shortcut is taken after its activation.
    for block in (block for stage in network_of(name).stages for block in stage):
        assert isinstance(block, PreActivationBlock)
        layers = dict(block.branch.named_children())
        x = random(2, layers["conv1"].in_channels, 9, 8)
        active = layers["norm1"](x).clamp_min(0)
        y = layers["conv3"](
            layers["norm3"](layers["conv2"](layers["norm2"](layers["conv1"](active)).clamp_min(0))).clamp_min(0)
        )
        assert block.shortcut is not None
        carried = block.shortcut(active if isinstance(block.shortcut, Projection) else x)
        torch.testing.assert_close(block(x), y + carried)


@pytest.mark.parametrize("side", ["after", "both"])
@pytest.mark.parametrize("added", [16, 17])
def test_option_a_takes_every_other_pixel_and_adds_channels_of_zeros(side: str, added: int) -> None:
    arch = architecture("resnet20_cifar", blocks=(1, 1), widths=(16, 16 + added), zero_pad_side=side)
    shortcut = ResNet(arch).stages[1][0].shortcut
    assert isinstance(shortcut, ZeroPad)
    for size in SIDES:
        x = random(2, 16, *size)
        before = added // 2 if side == "both" else 0
        expected = torch.zeros(2, 16 + added, -(-size[0] // 2), -(-size[1] // 2), dtype=torch.float64)
        for row in range(expected.shape[2]):
            for column in range(expected.shape[3]):
                expected[:, before : before + 16, row, column] = x[:, :, 2 * row, 2 * column]
        assert torch.equal(shortcut(x), expected)


def test_option_b_is_a_strided_1x1_and_its_norm() -> None:
    shortcut = network_of("resnet50").stages[1][0].shortcut
    assert isinstance(shortcut, Projection)
    for size in SIDES:
        x = random(2, 64, *size)
        projected = torch.einsum("nchw,oc->nohw", x[:, :, ::2, ::2], shortcut.conv.weight[:, :, 0, 0])
        torch.testing.assert_close(shortcut(x), shortcut.norm(projected))


def test_the_pooled_shortcut_of_resnet_d_is_a_2x2_mean_then_an_unstrided_1x1() -> None:
    # He et al. 2018 (arXiv:1812.01187), Fig. 2c; at odd sizes the last mean is over the pixels that are there.
    shortcut = network_of("resnet50d").stages[1][0].shortcut
    assert isinstance(shortcut, Projection)
    assert shortcut.conv.stride == (1, 1)
    mean = nn.AvgPool2d(2, 2, ceil_mode=True, count_include_pad=False)
    for size in SIDES:
        x = random(2, 64, *size)
        torch.testing.assert_close(shortcut(x), shortcut.norm(F.conv2d(mean(x), shortcut.conv.weight)))


def test_a_last_block_that_strides_carries_every_other_pixel() -> None:
    last = network_of("resnet50v2_keras").stages[0][1]
    x = random(2, 64, 9, 8)
    assert torch.equal(last.shortcut(x), x[:, :, ::2, ::2])


def test_a_plain_network_has_no_shortcut_and_the_residual_one_of_its_depth_has_one_in_every_block() -> None:
    plain, residual = (build(name, device="meta") for name in ("plain34", "resnet34"))
    assert all(block.shortcut is None for stage in plain.stages for block in stage)
    assert all(block.shortcut is not None for stage in residual.stages for block in stage)
