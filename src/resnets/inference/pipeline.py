"""Pipeline: files to what an engine says of them; threads decode ahead of it, and the order is kept."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from resnets.data.decoding.picture import file_pixels
from resnets.data.errors import BadImage
from resnets.files.machine import processors
from resnets.runtime.engine import Engine, Outputs
from resnets.spec.preprocess import Preprocess

Pixels = npt.NDArray[Any]
"""(C, H, W) of the network's size, uint8, or float32 in [0, 255] for fine bands."""

AHEAD = 2
"""Batches that are decoded, or being decoded, while the engine has others."""

MOST_WAITING = 64
"""Batches that wait for their turn to be handed over; more than this are only ever those without a good picture."""


@dataclass(frozen=True, slots=True, eq=False)
class Answered:
    """What an engine says of one batch: some pictures of the list that stand one after the other."""

    paths: tuple[str, ...]
    errors: Mapping[int, str]  # place in `paths` -> why that picture cannot be read
    outputs: Outputs | None  # a row for each of the others, in their order; None where there are none


def answered(
    paths: Iterable[str | Path],
    engine: Engine,
    preprocess: Preprocess,
    *,
    batch_size: int = 32,
    workers: int | None = None,
    at_once: bool = True,
) -> Iterator[Answered]:
    """Yield what the engine says of each `batch_size` pictures, in order.

    A batch is so many paths of the list, whether or not they can be read: which pictures share a batch depends on
    the list alone. `workers` threads decode (None: one for each processor); at most `AHEAD` batches are decoded
    ahead, so memory does not grow with the list. With 0 workers nothing is, and with `at_once=False` nothing before
    the first batch has been handed over: for lists whose paths come one by one.

    Threads end when this does, however it ends. Raises `ValueError` for numbers below what is possible, and
    whatever the list or the engine raises.
    """
    workers = processors() if workers is None else workers
    for name, number, least in (("batch_size", batch_size, 1), ("workers", workers, 0)):
        if number < least:
            raise ValueError(f"{name}={number} is not possible; allowed: {least} or more")
    return _answered(_Decoder(paths, preprocess, workers, batch_size, at_once), engine, batch_size)


def _answered(decoder: _Decoder, engine: Engine, batch_size: int) -> Iterator[Answered]:
    waiting: deque[_Waiting] = deque()
    try:
        while not decoder.is_done:
            batches = _batches(decoder, batch_size, waiting)
            results = engine.stream(batches)
            try:
                for outputs in results:
                    while not waiting[0].is_sent:
                        yield waiting.popleft().with_outputs(None)
                    yield waiting.popleft().with_outputs(outputs)
            finally:
                for each in (results, batches):  # an engine's threads, too, end now and not when they are collected
                    if hasattr(each, "close"):
                        each.close()
            while waiting:
                assert not waiting[0].is_sent, f"engine {engine.name} gave fewer answers than it was given batches"
                yield waiting.popleft().with_outputs(None)
    finally:
        decoder.close()


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """A batch that has been decoded, and waits for the engine's answer, or for those before it."""

    paths: tuple[str, ...]
    errors: Mapping[int, str]

    @property
    def is_sent(self) -> bool:
        """Say whether the engine was given any of it."""
        return len(self.errors) < len(self.paths)

    def with_outputs(self, outputs: Outputs | None) -> Answered:
        return Answered(self.paths, self.errors, outputs)


def _batches(decoder: _Decoder, size: int, waiting: deque[_Waiting]) -> Iterator[npt.NDArray[Any]]:
    """Yield the good pictures of each batch; stop early where nothing but bad ones is waiting to be handed over."""
    while taken := decoder.take(size):
        good = [pixels for _, pixels in taken if isinstance(pixels, np.ndarray)]
        errors = {place: bad.reason for place, (_, bad) in enumerate(taken) if isinstance(bad, BadImage)}
        waiting.append(_Waiting(tuple(path for path, _ in taken), errors))
        del taken
        if good:
            yield np.stack(good)
        elif len(waiting) >= MOST_WAITING:
            return


class _Decoder:
    """Reads pictures in the order of a list, some of them before they are asked for."""

    def __init__(
        self, paths: Iterable[str | Path], preprocess: Preprocess, workers: int, batch_size: int, at_once: bool
    ) -> None:
        self.is_done = False
        self._paths = iter(paths)
        self._read: Callable[[str], Pixels | BadImage] = partial(_read, preprocess=preprocess)
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="resnets-decode") if workers else None
        self._begun: deque[tuple[str, Future[Pixels | BadImage]]] = deque()
        self._ahead = AHEAD * max(batch_size, workers)
        self._is_first = not at_once

    def take(self, count: int) -> list[tuple[str, Pixels | BadImage]]:
        """Return the next `count` paths and pictures; fewer at the end of the list, then none."""
        if self._pool is None:
            taken = [(str(path), self._read(str(path))) for path in islice(self._paths, count)]
        else:
            taken = []
            ahead, self._is_first = 0 if self._is_first else self._ahead, False
            while len(taken) < count:
                self._begin(count - len(taken) + ahead)
                if not self._begun:
                    break
                path, future = self._begun.popleft()
                taken.append((path, future.result()))
        self.is_done = len(taken) < count
        return taken

    def _begin(self, count: int) -> None:
        """Let so many pictures be under way, if there are as many."""
        assert self._pool is not None
        for path in islice(self._paths, max(0, count - len(self._begun))):
            self._begun.append((str(path), self._pool.submit(self._read, str(path))))

    def close(self) -> None:
        """End the threads; what they have begun is finished, and what waits is not."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


def _read(path: str, preprocess: Preprocess) -> Pixels | BadImage:
    try:
        return file_pixels(path, preprocess)
    except BadImage as error:
        return BadImage(error.name, error.reason)  # without the traceback, which holds the picture's bytes
