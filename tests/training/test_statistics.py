"""Recalibration: the statistics of all pictures together, in float64 by hand, and nothing else moved."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from torch import Tensor

from resnets.net.depth import stochastic_depth
from resnets.net.freeze import batch_norm_mode, freeze, train_bn
from resnets.net.layers import BatchNorm
from resnets.net.network import ResNet, build
from resnets.training.statistics import recalibrate

ROOT = Path(__file__).parents[2]
SIZES = (8, 3, 5)  # of three batches
NARROW = {"blocks": (1, 1), "stem_width": 4, "widths": (4, 8), "num_classes": 3}


def small(**facts: object) -> ResNet:
    return build("resnet20_cifar", seed=0, **NARROW | facts).train()


def batches(*sizes: int) -> list[Tensor]:
    chance = torch.Generator().manual_seed(0)
    return [3 + 2 * torch.randn(size, 3, 16, 16, generator=chance) for size in sizes]


def norms(network: ResNet) -> list[BatchNorm]:
    return [module for module in network.modules() if isinstance(module, BatchNorm)]


def of_the_first(network: ResNet, pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of what enters the first norm, over all pictures at once, in float64."""
    convolution = network.stem.conv1
    values = torch.nn.functional.conv2d(pictures.double(), convolution.weight.double(), padding=1)
    return values.mean((0, 2, 3)), values.var((0, 2, 3))


def test_statistics_are_those_of_all_pictures_whatever_the_sizes_of_the_batches() -> None:
    network = small()
    recalibrate(network, batches(*SIZES), context=nullcontext())
    mean, var = of_the_first(network, torch.cat(batches(*SIZES)))
    norm = network.stem.norm1
    torch.testing.assert_close(norm.running_mean.double(), mean, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(norm.running_var.double(), var, rtol=1e-6, atol=1e-6)


def test_of_one_batch_they_are_what_torch_keeps_with_a_momentum_of_one() -> None:
    network, torchs = small(), small()
    recalibrate(network, batches(8), context=nullcontext())
    for norm in norms(torchs):
        norm.momentum = 1.0
    with torch.no_grad():
        torchs(batches(8)[0])
    for mine, theirs in zip(norms(network), norms(torchs), strict=True):
        torch.testing.assert_close(mine.running_mean, theirs.running_mean)
        torch.testing.assert_close(mine.running_var, theirs.running_var)


def test_afterwards_evaluation_answers_as_training_did_on_a_large_batch() -> None:
    network = small()
    whole = torch.cat(batches(64))
    with torch.no_grad():
        trained = network(whole)
        before = network.eval()(whole)
        recalibrate(network, [whole], context=nullcontext())
        after = network(whole)
    assert (after - trained).abs().max() < 1e-3 < (before - trained).abs().max()


def test_a_mean_far_from_zero_costs_no_digits() -> None:
    network = small()
    pictures = [10_000 + batch for batch in batches(*SIZES)]
    with torch.no_grad():  # the first channel alone, as it is
        network.stem.conv1.weight.zero_()
        network.stem.conv1.weight[0, 0, 1, 1] = 1
    recalibrate(network, pictures, context=nullcontext())
    exact = torch.cat(pictures)[:, 0].double().var()
    assert float(network.stem.norm1.running_var[0]) == pytest.approx(float(exact), rel=1e-5)


PREPARED = {
    "as it is": lambda network: None,
    "in evaluation": lambda network: network.eval(),
    "mixed modes": lambda network: network.stages[0].eval(),
    "frozen": lambda network: freeze(network, "C2"),
    "stochastic depth": lambda network: stochastic_depth(network, 0.5),
    "the notes' train_bn": lambda network: train_bn(network, True),
}


@pytest.mark.parametrize("prepare", PREPARED)
def test_nothing_moves_but_the_statistics_of_norms_that_update_theirs(prepare: str) -> None:
    network = small(head="mlp", dropout=0.5) if prepare == "as it is" else small()
    PREPARED[prepare](network)
    kept = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    modes = [module.training for module in network.modules()]
    switches = [(norm.batch_statistics, norm.update_statistics, norm.across) for norm in norms(network)]
    state = torch.get_rng_state()
    recalibrate(network, batches(*SIZES), context=nullcontext())
    assert torch.equal(torch.get_rng_state(), state)
    assert [module.training for module in network.modules()] == modes
    assert [(norm.batch_statistics, norm.update_statistics, norm.across) for norm in norms(network)] == switches
    assert not any(norm._forward_pre_hooks for norm in norms(network))
    moved = {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, kept[name])}
    still = ("stem", "stages.0") if prepare == "frozen" else ()
    running = {name for name in kept if name.endswith(("running_mean", "running_var"))}
    assert moved == {name for name in running if not name.startswith(still or "none")}
    assert not any(p.grad is not None for p in network.parameters())


def test_dropout_and_blocks_left_out_change_nothing() -> None:
    plain, leaving_out = small(), small()
    stochastic_depth(leaving_out, 0.9)
    for network in (plain, leaving_out):
        recalibrate(network, batches(*SIZES), context=nullcontext())
    assert all(torch.equal(a, b) for a, b in zip(plain.buffers(), leaving_out.buffers(), strict=True))


def test_a_norm_that_normalises_by_its_running_statistics_goes_on_to() -> None:
    """Its successors then see what they will see."""
    network = small()
    batch_norm_mode(network, batch_statistics=False, update_statistics=True)
    seen: list[Tensor] = []
    network.stem.norm1.register_forward_hook(lambda _, inputs, output: seen.append(torch.equal(inputs[0], output)))
    network.stem.norm1.eps = 0.0
    recalibrate(network, batches(4), context=nullcontext())
    assert seen == [True], "mean 0 and variance 1, as a new norm has them"


def test_it_is_the_same_bits_again() -> None:
    first, second = small(), small()
    for network in (first, second):
        recalibrate(network, batches(*SIZES), context=torch.autocast("cpu", torch.bfloat16))
    assert all(torch.equal(a, b) for a, b in zip(first.buffers(), second.buffers(), strict=True))


def test_of_bf16_maps_the_statistics_are_exact() -> None:
    network = small()
    seen: list[Tensor] = []
    network.stem.norm1.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].clone()))
    recalibrate(network, batches(*SIZES), context=torch.autocast("cpu", torch.bfloat16))
    assert {x.dtype for x in seen} == {torch.bfloat16}
    values = torch.cat(seen).double()
    torch.testing.assert_close(network.stem.norm1.running_mean.double(), values.mean((0, 2, 3)), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(network.stem.norm1.running_var.double(), values.var((0, 2, 3)), rtol=1e-5, atol=1e-6)


def test_a_batch_of_one_is_passed_over_and_nothing_but_such_is_refused() -> None:
    network, without = small(), small()
    recalibrate(network, batches(8, 1), context=nullcontext())
    recalibrate(without, batches(8), context=nullcontext())
    assert all(torch.equal(a, b) for a, b in zip(network.buffers(), without.buffers(), strict=True))
    with pytest.raises(ValueError, match="no batch of two pictures or more"):
        recalibrate(network, batches(1), context=nullcontext())


def test_a_pass_that_fails_leaves_the_network_as_it_was() -> None:
    network = small()
    kept = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(ValueError, match="takes"):
        recalibrate(network, [*batches(4), torch.zeros(4, 1, 16, 16)], context=nullcontext())
    assert network.training
    assert all(norm.update_statistics is None for norm in norms(network))
    assert all(torch.equal(network.state_dict()[name], tensor) for name, tensor in kept.items())


PROCESS = """
import sys
from contextlib import nullcontext
import torch
from resnets.net.world import World, joined
from resnets.training.statistics import recalibrate
from tests.training.test_statistics import batches, small
torch.set_num_threads(1)
rank = int(sys.argv[1])
with joined(World(rank, 2)) as world:
    network = small()
    first, second, third = batches(8, 3, 5)
    recalibrate(network, [first, third] if rank == 0 else [second], context=nullcontext(), world=world)
    torch.save(network.state_dict(), f"{sys.argv[2]}/{rank}.pt")
"""


def test_processes_put_their_pictures_together(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen([sys.executable, "-c", PROCESS, str(rank), str(tmp_path)], cwd=ROOT, env=os.environ | told)
        for rank in range(2)
    ]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())
    whole = small()
    recalibrate(whole, batches(*SIZES), context=nullcontext())
    for name, tensor in whole.state_dict().items():
        torch.testing.assert_close(first[name], tensor, rtol=1e-6, atol=1e-6)
