"""Workers: orders made ahead of time, by threads or by processes, and handed over in order.

Threads share everything and start at once; decoding and resizing leave Python's lock while they work. Processes
have a lock each, and cost a start and a copy of the result through shared memory.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Literal, cast

import torch

from resnets.data.errors import DataError
from resnets.data.making import Made, Maker, Order
from resnets.files import machine

if TYPE_CHECKING:
    from torch.utils.data import Dataset

Kind = Literal["threads", "processes"]

AHEAD = 2
"""Orders that each worker is given ahead: enough to hide one slow file, few enough to stay small in memory."""

_SPARE_FILES = 64  # that the rest of a process has open


def made(maker: Maker, orders: Sequence[Order], workers: int, kind: Kind) -> Iterator[Made]:
    """Yield what comes of each order, in order; with no workers it is made when it is asked for."""
    if not workers:
        return map(maker.make, orders)
    return _by_threads(maker, orders, workers) if kind == "threads" else _by_processes(maker, orders, workers)


def check_machine(workers: int, batch_bytes: int) -> None:
    """Raise `DataError` where this machine has too little for so many processes, before they fail half-way.

    `batch_bytes` is the size of one batch of pictures, uint8.
    """
    under_way = (workers * AHEAD + 1) * batch_bytes
    free = machine.shared_memory()
    if free is not None and free < under_way:
        raise DataError(
            f"{workers} processes hand batches over in /dev/shm: {under_way / 2**20:,.0f} MiB at a time, and "
            f"{free / 2**20:,.0f} MiB are free. Give the container more (docker run --shm-size=2g; in Kubernetes an "
            "emptyDir of medium Memory at /dev/shm), or work with --worker-kind threads"
        )
    files, needed = machine.open_files(), workers * (AHEAD + 6) + _SPARE_FILES
    if files is not None and files < needed:
        raise DataError(
            f"{workers} processes need about {needed} open files, and this shell allows {files}; raise the limit "
            "with ulimit -n 4096, or work with --worker-kind threads"
        )


def _by_threads(maker: Maker, orders: Sequence[Order], workers: int) -> Iterator[Made]:
    pool = ThreadPoolExecutor(workers, thread_name_prefix="resnets-data")
    waiting: deque[Future[Made]] = deque()
    ahead = iter(orders)
    try:
        for _ in orders:
            while len(waiting) < workers * AHEAD and (order := next(ahead, None)) is not None:
                waiting.append(pool.submit(maker.make, order))
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _by_processes(maker: Maker, orders: Sequence[Order], workers: int) -> Iterator[Made]:
    """Torch's own loader of data runs the processes: it notices one that died, and ends them all."""
    from torch.utils.data import DataLoader

    with warnings.catch_warnings(action="ignore", category=UserWarning):  # of more workers than processors
        loader: DataLoader[Made] = DataLoader(
            cast("Dataset[Made]", maker),
            sampler=orders,
            batch_size=None,  # an order is a batch already
            collate_fn=_as_it_is,
            num_workers=workers,
            prefetch_factor=AHEAD,
            multiprocessing_context=_context(),
            worker_init_fn=_end_with_parent,
            generator=torch.Generator(),  # its seeds are nothing to us, and torch's own numbers are the caller's
        )
        batches = iter(loader)
    try:
        yield from batches
    except RuntimeError as error:
        if not any(end in str(error) for end in ("killed by signal", "exited unexpectedly")):
            raise
        raise RuntimeError(
            f"{str(error).strip()}. A worker that is killed has usually met a memory limit: use fewer --workers, a "
            "smaller --batch-size, or --worker-kind threads"
        ) from error


def _context() -> multiprocessing.context.BaseContext:
    """Processes that begin as copies of one that has imported us: no thread of ours is copied half-way."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["resnets.data.making"])
    return context


def _end_with_parent(_: int) -> None:
    """Let this worker end when the process that it works for is gone.

    Torch's own watch looks at the server of forks, which itself waits for its workers: both would outlive a kill.
    """
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _as_it_is(made: Any) -> Any:
    return made
