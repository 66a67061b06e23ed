"""Every row can be exported with torch.export, and its program computes what the network does."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch.export import Dim

from resnets.net.network import ResNet, build
from resnets.spec.variants import VARIANTS

# Rows that are left out, and why; nothing in their blocks is not in a shallower row.
TOO_DEEP = {
    "resnet1202_cifar": "601 blocks take half a minute; resnet110_cifar has the same ones",
    "resnet1202_cifar_b": "601 blocks take half a minute; resnet110_cifar_b has the same ones",
}
ROWS = [name for name in VARIANTS if name not in TOO_DEEP]

# Programs that are run on real numbers, cut to a block a stage: one for each stem, order, shortcut and padding.
RUN = ("resnet18", "resnet50d", "seresnet50", "resnet20_cifar", "resnet50v2_keras", "resnet34_note002", "plain34")


def side_of(network: ResNet) -> int:
    return 28 if network.architecture.head_pooling == "flatten" else 32


def test_the_rows_left_out_are_the_deepest() -> None:
    deepest = sorted(VARIANTS, key=lambda name: sum(VARIANTS[name].blocks))[-len(TOO_DEEP) :]
    assert set(deepest) == set(TOO_DEEP)


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
