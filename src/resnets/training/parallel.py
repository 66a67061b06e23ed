"""Parallel: how the network is run where several processes share a batch, or where it is compiled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel

from resnets.net.freeze import at_rest
from resnets.net.world import World
from resnets.training.state import State


def shares(world: World, count: int) -> list[int]:
    """Return how many pictures of a batch each process has, this one `count`."""
    mine = torch.zeros(world.size, dtype=torch.int64)
    mine[world.rank] = count
    numbers: list[int] = world.sum(mine).tolist()
    return numbers


def run_forward(state: State, images: Tensor) -> Tensor:
    """Return the logits of a part of a batch, through whatever the network is wrapped in."""
    return _forward(state)(images)


def _forward(state: State) -> Callable[[Tensor], Tensor]:
    if state.forward is None:
        state.forward = _wrapped(state)
    return state.forward


def _wrapped(state: State) -> Callable[[Tensor], Tensor]:
    forward: Callable[[Tensor], Tensor] = state.network
    if state.recipe.compile:
        forward = torch.compile(state.network)
    if state.world.size == 1:
        return forward
    on = [state.device] if state.device.type == "cuda" else None
    return DistributedDataParallel(forward, device_ids=on)


def sums_gradients(state: State, *, last: bool) -> AbstractContextManager[object]:
    """Return the context of one part of a batch: processes add their gradients up with the last one."""
    forward = _forward(state)  # also of a first step, whose sums would else be added up in another order
    if last or not isinstance(forward, DistributedDataParallel):
        return nullcontext()
    return forward.no_sync()


@contextmanager
def takes_part(state: State, images: Tensor) -> Iterator[tuple[Tensor, bool]]:
    """Yield what this process runs of a part, and whether its loss counts.

    In a world a process may be left with one picture, or with none where pictures are bad. The others wait for its
    gradients all the same. One picture is nothing to a norm, which then uses its running statistics; none is
    replaced by a black picture whose loss counts nothing. Norms that are synchronised see everybody's pictures, and
    wait for this process too.
    """
    if len(images) > 1 or state.world.size == 1 or state.recipe.sync_norms:
        yield images, True
        return
    with at_rest(state.network):
        if len(images):
            yield images, True
        else:
            yield images.new_zeros(1, *images.shape[1:]), False


def share_buffers(state: State) -> None:
    """Give every process the first one's running statistics, by which networks are judged and kept."""
    if state.world.size == 1:
        return
    for module in state.modules.values():
        for buffer in module.buffers():
            dist.broadcast(buffer, 0)
