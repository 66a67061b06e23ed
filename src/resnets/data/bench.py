"""Bench: how many pictures a second each step from disk to device makes, on this machine and these pictures."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import cycle, islice
from statistics import median
from typing import Any

import numpy as np
import torch

from resnets.data.augmentation.augment import augment
from resnets.data.augmentation.rows import Augmentation
from resnets.data.decoding.picture import pixels
from resnets.data.errors import BadImage, DataError
from resnets.data.loader import Loader
from resnets.data.making import Maker, Order
from resnets.data.source import Raw, Source
from resnets.data.workers import Kind
from resnets.files.machine import processors
from resnets.net.normalise import normalise
from resnets.spec.preprocess import Preprocess

TRIES = 3
"""Times that each step is timed; the middle one counts."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Images a second of one step, done by so many workers; the lowest and highest of all tries."""

    step: str
    workers: int
    rate: float
    lowest: float
    highest: float

    def to_dict(self) -> dict[str, Any]:
        """Return the step and its figures as JSON-able values."""
        return {
            "step": self.step,
            "workers": self.workers,
            "images_per_second": self.rate,
            "lowest": self.lowest,
            "highest": self.highest,
        }


def bench(
    source: Source,
    preprocess: Preprocess,
    augmentation: Augmentation | None,
    *,
    batch_size: int = 64,
    workers: int | None = None,
    device: str | torch.device = "cpu",
    pictures: int = 256,
) -> Iterator[Rate]:
    """Yield the rate of each step as it has been measured: one worker for the steps alone, then all together.

    At most `pictures` of the source are looked at, evenly spaced; they are read once before the clock starts, so
    "disk" is the disk only the first time and the system's memory of it after that. A picture that cannot be
    decoded is left out. Raises `DataError` where none is left.
    """
    count = min(len(source), pictures)
    some = source.take(np.unique(np.linspace(0, len(source) - 1, count).round().astype(np.int64)))
    first = time.perf_counter()
    raws, good = _read(some, preprocess)
    if not raws:
        raise DataError(f"none of {count} pictures can be decoded; resnets check says what is wrong with them")
    yield Rate("first reading, with exact decoding", 1, *[len(raws) / (time.perf_counter() - first)] * 3)
    some = some.take(np.array(good))
    indices = np.arange(len(some))
    policies = [replace(preprocess, decoding="exact"), replace(preprocess, decoding="fast")]
    target = torch.device(device)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # one worker's work
    try:
        yield _rate("disk", len(some), lambda: [some.raw(int(k)) for k in indices])
        for policy in policies:
            yield _rate(f"decode, {policy.decoding}", len(some), partial(_pixels, raws, policy))
        batch = torch.from_numpy(np.stack([pixels(raw, preprocess) for raw in islice(cycle(raws), batch_size)]))
        if augmentation is not None:
            places = np.arange(batch_size)
            yield _rate(
                "augment",
                batch_size,
                partial(augment, batch, augmentation, preprocess, seed=0, epoch=0, indices=places),
            )
            for policy in policies:
                maker = Maker(some, policy, augmentation, 0)
                step = f"crop, decode and augment, {policy.decoding}"
                yield _rate(step, len(some), partial(maker.make, Order(0, indices)))
    finally:
        torch.set_num_threads(threads)
    yield _rate("transfer and normalise", batch_size, lambda: _wait(normalise(batch.to(target), preprocess)))
    kinds: tuple[Kind, ...] = ("threads", "processes")
    for kind in kinds:
        yield _together(some, preprocess, augmentation, batch_size, workers or processors(), kind, target)


def _together(
    source: Source,
    preprocess: Preprocess,
    augmentation: Augmentation | None,
    batch_size: int,
    workers: int,
    kind: Kind,
    device: torch.device,
) -> Rate:
    """The whole loader over several passes, from its first batch on: a start of processes is not a rate."""
    batch_size = max(1, min(batch_size, len(source) // (2 * workers)))
    repeated = source.take(np.tile(np.arange(len(source)), max(TRIES, 1 + 512 // len(source))))
    loader = Loader(
        repeated,
        preprocess,
        batch_size=batch_size,
        augmentation=augmentation,
        workers=workers,
        kind=kind,
        drop_single=False,
        device=device,
    )
    rates, epoch = [], loader.epoch(0)
    next(epoch)
    per_try = max(1, (loader.batches_per_epoch - 1) // TRIES)
    for _ in range(TRIES):
        start = time.perf_counter()
        done = sum(len(batch) for batch in islice(epoch, per_try))
        rates.append(done / (time.perf_counter() - start))
    epoch.close()  # type: ignore[attr-defined]
    return Rate(f"all together, {kind}", workers, median(rates), min(rates), max(rates))


def _rate(step: str, count: int, work: Callable[[], object]) -> Rate:
    work()
    rates = []
    for _ in range(TRIES):
        start = time.perf_counter()
        work()
        rates.append(count / (time.perf_counter() - start))
    return Rate(step, 1, median(rates), min(rates), max(rates))


def _pixels(raws: list[Raw], preprocess: Preprocess) -> None:
    for raw in raws:
        pixels(raw, preprocess)


def _read(source: Source, preprocess: Preprocess) -> tuple[list[Raw], list[int]]:
    raws, good = [], []
    for index in range(len(source)):
        try:
            raw = source.raw(index)
            pixels(raw, preprocess)
        except BadImage:
            continue
        raws.append(raw)
        good.append(index)
    return raws, good


def _wait(tensor: torch.Tensor) -> None:
    """Until the device has done what it was asked for."""
    if tensor.device.type == "cuda":
        torch.cuda.synchronize(tensor.device)
