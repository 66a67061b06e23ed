"""Stochastic depth: the paper's linear rule, torchvision's numbers, and nothing in evaluation."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from resnets.net.depth import stochastic_depth
from resnets.net.network import ResNet, build

NARROW = {"blocks": (1, 2, 1), "stem_width": 4, "widths": (4, 8, 8), "num_classes": 3}
KINDS = ("resnet20_cifar", "resnet164v2_cifar")


def small(name: str = "resnet20_cifar", **facts: object) -> ResNet:
    return build(name, seed=0, **NARROW | facts)


def pictures(count: int = 6) -> Tensor:
    return torch.randn(count, 3, 16, 16, generator=torch.Generator().manual_seed(1))


def blocks(network: ResNet) -> list[torch.nn.Module]:
    return [block for stage in network.stages for block in stage.children()]


def test_a_blocks_probability_grows_in_a_straight_line_to_the_last_ones() -> None:
    """Huang et al. 2016, eq. 4: p_l = 1 - l / L (1 - p_L), the probability that block l stays."""
    network = small()
    stochastic_depth(network, 0.5)
    assert [block.drop for block in blocks(network)] == pytest.approx([0.125, 0.25, 0.375, 0.5])


@pytest.mark.parametrize("kind", KINDS)
def test_a_block_left_out_is_its_shortcut_and_one_that_stays_is_torchvisions(kind: str) -> None:
    from torchvision.ops import stochastic_depth as torchvisions

    network = small(kind).train()
    block = blocks(network)[1]  # conv3_x's first: a shortcut that changes the shape, and so is not x
    x = torch.randn(64, 4 * (4 if "v2" in kind else 1), 16, 16)
    outputs = {}
    block.branch.register_forward_hook(lambda _, __, output: outputs.update(branch=output.clone()))
    for layer in block.branch:
        layer.register_forward_hook(lambda _, __, output: outputs.update(branch=output.clone()))
    block.shortcut.register_forward_hook(lambda _, __, output: outputs.update(shortcut=output.clone()))
    block.drop = 0.3
    torch.manual_seed(5)
    made = block(x)
    torch.manual_seed(5)
    expected = torchvisions(outputs["branch"], 0.3, "row") + outputs["shortcut"]
    assert torch.equal(made, expected if "v2" in kind else expected.relu())
    alone = outputs["shortcut"] if "v2" in kind else outputs["shortcut"].relu()
    left_out = [torch.equal(a, b) for a, b in zip(made, alone, strict=True)]
    assert 5 < sum(left_out) < 40, "each picture has its own draw"


@torch.no_grad()
def test_the_mean_over_the_draws_is_the_block_itself() -> None:
    block = blocks(small().double().eval())[0]
    x = torch.randn(1, 4, 8, 8, dtype=torch.float64)
    block.shortcut.register_forward_hook(lambda _, __, output: output + 100)  # so that the last ReLU is the identity
    whole = block(x)
    block.drop = 0.4
    block.training = True  # and not its norms
    mean = block(x.expand(20_000, -1, -1, -1)).mean(0)
    assert torch.allclose(mean - 100, (whole - 100)[0], atol=0.05 * float((whole - 100).abs().max()))


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_left_out_and_nothing_drawn_in_evaluation(kind: str) -> None:
    network, untouched = small(kind).eval(), small(kind).eval()
    stochastic_depth(network, 0.9)
    before = torch.get_rng_state()
    with torch.no_grad():
        assert torch.equal(network(pictures()), untouched(pictures()))
    assert torch.equal(torch.get_rng_state(), before)
    assert list(network.state_dict()) == list(untouched.state_dict())


def test_no_draw_is_made_where_no_block_is_ever_left_out() -> None:
    network, untouched = small().train(), small().train()
    stochastic_depth(network, 0.9)
    stochastic_depth(network, 0.0)
    before = torch.get_rng_state()
    assert torch.equal(network(pictures()), untouched(pictures()))
    assert torch.equal(torch.get_rng_state(), before)


def test_equal_seeds_leave_out_the_same_blocks() -> None:
    network = small().train()
    stochastic_depth(network, 0.5)

    def made(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return network(pictures())

    assert torch.equal(made(1), made(1))
    assert not torch.equal(made(1), made(2))


@pytest.mark.parametrize("last", [-0.1, 1.0, 1.5])
def test_a_probability_that_is_none_is_refused(last: float) -> None:
    with pytest.raises(ValueError, match=r"last=.* is not possible; allowed: a probability from 0 to below 1"):
        stochastic_depth(small(), last)


def test_a_plain_network_is_refused() -> None:
    plain = build("plain20_cifar", device="meta")
    stochastic_depth(plain, 0.0)
    with pytest.raises(ValueError, match="plain20_cifar has no shortcuts to go round a block that is left out"):
        stochastic_depth(plain, 0.1)
