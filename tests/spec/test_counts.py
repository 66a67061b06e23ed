"""Parameters and multiply-adds: equal to what the papers and torchvision publish."""

from __future__ import annotations

import pytest

from resnets.spec.architecture import Architecture
from resnets.spec.count import conv_weights, layer_parameters, parameters
from resnets.spec.plan import Block
from resnets.spec.resolve import plan
from resnets.spec.trace import macs, trace
from resnets.spec.variants import VARIANTS, architecture

# torchvision 0.29, torchvision/models/resnet.py: "num_params" and "_ops" of each network's weights.
TORCHVISION = {
    "resnet18": (11_689_512, 1.814),
    "resnet34": (21_797_672, 3.664),
    "resnet50": (25_557_032, 4.089),
    "resnet101": (44_549_160, 7.801),
    "resnet152": (60_192_808, 11.514),
    "resnext50_32x4d": (25_028_904, 4.230),
    "resnext101_32x8d": (88_791_336, 16.414),
    "resnext101_64x4d": (83_455_272, 15.460),
    "wide_resnet50_2": (68_883_240, 11.398),
    "wide_resnet101_2": (126_886_696, 22.753),
}

# He et al. 2015 (arXiv:1512.03385), Table 6, "# params": millions, as printed.
PAPER_CIFAR = {20: "0.27", 32: "0.46", 44: "0.66", 56: "0.85", 110: "1.7", 1202: "19.4"}

PLAIN_PAIRS = [(name, name.replace("plain", "resnet")) for name, arch in VARIANTS.items() if arch.shortcut == "none"]


def gmacs(arch: Architecture) -> float:
    return macs(plan(arch), (224, 224)) / 1e9


def block(name: str, stage: int, number: int) -> Block:
    return plan(VARIANTS[name]).stages[stage].blocks[number]


@pytest.mark.parametrize("name", TORCHVISION)
def test_parameters_and_multiply_adds_are_the_ones_torchvision_publishes(name: str) -> None:
    published_parameters, published_gmacs = TORCHVISION[name]
    assert parameters(plan(VARIANTS[name])) == published_parameters
    assert round(gmacs(VARIANTS[name]), 3) == published_gmacs


def test_the_papers_resnet50_with_its_stride_on_the_1x1_takes_3_86_billion_multiply_adds() -> None:
    # Table 1 prints 3.8 x 10^9; 3.858 is the same network counted without rounding.
    assert round(gmacs(VARIANTS["resnet50_v1"]), 3) == 3.858


@pytest.mark.parametrize("depth", PAPER_CIFAR)
def test_the_cifar_networks_have_the_papers_number_of_parameters(depth: int) -> None:
    printed = PAPER_CIFAR[depth]
    decimals = len(printed.partition(".")[2])
    assert f"{parameters(plan(VARIANTS[f'resnet{depth}_cifar'])) / 1e6:.{decimals}f}" == printed


def test_resnet56_costs_2752_parameters_more_with_projections_than_with_option_a() -> None:
    # pycls, dev/model_complexity.json: plain V-56 has 853,018 parameters and R-56, with projections, 855,770.
    counts = {name: parameters(plan(VARIANTS[name])) for name in VARIANTS if "56_cifar" in name}
    assert counts == {"resnet56_cifar": 853_018, "plain56_cifar": 853_018, "resnet56_cifar_b": 855_770}


def test_the_preactivation_164_has_the_1_7_million_parameters_that_are_published() -> None:
    # Zagoruyko and Komodakis 2016 (arXiv:1605.07146), Table 5: pre-act-ResNet of depth 164, 1.7M.
    assert f"{parameters(plan(VARIANTS['resnet164v2_cifar'])) / 1e6:.2f}" == "1.70"


@pytest.mark.parametrize(("plain", "residual"), PLAIN_PAIRS)
def test_plain_and_option_a_networks_of_one_depth_have_equal_parameters(plain: str, residual: str) -> None:
    # He et al. 2015, section 4.1: parameter-free shortcuts, so "no extra parameter compared to the plain".
    option_a = architecture(residual, shortcut="zero_pad")
    assert parameters(plan(VARIANTS[plain])) == parameters(plan(option_a))


def test_every_cifar_depth_but_the_deepest_has_its_plain_network_and_so_have_18_and_34() -> None:
    assert len(PLAIN_PAIRS) == 7
    assert all(residual in VARIANTS for _, residual in PLAIN_PAIRS)


def test_a_bottleneck_of_256_channels_has_69632_weights_and_two_3x3_have_16_94_times_as_many() -> None:
    # 1*1*256*64 + 3*3*64*64 + 1*1*64*256 against 2 * 3*3*256*256 (note 002; He et al. 2015, Fig. 5).
    bottleneck, basic = block("resnet50", 0, 1), block("resnet34", 2, 1)
    assert bottleneck.in_channels == bottleneck.out_channels == basic.in_channels == basic.out_channels == 256
    assert conv_weights(bottleneck) == 69_632
    assert conv_weights(basic) == 1_179_648
    assert round(conv_weights(basic) / conv_weights(bottleneck), 2) == 16.94


def test_a_basic_block_of_64_channels_has_73728_weights() -> None:
    assert conv_weights(block("resnet34", 0, 1)) == 73_728  # 2 * 3*3*64*64, beside the bottleneck's 69,632


def test_a_block_counts_its_norms_and_shortcut_as_parameters_but_not_as_branch_weights() -> None:
    first = block("resnet50", 0, 0)
    norms, projection = 2 * (64 + 64 + 256), 64 * 256 + 2 * 256
    assert parameters(first) == conv_weights(first) + norms + projection


@pytest.mark.parametrize("name", VARIANTS)
def test_the_parameters_of_a_trace_add_up_to_the_networks(name: str) -> None:
    arch = VARIANTS[name]
    network = plan(arch)
    assert sum(step.parameters for step in trace(network, (arch.size, arch.size))) == parameters(network)


@pytest.mark.parametrize("name", VARIANTS)
def test_running_statistics_are_tensors_of_the_plan_but_no_parameters(name: str) -> None:
    network = plan(VARIANTS[name])
    tensors = network.tensors()
    trained = {key for key in tensors if key.endswith((".weight", ".bias"))}
    assert {key.rpartition(".")[2] for key in tensors.keys() - trained} == {
        "running_mean",
        "running_var",
        "num_batches_tracked",
    }
    assert parameters(network) == sum(map(layer_parameters, network.layers()))


def test_doubling_the_side_of_the_picture_quadruples_the_multiply_adds_of_convolutions_alone() -> None:
    network = plan(VARIANTS["resnet18"])
    linear = 512 * 1000
    small, large = (macs(network, (side, side)) - linear for side in (224, 448))
    assert large == 4 * small
