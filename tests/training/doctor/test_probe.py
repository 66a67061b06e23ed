"""Probes: the two answers are torch's own of the two modes, and asking for them changes nothing."""

from __future__ import annotations

import copy
import hashlib
import random
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from resnets.net.depth import stochastic_depth
from resnets.net.freeze import freeze, train_bn
from resnets.net.network import ResNet
from resnets.training.doctor.doctor import Doctor, examine
from resnets.training.doctor.probe import MOST_PICTURES, habit, norms, probe
from resnets.training.optimizer import optimizer
from resnets.training.recipes import recipe
from tests.training.doctor import ward


def images(count: int = 16) -> Tensor:
    return torch.randn(count, 1, 8, 8, generator=torch.Generator().manual_seed(1))


def asked(network: nn.Module, pictures: Tensor) -> Any:
    return probe(network, pictures, {name: habit(norm, training=True) for name, norm in norms(network).items()})


def lived_in(network: ResNet) -> ResNet:
    """A network whose statistics have seen something."""
    with torch.no_grad():
        for number in range(5):
            network.train()(2 + 3 * torch.randn(16, 1, 8, 8, generator=torch.Generator().manual_seed(number)))
    return network


def foreign() -> nn.Module:
    """A network that is none of ours, with a norm that does more than normalise, and others of torch's kinds."""

    class NormAct(nn.BatchNorm2d):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x).relu()

    torch.manual_seed(0)
    body = [nn.Conv2d(1, 6, 3), NormAct(6), nn.Conv2d(6, 6, 3), nn.BatchNorm2d(6, track_running_stats=False)]
    made = nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.BatchNorm1d(6, affine=False), nn.Linear(6, 4))
    for _ in range(3):
        made.train()(images())
    return made


@pytest.mark.parametrize("make", [lambda: lived_in(ward.network()), foreign], ids=["ours", "foreign"])
def test_the_two_answers_are_those_of_the_two_modes(make: Any) -> None:
    network, pictures = make(), images() * 2 + 1
    found = asked(network, pictures)
    with torch.no_grad():
        assert torch.allclose(found.running, copy.deepcopy(network).eval()(pictures), atol=1e-6)
        assert torch.allclose(found.batch, copy.deepcopy(network).train()(pictures), atol=1e-5)
    assert not torch.allclose(found.batch, found.running, atol=1e-2)


def test_dropout_and_stochastic_depth_make_no_difference() -> None:
    plain = lived_in(ward.network())
    risky = copy.deepcopy(plain)
    stochastic_depth(risky, 0.9)
    risky.head.dropout.p = 0.9
    for one, other in zip(vars_of(asked(plain, images())), vars_of(asked(risky, images())), strict=True):
        assert torch.equal(one, other)


def vars_of(found: Any) -> tuple[Tensor, Tensor]:
    return found.batch, found.running


def test_frozen_norms_are_asked_with_their_running_statistics_both_times() -> None:
    network = lived_in(ward.network())
    freeze(network, "C4")
    found = asked(network, images() + 5)
    assert torch.equal(found.batch, found.running)
    assert found.drifts == ()


def test_norms_that_use_the_batch_even_in_evaluation_are_asked_so_both_times() -> None:
    network = lived_in(ward.network())
    train_bn(network, True)
    found = asked(network, images() + 5)
    assert torch.equal(found.batch, found.running)
    with torch.no_grad():
        assert torch.allclose(found.running, copy.deepcopy(network).eval()(images() + 5), atol=1e-5)


def test_a_drift_is_measured_in_running_deviations_and_ratios_of_variance() -> None:
    network = nn.Sequential(nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(48, 2))
    network[0].running_mean.fill_(1.0)
    network[0].running_var.fill_(4.0)
    x = torch.randn(200, 3, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x = ((x - x.mean((0, 2, 3), keepdim=True)) / x.std((0, 2, 3), keepdim=True, correction=0) * 6 + 5).float()
    drift = asked(network, x[:MOST_PICTURES]).drifts[0]
    assert drift.layer == "0"
    exact = asked_all(network, x)
    assert exact.shift == pytest.approx(4 / 2, rel=1e-4)  # means 5 and 1, running deviation 2
    assert exact.ratio == pytest.approx(36 / 4, rel=1e-4)
    by_hand = (5 - 1) ** 2 / (36 + 4) / 4 + np.log((36 + 4) / (2 * np.sqrt(36 * 4))) / 2
    assert exact.distance == pytest.approx(by_hand, rel=1e-4)


def asked_all(network: nn.Module, x: Tensor) -> Any:
    """A probe of more pictures than usual: folded into the places of fewer."""
    folded = x.reshape(50, 4, 3, 4, 4).permute(0, 2, 3, 1, 4).reshape(50, 3, 4, 16)
    return asked(nn.Sequential(network[0], nn.AdaptiveAvgPool2d(4), *network[1:]), folded).drifts[0]


def test_no_more_pictures_are_asked_about_than_said() -> None:
    assert len(asked(ward.network(), images(100)).batch) == MOST_PICTURES == 64


def test_answers_that_are_no_logits_are_refused() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    with pytest.raises(ValueError, match=r"the network's answer is \(16, 2, 6, 6\); the doctor knows logits alone"):
        examine(network, images())


def state_of(network: nn.Module, learner: torch.optim.Optimizer) -> str:
    """A hash of every tensor there is, of the modes and hooks, and of the three generators."""
    found = hashlib.sha256()
    tensors = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    tensors |= {f"{name}.grad": p.grad for name, p in network.named_parameters() if p.grad is not None}
    for number, entry in enumerate(learner.state.values()):
        tensors |= {f"state{number}.{name}": value for name, value in entry.items() if isinstance(value, Tensor)}
    for name, tensor in tensors.items():
        # which tensor it is, how often it was written to, and its bytes
        found.update(f"{name} {id(tensor)} {tensor._version}".encode())
        found.update(tensor.detach().contiguous().numpy().tobytes())
    for name, module in network.named_modules():
        switches = [getattr(module, key, None) for key in ("training", "batch_statistics", "update_statistics")]
        found.update(f"{name} {switches} {len(module._forward_pre_hooks)} {len(module._forward_hooks)}".encode())
    found.update(torch.get_rng_state().numpy().tobytes())
    found.update(repr((random.getstate(), np.random.get_state())).encode())
    return found.hexdigest()


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("frozen", [None, "C2", "notes"])
def test_the_doctor_changes_no_tensor_no_mode_and_no_generator(frozen: str | None, training: bool) -> None:
    network = lived_in(ward.network(head="mlp") if frozen is None else ward.network())
    stochastic_depth(network, 0.5)
    if frozen == "C2":
        freeze(network, "C2")
    if frozen == "notes":
        train_bn(network, True)
    network.head.dropout.p = 0.5
    row = ward.cut(recipe("digits"))
    learner = optimizer(network, row)
    doctor = Doctor(network, row, ward.CLASSES, fresh_head=True)
    given = ward.batches(row)
    for step in range(1, 66):
        batch = next(given)
        network.train()
        logits = network(batch.images)
        torch.nn.functional.cross_entropy(logits, batch.labels).backward()
        learner.step()
        network.train(training or step < 60)
        for name, module in network.named_modules():
            if frozen == "C2" and name.startswith("stages.2"):
                module.training = False  # modes that differ within a network
        looks = step in (1, 2, 3, 4, 16, 64, 65)
        before = state_of(network, learner) if looks else ""
        doctor.step(step, 1.0, network, batch.images, batch.labels, logits.detach(), 2.3)
        assert not looks or state_of(network, learner) == before
    doctor.epoch(66, 1.0, network, batch.images, None, 0.0, 1.0)
    assert state_of(network, learner) == before
    examine(network, batch.images, batch.labels)
    assert state_of(network, learner) == before


def test_all_is_as_it_was_where_a_network_fails_while_it_is_asked() -> None:
    network = lived_in(ward.network())
    learner = optimizer(network, recipe("digits"))
    before = state_of(network, learner)
    with pytest.raises(ValueError, match="was given"):
        examine(network, torch.zeros(8, 3, 8, 8))
    assert state_of(network, learner) == before
