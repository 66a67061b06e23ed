"""Memory: a batch in parts, and a step that ran out of memory taken again in more of them."""

from __future__ import annotations

import gc
from itertools import pairwise

import torch

from resnets.training.state import State

OUT_OF_MEMORY = (torch.OutOfMemoryError, MemoryError, RuntimeError)
"""What a device, Python or torch's allocator on a CPU raises; of the last, see `_is_memory`."""


class OutOfMemory(MemoryError):
    """A step does not fit, however small its parts."""


def parts(count: int, accumulate: int, fewest: int | None = None) -> list[tuple[int, int]]:
    """Return the (start, stop) of each part of a batch; parts differ by a picture, and none is a single picture.

    Of several processes, that with the `fewest` pictures decides how many parts all have: norms that are synchronised
    meet in each.
    """
    number = max(min(accumulate, (count if fewest is None else fewest) // 2), 1)
    edges = [count * k // number for k in range(number + 1)]
    return list(pairwise(edges))


def in_smaller_parts(state: State, count: int, error: BaseException) -> None:
    """Make ready to take a step of `count` pictures again in twice as many parts; raise where that cannot help.

    Raises `error` itself where it is about anything but memory, and `OutOfMemory` where parts cannot be smaller, or in
    a world of several processes, which could not agree on it in the middle of a step.
    """
    if not _is_memory(error):
        raise error
    state.optimizer.zero_grad()
    needed = state.progress.accumulate * 2
    if state.world.size > 1 or needed > count // 2:
        what = f"a step of {count} pictures in parts of {count // state.progress.accumulate} does not fit into memory"
        first = f"--set accumulate={needed}, " if needed <= count // 2 else ""
        raise OutOfMemory(f"{what}; try {first}a smaller --size or --batch-size, or --set recompute=true") from error
    state.progress.accumulate = needed
    gc.collect()
    if state.device.type == "cuda":
        torch.cuda.empty_cache()


def _is_memory(error: BaseException) -> bool:
    words = ("out of memory", "can't allocate memory", "not enough memory")
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(word in str(error).lower() for word in words)
