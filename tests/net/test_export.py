"""Every row can be exported with torch.export, and its program computes what the network does."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch.export import Dim

from resnets.net.network import ResNet, build
from resnets.spec.variants import VARIANTS

# Only `make test-all` exports these: 600 blocks take 8 seconds, and their 110s have the same ones.
DEEPEST = ("resnet1202_cifar", "resnet1202_cifar_b")
ROWS = [pytest.param(name, marks=pytest.mark.slow if name in DEEPEST else ()) for name in VARIANTS]

# Programs that are run on real numbers, cut to a block a stage: one for each stem, order, shortcut and padding.
RUN = ("resnet50d", "seresnet50", "resnet20_cifar", "resnet50v2_keras", "resnet34_note002")


def side_of(network: ResNet) -> int:
    return 28 if network.architecture.head_pooling == "flatten" else 32


@pytest.mark.parametrize("name", ROWS)
def test_a_row_exports_with_all_its_weights_under_their_names(
    name: str, without_numbers: Callable[[str], ResNet]
) -> None:
    network = without_numbers(name)
    side = side_of(network)
    x = torch.empty(2, network.architecture.in_channels, side, side, device="meta")
    program = torch.export.export(network, (x,))
    (result,) = program.graph.output_node().args[0]
    assert result.meta["val"].shape == network(x).shape
    assert program.state_dict.keys() == network.state_dict().keys()


@pytest.mark.parametrize("name", RUN)
def test_an_exported_program_computes_what_the_network_does_for_any_number_of_pictures(name: str) -> None:
    network = build(name, seed=0, num_classes=10, blocks=(1,) * len(VARIANTS[name].blocks)).eval()
    side = side_of(network)
    generator = torch.Generator().manual_seed(0)
    two, three = (torch.randn(n, network.architecture.in_channels, side, side, generator=generator) for n in (2, 3))
    program = torch.export.export(network, (two,), dynamic_shapes=({0: Dim("pictures")},)).module()
    with torch.no_grad():
        for x in (two, three):
            torch.testing.assert_close(program(x), network(x))
