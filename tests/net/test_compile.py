"""torch.compile takes every row in one graph, and inductor's code computes what the network does."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator

import pytest
import torch

from resnets.net.network import ResNet, build
from resnets.spec.variants import VARIANTS

# `make test` traces the rows of at most so many blocks, and `make test-all` every row: the 101s take 3 seconds
# each, the 1202s 23, and nothing in their blocks is not in a shallower row.
FAST_BLOCKS = 32

# Each has another stem, shortcut or padding; the last takes as long as the three others.
COMPILED = (
    "resnet18",
    "resnet20_cifar",
    "plain20_cifar",
    pytest.param("resnet34_note002", marks=pytest.mark.slow),
)
CPLUSPLUS = next((path for path in map(shutil.which, ("g++", "clang++", "c++")) if path), None)


@pytest.fixture(autouse=True)
def fresh_compiler() -> Iterator[None]:
    torch.compiler.reset()
    yield
    torch.compiler.reset()


def side_of(network: ResNet) -> int:
    return 28 if network.architecture.head_pooling == "flatten" else 32


def rows() -> list[object]:
    return [
        pytest.param(name, marks=pytest.mark.slow if sum(row.blocks) > FAST_BLOCKS else ())
        for name, row in VARIANTS.items()
    ]


@pytest.mark.parametrize("name", rows())
def test_a_row_is_traced_as_one_graph(name: str, without_numbers: Callable[[str], ResNet]) -> None:
    network = without_numbers(name)
    side = side_of(network)
    x = torch.empty(2, network.architecture.in_channels, side, side, device="meta")
    graphs: list[torch.fx.GraphModule] = []

    def eager(graph: torch.fx.GraphModule, _: list[torch.Tensor]) -> Callable[..., object]:
        graphs.append(graph)
        return graph.forward

    made = torch.compile(network, backend=eager, fullgraph=True)(x)
    assert made.shape == network(x).shape
    assert len(graphs) == 1
    convolutions = sum(node.target in (torch.conv2d, torch.nn.functional.conv2d) for node in graphs[0].graph.nodes)
    assert convolutions == sum(isinstance(module, torch.nn.Conv2d) for module in network.modules())


@pytest.mark.skipif(CPLUSPLUS is None, reason="inductor needs a C++ compiler")
@pytest.mark.parametrize("name", COMPILED)
def test_inductors_code_computes_what_the_network_does(name: str) -> None:
    network = build(name, seed=0, num_classes=10).eval()
    side = side_of(network)
    x = torch.randn(2, network.architecture.in_channels, side, side, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = network(x)
        made = torch.compile(network, fullgraph=True)(x)
    torch.testing.assert_close(made, expected, rtol=1e-5, atol=1e-5)
