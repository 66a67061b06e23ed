"""What the founding notes got wrong, one test each, named by what is right (docs/notes.md leads here)."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from resnets.net.freeze import train_bn
from resnets.net.network import ResNet, build
from resnets.spec.architecture import Architecture
from resnets.spec.count import conv_weights, weight_layers
from resnets.spec.levels import level_sizes, levels
from resnets.spec.padding import out_size
from resnets.spec.resolve import plan
from resnets.spec.trace import trace
from resnets.spec.variants import VARIANTS

WITH_BLOCKS = {"basic": ("resnet18", "resnet34"), "bottleneck": ("resnet50", "resnet101", "resnet152")}


@pytest.mark.parametrize("kind", WITH_BLOCKS)
def test_18_and_34_layers_are_basic_blocks_and_50_101_and_152_are_bottlenecks(kind: str) -> None:
    # Note 003's last paragraphs swap them; its code and He et al. 2015, Table 1, do not.
    layers = {"basic": [3, 3], "bottleneck": [1, 3, 1]}[kind]
    for name in WITH_BLOCKS[kind]:
        assert VARIANTS[name].block == kind
        for block in plan(VARIANTS[name]).blocks:
            assert [unit.conv.kernel for unit in block.branch] == layers


def test_a_1024_pixel_picture_leaves_the_backbone_as_32x32x2048(without_numbers: Callable[[str], ResNet]) -> None:
    # Note 004's text says 3x3x2048; the comments in its code, as here, 32x32x2048.
    assert level_sizes(plan(VARIANTS["resnet101_mrcnn"]), (1024, 1024))["C5"] == (32, 32)
    last = without_numbers("resnet101_mrcnn")(torch.empty(1, 3, 1024, 1024, device="meta"))
    assert last.shape == (1, 2048, 32, 32)


def test_the_backbone_pads_its_3x3_convolutions_and_its_pool_so_w_minus_f_over_s_plus_1_is_not_its_rule() -> None:
    # Note 004: "TensorFlow's sizes are (w - f) / s + 1". That is VALID; padding='same' gives ceil(w / s).
    def valid(size: int, kernel: int, stride: int) -> int:
        return (size - kernel) // stride + 1

    steps = {step.name: step for step in trace(plan(VARIANTS["resnet101_mrcnn"]), (1024, 1024))}
    pool, conv = steps["stem.pool"], steps["stages.0.0.branch.conv2"]
    assert (pool.input[0], pool.output[0], valid(pool.input[0], 3, 2)) == (512, 256, 255)
    assert pool.padding == ((0, 1), (0, 1))
    assert (conv.input[0], conv.output[0], valid(conv.input[0], 3, 1)) == (256, 256, 254)
    assert valid(1024 + 2 * 3, 7, 2) == steps["stem.conv1"].output[0] == 512  # the one explicit padding, ZeroPadding2D
    assert all(out_size("same", size, 3, 2) == -(-size // 2) for size in range(2, 100))


@pytest.mark.parametrize("name", ["resnet50_mrcnn", "resnet101_mrcnn", "resnet101_note001"])
def test_c1_is_after_the_pool_so_c1_and_c2_both_have_stride_4(
    name: str, without_numbers: Callable[[str], ResNet]
) -> None:
    # Notes 000, 001 and 004: C1 = x = MaxPooling2D(...)(x). A pyramid that expects C1 at stride 2 wants our conv1.
    strides = {key: level.stride for key, level in levels(plan(VARIANTS[name])).items()}
    assert strides == {"conv1": 2, "C1": 4, "C2": 4, "C3": 8, "C4": 16, "C5": 32}
    network = without_numbers(name)
    x = torch.empty(1, 3, 64, 64, device="meta")
    assert network.levels(x)["C1"].shape == network.stem(x).shape == (1, 64, 16, 16)


def test_the_notes_backbone_strides_on_the_first_1x1_has_biases_and_an_eps_of_1e_3_and_a_file_says_so() -> None:
    # Notes 000, 001 and 004; Keras's BatchNormalization has epsilon=1e-3 unless told otherwise.
    row = VARIANTS["resnet101_mrcnn"]
    network = plan(row)
    first = network.stages[1].blocks[0]
    assert [unit.conv.stride for unit in first.branch] == [2, 1, 1]
    assert all(f"{conv}.bias" in network.tensors() for conv in ("stem.conv1", "stages.0.0.shortcut.conv"))
    assert all(unit.conv.bias and unit.norm and unit.norm.eps == 1e-3 for b in network.blocks for unit in b.branch)
    # torch's 1e-5, Keras Applications' 1.001e-5, and the paper's stride with torchvision's 3x3.
    assert [VARIANTS[name].norm_eps for name in ("resnet101", "resnet101_keras")] == [1e-5, 1.001e-5]
    written = json.loads(json.dumps(row.to_dict()))
    told = {key: written[key] for key in ("stride_on", "conv_bias", "norm_eps")}
    assert told == {"stride_on": "1x1", "conv_bias": ["stem", "inner", "last", "projection"], "norm_eps": 1e-3}
    assert Architecture.from_dict(written) == row


def test_train_bn_true_uses_batch_statistics_even_at_inference_none_follows_the_mode_and_false_is_frozen() -> None:
    # The notes call it "train or freeze"; as Keras's `training=` it is more, and Matterport's own default is False.
    network = build("resnet50_mrcnn", seed=0, blocks=(1, 1), widths=(8, 16))
    x = torch.randn(4, 3, 40, 40, generator=torch.Generator().manual_seed(0)) * 3 + 5

    def alone_and_in_company(value: bool | None, training: bool) -> tuple[Tensor, Tensor]:
        train_bn(network, value)
        network.train(training)
        with torch.no_grad():
            return network(x[:1]), network(x)[:1]

    for value, training in ((True, False), (True, True), (None, True)):
        alone, in_company = alone_and_in_company(value, training)
        assert not torch.allclose(alone, in_company, rtol=1e-2, atol=1e-2)  # the answer depends on the neighbours
    for value, training in ((None, False), (False, False), (False, True)):
        alone, in_company = alone_and_in_company(value, training)
        torch.testing.assert_close(alone, in_company, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["resnet34_note002", "resnet50_note002"])
def test_28_pixels_shrink_28_14_7_7_4_2_1_so_nothing_is_left_to_pool(name: str) -> None:
    # Note 002 on MNIST: its average pool of 7x7 had to go, for C5 is 1x1.
    network = plan(VARIANTS[name])
    sizes = level_sizes(network, (28, 28))
    assert list(sizes) == ["conv1", "C1", "C2", "C3", "C4", "C5"]
    assert [28, *(height for height, _ in sizes.values())] == [28, 14, 7, 7, 4, 2, 1]
    assert network.head is not None and network.head.pooling == "flatten"


def test_conv2_of_a_34_layer_network_needs_no_projection_and_the_notes_code_has_one() -> None:
    # Note 002's first block of conv2_x projects 64 channels to 64 at stride 1.
    with_it, without = (plan(VARIANTS[name]).stages[0].blocks[0] for name in ("resnet34_note002", "resnet34"))
    assert with_it.in_channels == with_it.out_channels == 64 and with_it.stride == 1
    assert with_it.shortcut.kind == "projection"
    assert without.shortcut.kind == "identity"


def test_the_resnet50_that_note_002_left_empty_is_a_row_with_the_sizes_and_channels_of_its_words() -> None:
    row = VARIANTS["resnet50_note002"]
    assert (row.block, row.blocks) == ("bottleneck", (3, 4, 6, 3))
    words = {"conv1": (112, 64), "C1": (56, 64), "C2": (56, 256), "C3": (28, 512), "C4": (14, 1024), "C5": (7, 2048)}
    sizes = level_sizes(plan(row), (224, 224))
    assert {key: (sizes[key][0], level.channels) for key, level in levels(plan(row)).items()} == words


def test_the_notes_arithmetic_is_right_69632_1179648_16_94_73728_and_101() -> None:
    bottleneck, wide, narrow = (
        conv_weights(plan(VARIANTS[name]).stages[stage].blocks[1])
        for name, stage in (("resnet101", 0), ("resnet34", 2), ("resnet34", 0))
    )
    assert (bottleneck, wide, narrow) == (69_632, 1_179_648, 73_728)
    assert round(wide / bottleneck, 2) == 16.94
    assert weight_layers(plan(VARIANTS["resnet101"])).formula == "1 + 9 + 12 + 69 + 9 + 1 = 101"
