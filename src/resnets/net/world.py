"""World: the processes that work on one thing together, and the few things they say to one another."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist

from resnets.net.meeting import fresh_store

TIMEOUT_S = 60
"""How long a process waits for the others in a step before it gives up, so that a lost one is soon noticed."""

PATIENCE_S = 24 * 3600
"""How long the others wait while the first prepares what all need, such as a pack of a million pictures."""


@dataclass(frozen=True, slots=True)
class World:
    """Process `rank` of `size`; alone, every sum is its own and nobody is waited for."""

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=partial(torch.device, "cpu"))  # where what is said has to lie

    @property
    def is_first(self) -> bool:
        """Say whether this is the process that writes and prints."""
        return self.rank == 0

    def sum(self, tensor: Tensor) -> Tensor:
        """Return the sum of everybody's tensors, which are of one shape and kind; everybody gets the same."""
        if self.size == 1:
            return tensor
        total = tensor.detach().to(self.device, copy=True)
        dist.all_reduce(total)
        return total.to(tensor.device)

    def gather(self, value: Any) -> list[Any]:
        """Return everybody's JSON-able value, by rank. It travels as text: no pickle is read."""
        if self.size == 1:
            return [value]
        mine = torch.frombuffer(bytearray(json.dumps(value).encode()), dtype=torch.uint8).to(self.device)
        lengths = self.sum(torch.zeros(self.size, dtype=torch.int64).index_fill_(0, torch.tensor(self.rank), len(mine)))
        texts = torch.zeros(self.size, int(lengths.max()), dtype=torch.uint8)
        texts[self.rank, : len(mine)] = mine.cpu()
        whole = self.sum(texts)
        return [json.loads(bytes(text[:length].tolist())) for text, length in zip(whole, lengths.tolist(), strict=True)]

    def wait(self) -> None:
        """Wait until everybody is here, however long that takes: the first may have much to prepare."""
        if self.size > 1:
            group = _PATIENT[0] if _PATIENT else None
            dist.monitored_barrier(group, timeout=timedelta(seconds=PATIENCE_S))


ALONE = World()
"""A process by itself."""


def find_world(device: torch.device) -> World:
    """Return the world this process was started in by `torchrun`, or by whatever sets its four variables.

    Raises `ValueError` where some of them are there and others are not.
    """
    if device.type == "cuda" and "LOCAL_RANK" in os.environ:
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
    names = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
    given = [name for name in names if name in os.environ]
    if "WORLD_SIZE" not in given or os.environ["WORLD_SIZE"] == "1":
        return World(device=device)
    if missing := sorted({*names} - {*given}):
        raise ValueError(
            f"WORLD_SIZE={os.environ['WORLD_SIZE']} is set and {', '.join(missing)} is not; start with torchrun, "
            "or unset WORLD_SIZE"
        )
    return World(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]), device)


@contextmanager
def joined(world: World, timeout_s: float = TIMEOUT_S) -> Iterator[World]:
    """Join the other processes while the block runs; a step in which one is not heard of for so long raises."""
    if world.size == 1:
        yield world
        return
    timeout = timedelta(seconds=timeout_s)
    backend = "nccl" if world.device.type == "cuda" else "gloo"
    store = fresh_store(world.rank, world.size, timeout)
    dist.init_process_group(backend, store=store, rank=world.rank, world_size=world.size, timeout=timeout)
    try:
        if backend != "gloo":
            _PATIENT.append(dist.new_group(backend="gloo", timeout=timeout))
        yield world
    except RuntimeError as error:
        if not isinstance(error, dist.DistError) and "gloo" not in str(error):
            raise
        raise ConnectionError(
            f"another process of the world of {world.size} was lost, or not heard of for {timeout_s:g} s "
            f"({str(error).splitlines()[0][:200]}); torchrun --max-restarts 3 starts all of them again"
        ) from error
    finally:
        _PATIENT.clear()
        dist.destroy_process_group()


def restarts() -> int:
    """Return how often `torchrun` has started this process again, after one of the world was lost."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))


_PATIENT: list[Any] = []
"""A group that can wait for long, where the one for tensors cannot."""
