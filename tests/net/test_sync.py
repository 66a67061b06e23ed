"""Synchronised norms: two processes with parts of a batch are one process with all of it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from resnets.net.layers import BatchNorm
from resnets.net.network import ResNet, build
from resnets.net.sync import sync_norms
from resnets.net.world import ALONE

ROOT = Path(__file__).parents[2]
NARROW = {"blocks": (1, 1), "stem_width": 4, "widths": (4, 8), "num_classes": 3}

# What the first process has of six pictures. A last map of 1x1 makes a single picture one value for each channel.
SHARES = {"half and half": 3, "unequal": 5, "one has none": 6, "in bf16": 4, "in parallel, recomputed": 2}
SIDES = {"unequal": 4}

PROCESS = """
import json, sys
import torch
from resnets.net.sync import sync_norms
from resnets.net.world import World, joined
from tests.net.test_sync import SHARES, found, network_of, pictures
torch.set_num_threads(1)
rank = int(sys.argv[1])
with joined(World(rank, 2)) as world:
    for name, first in SHARES.items():
        network = network_of(name)
        sync_norms(network, world)
        mine = pictures(name)[slice(first) if rank == 0 else slice(first, None)]
        torch.save(found(network, mine, name, world), f"{sys.argv[2]}/{name} {rank}.pt")
"""


def pictures(name: str) -> Tensor:
    side = SIDES.get(name, 16)
    return 2 + torch.randn(6, 3, side, side, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def network_of(name: str) -> ResNet:
    network = build("resnet20_cifar", seed=0, **NARROW).train()
    return network.float() if name == "in bf16" else network.double()


def found(network: ResNet, x: Tensor, name: str, world: object = ALONE) -> dict[str, Tensor]:
    """Logits, gradients of the sum of everybody's losses, and all that the network holds, after two steps."""
    forward = network
    if name == "in parallel, recomputed":
        network.recompute = True
        if world.size > 1:
            forward = DistributedDataParallel(network)  # its mean on every process adds up to the sum
    for _ in range(2):
        network.zero_grad()
        mine = x.float() if name == "in bf16" else x
        mine.requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=name == "in bf16"):
            logits = forward(mine)
        (logits.double().square().sum() + logits.double().sin().sum()).backward()
    gradients = {f"gradient of {key}": world.sum(p.grad) for key, p in network.named_parameters()}
    return {"logits": logits.detach(), "gradient of x": mine.grad, **gradients, **network.state_dict()}


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes found, a file for each case and rank."""
    folder = tmp_path_factory.mktemp("two")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "GLOO_SOCKET_IFNAME": "lo",
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-W", "error::UserWarning", "-c", PROCESS]
    processes = [
        subprocess.Popen([*command, str(rank), str(folder)], cwd=ROOT, env=environment, stderr=subprocess.PIPE)
        for rank in range(2)
    ]
    said = [process.communicate(timeout=120)[1].decode() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], "\n".join(said)
    return folder


@pytest.mark.parametrize("name", SHARES)
def test_two_processes_find_what_one_finds_on_the_whole_batch(two: Path, name: str) -> None:
    first, second = (torch.load(two / f"{name} {rank}.pt", weights_only=True) for rank in range(2))
    whole = found(network_of(name), pictures(name), name)
    of_pictures = ("logits", "gradient of x")
    both = {key: torch.cat([first[key], second[key]]) for key in of_pictures}
    both |= {key: value for key, value in first.items() if key not in of_pictures}
    assert list(both) == list(whole)
    rough = {"rtol": 0.1, "atol": 0.1} if name == "in bf16" else {"rtol": 1e-9, "atol": 1e-9}
    for key, value in whole.items():
        torch.testing.assert_close(both[key], value, **rough, msg=lambda text, key=key: f"{key}: {text}")


@pytest.mark.parametrize("name", SHARES)
def test_every_process_holds_the_same_bits_afterwards(two: Path, name: str) -> None:
    first, second = (torch.load(two / f"{name} {rank}.pt", weights_only=True) for rank in range(2))
    kept = list(network_of(name).state_dict())
    assert [key for key in kept if not torch.equal(first[key], second[key])] == []


def test_alone_nothing_changes() -> None:
    network = network_of("unequal")
    sync_norms(network, ALONE)
    assert all(norm.across is None for norm in network.modules() if isinstance(norm, BatchNorm))
