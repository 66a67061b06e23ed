"""Freezing and the notes' train_bn: what learns, what moves, and that it stays so."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from resnets.net.freeze import TRAIN_BN, batch_norm_mode, freeze, train_bn
from resnets.net.layers import BatchNorm
from resnets.net.network import ResNet, build

LEVELS = ("C1", "C2", "C3", "C4", "C5")
NARROW = {"blocks": (1, 1, 1, 1), "widths": (16, 16, 16, 16), "stem_width": 16, "num_classes": 3}


def small(name: str = "resnet18") -> ResNet:
    return build(name, seed=0, **NARROW)


def pictures(seed: int = 0) -> Tensor:
    return 3 + torch.randn(4, 3, 40, 40, generator=torch.Generator().manual_seed(seed))


def step(network: ResNet) -> None:
    """One step of SGD with weight decay and momentum, which move whatever is given to them."""
    optimizer = torch.optim.SGD(network.parameters(), lr=0.5, momentum=0.9, weight_decay=0.1)
    network(pictures()).square().mean().backward()
    optimizer.step()


def part(key: str) -> str:
    """The level that a tensor works for; "head" for what comes after the last."""
    first, second = key.split(".")[:2]
    return {"stem": "C1", "stages": f"C{int(second) + 2}" if first == "stages" else "", "norm": "C5"}.get(first, "head")


def copied(network: ResNet) -> dict[str, Tensor]:
    return {key: tensor.clone() for key, tensor in network.state_dict().items()}


@pytest.mark.parametrize("up_to", LEVELS)
@pytest.mark.parametrize("name", ["resnet18", "resnetv2_50"])
def test_what_is_frozen_stays_through_train_and_a_step_and_all_else_moves(name: str, up_to: str) -> None:
    network = small(name)
    freeze(network, up_to)
    network.train()
    before = copied(network)
    step(network)
    after = network.state_dict()
    frozen = LEVELS[: LEVELS.index(up_to) + 1]
    for key in after:
        moved = not torch.equal(before[key], after[key])
        assert moved == (part(key) not in frozen), key
    assert network.training


@pytest.mark.parametrize("up_to", LEVELS)
def test_a_frozen_level_is_the_same_in_training_as_in_evaluation(up_to: str) -> None:
    network = small()
    freeze(network, up_to)
    with torch.no_grad():
        training, evaluating = (network.train(mode).levels(pictures()) for mode in (True, False))
    for level in LEVELS:
        same = torch.allclose(training[level], evaluating[level], rtol=1e-4, atol=1e-4)
        assert same == (level <= up_to)


@pytest.mark.parametrize("unknown", ["conv1", "C6", "c2", "stem", ""])
def test_freezing_up_to_a_level_that_is_not_there_is_refused(unknown: str) -> None:
    with pytest.raises(ValueError) as refusal:
        freeze(small(), unknown)
    assert str(refusal.value) == f"up_to={unknown!r} is no level of resnet18; allowed: C1, C2, C3, C4, C5"


def test_a_backbone_without_stage_5_cannot_be_frozen_up_to_c5() -> None:
    with pytest.raises(ValueError, match=r"allowed: C1, C2, C3, C4$"):
        freeze(build("resnet50_mrcnn_c4", device="meta"), "C5")


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("value", TRAIN_BN)
def test_train_bn_means_what_keras_means_by_the_calls_training(value: bool | None, training: bool) -> None:
    """True: batch statistics, and the running ones move, even at inference; None: by mode; False: neither."""
    network = small().train(training)
    train_bn(network, value)
    before = copied(network)
    network(pictures())
    after = network.state_dict()
    uses_batch = training if value is None else value
    running = [key for key in after if "running" in key]
    assert all((not torch.equal(before[key], after[key])) == uses_batch for key in running)
    level = network.levels(pictures())["conv1"]
    by_batch = torch.nn.functional.batch_norm(
        network.stem.conv1(pictures()), None, None, network.stem.norm1.weight, network.stem.norm1.bias, training=True
    ).relu()
    assert torch.allclose(level, by_batch, atol=1e-5) == uses_batch


@pytest.mark.parametrize("value", TRAIN_BN)
def test_train_bn_leaves_gamma_and_beta_to_learn_as_matterports_flag_did(value: bool | None) -> None:
    network = small().train()
    train_bn(network, value)
    before = copied(network)
    step(network)
    after = network.state_dict()
    learnt = [key for key in after if "norm" in key and key.endswith((".weight", ".bias"))]
    assert learnt and all(not torch.equal(before[key], after[key]) for key in learnt)


def test_a_train_bn_can_be_taken_back() -> None:
    network, untouched = small().eval(), small().eval()
    train_bn(network, True)
    train_bn(network, None)
    with torch.no_grad():
        assert torch.equal(network(pictures()), untouched(pictures()))


def test_gamma_and_beta_can_be_held_while_statistics_move() -> None:
    network = small().train()
    batch_norm_mode(network, trained=False)
    before = copied(network)
    step(network)
    after = network.state_dict()
    for key in (key for key in after if "norm" in key):
        moved = not torch.equal(before[key], after[key])
        assert moved == (not key.endswith((".weight", ".bias")))


def test_the_switches_are_on_every_batch_norm_and_nowhere_else() -> None:
    network = small("seresnet50")
    batch_norm_mode(network, trained=False, batch_statistics=True, update_statistics=False)
    norms = [module for module in network.modules() if isinstance(module, BatchNorm)]
    assert all((norm.batch_statistics, norm.update_statistics) == (True, False) for norm in norms)
    held = {key for key, parameter in network.named_parameters() if not parameter.requires_grad}
    assert held == {key for key, _ in network.named_parameters() if "norm" in key}
