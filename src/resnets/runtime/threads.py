"""Threads: how many an engine works with, which is never the host's count where a container may use fewer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from resnets.files.machine import processors


def usable_threads(wanted: int | None = None, root: Path = Path("/")) -> int:
    """Return the number of threads wanted; for None as many as this process may keep busy (`machine.processors`).

    That is the smaller of the processors it may run on and what its control group's quota pays for, rounded up: with a
    quota of one and a half, two threads use all of it and one would leave a third. With more threads than the quota
    pays for, all of them stand still for what is left of each period, and the slowest is waited for. A number wanted
    is obeyed even so. `root` is where the files of the kernel begin. Raises `ValueError` for less than one.
    """
    if wanted is None:
        return processors(root)
    if wanted < 1:
        raise ValueError(f"threads={wanted} is not possible; allowed: 1 or more, or None for all of this process's")
    return wanted


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let torch work with so many threads while the block runs, and then with as many as before.

    torch has one such number for the process, and an engine must not change it for others. To set it costs less than
    a microsecond.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
