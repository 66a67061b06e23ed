"""EMA: against torch's averaged model, TensorFlow's rule, and what it leaves alone."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from resnets.net.network import ResNet, build
from resnets.training.ema import Ema
from resnets.training.recipe import Recipe

LATE = 10**6
"""Steps after which the mean's own start is over."""


def small() -> ResNet:
    return build("resnet20_cifar", seed=0, blocks=(1, 1), stem_width=4, widths=(4, 8), num_classes=3)


def made(**numbers: object) -> Recipe:
    return Recipe(name="made", source="a test", **numbers)


def learn(network: ResNet, step: int) -> None:
    """Change everything that a training step changes."""
    chance = torch.Generator().manual_seed(step)
    with torch.no_grad():
        for p in network.parameters():
            p += 0.1 * torch.randn(p.shape, generator=chance)
        network.train()(torch.randn(4, 3, 8, 8, generator=chance))


def test_it_is_torchs_averaged_model() -> None:
    network = small()
    ema = Ema(network, made(ema=0.9))
    averaged = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True)
    averaged.update_parameters(network)  # its first update is a copy
    for step in range(5):
        learn(network, step)
        ema.update(network, LATE + step)
        averaged.update_parameters(network)
    for mine, theirs in zip(ema.network.parameters(), averaged.module.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs)
    for (name, mine), theirs in zip(ema.network.named_buffers(), averaged.module.buffers(), strict=True):
        if not name.endswith("num_batches_tracked"):  # torch averages counts too
            torch.testing.assert_close(mine, theirs)


def test_counts_are_the_networks_own() -> None:
    network = small()
    ema = Ema(network, made(ema=0.9))
    for step in range(1, 4):
        learn(network, step)
        ema.update(network, step)
    counts = [buffer for name, buffer in ema.network.named_buffers() if name.endswith("num_batches_tracked")]
    assert counts and all(int(count) == 3 for count in counts)


@pytest.mark.parametrize("every", [1, 4])
def test_early_on_the_mean_keeps_what_tensorflow_keeps(every: int) -> None:
    """min(decay, (1 + num_updates) / (10 + num_updates)), of tf.train.ExponentialMovingAverage."""
    ema = Ema(small(), made(ema=0.999, ema_every=every))
    kept = [ema.keeps(every * updates) for updates in (1, 2, 90, 8_990, 9_000)]
    assert kept == pytest.approx([2 / 11, 3 / 12, 91 / 100, 0.999, 0.999])


def test_the_random_start_is_soon_forgotten() -> None:
    network = small()
    ema = Ema(network, made(ema=0.9999))
    start = network.head.linear.weight.detach().clone()
    with torch.no_grad():
        network.head.linear.weight += 1
    for step in range(1, 51):
        ema.update(network, step)
    assert float((ema.network.head.linear.weight - start).mean()) > 0.999


def test_it_moves_at_every_so_many_steps_of_the_run() -> None:
    network = small()
    ema = Ema(network, made(ema=0.5, ema_every=3))
    moved = []
    for step in range(1, 8):
        before = ema.network.head.linear.weight.clone()
        learn(network, step)
        ema.update(network, step)
        moved.append(not torch.equal(ema.network.head.linear.weight, before))
    assert moved == [False, False, True, False, False, True, False]


def test_its_network_is_one_in_evaluation_that_learns_nothing_and_is_no_part_of_the_other() -> None:
    network = small().train()
    network(torch.randn(4, 3, 8, 8)).sum().backward()
    kept = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    ema = Ema(network, made(ema=0.9))
    assert not any(module.training for module in ema.network.modules())
    assert not any(p.requires_grad or p.grad is not None for p in ema.network.parameters())
    assert all(p.requires_grad and p.grad is not None for p in network.parameters())
    assert list(ema.network.state_dict()) == list(kept)
    with torch.no_grad():
        for tensor in ema.network.state_dict().values():
            tensor.zero_()
    assert all(torch.equal(network.state_dict()[name], tensor) for name, tensor in kept.items())


def test_it_goes_on_from_its_networks_numbers_alone() -> None:
    def run(stop: int | None) -> dict[str, torch.Tensor]:
        network = small()
        ema = Ema(network, made(ema=0.99))
        for step in range(1, 7):
            if step == stop:
                kept = ema.network.state_dict()
                ema = Ema(small(), made(ema=0.99))
                ema.network.load_state_dict(kept)
            learn(network, step)
            ema.update(network, step)
        return ema.network.state_dict()

    whole, stopped = run(None), run(4)
    assert all(torch.equal(tensor, stopped[name]) for name, tensor in whole.items())


def test_a_network_of_other_shape_is_refused() -> None:
    with pytest.raises((ValueError, RuntimeError)):
        Ema(small(), made(ema=0.9)).update(nn.Linear(2, 2), 1)
