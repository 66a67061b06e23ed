"""Loader: a source as batches of numbers, epoch after epoch, the same for the same seed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from resnets.data.augment import Augmentation, augment, random_resized_crop
from resnets.data.colour import to_channels
from resnets.data.errors import BadImage, DataError, TooManyBadImages
from resnets.data.memory import in_memory
from resnets.data.order import batch_sizes, epoch_order, generator
from resnets.data.source import Source
from resnets.data.transform import fit, normalise
from resnets.spec.preprocess import Preprocess

PREFETCH = 3
"""Batches that are decoded ahead: enough to hide one slow file, few enough to stay small in memory."""


@dataclass(frozen=True, eq=False, slots=True)
class Batch:
    """What a network is given, and which pictures of the source they are."""

    images: Tensor  # (N, C, H, W) float32, normalised
    labels: Tensor  # (N,) int64
    indices: Tensor  # (N,) int64

    def __len__(self) -> int:
        return len(self.labels)


class Loader:
    """Batches of a source.

    `epoch(n)` is a function of (seed, n) alone: neither `workers` nor earlier epochs change it.

    A picture that cannot be decoded is left out, never replaced, and named once in `skipped`. When more than
    `bad_limit` of the source is bad, `TooManyBadImages` is raised. One bad picture is always tolerated,
    unless `bad_limit` is 0 or nothing else is left. With `drop_single` no batch of one is made: a single
    picture joins another batch.
    """

    def __init__(
        self,
        source: Source,
        preprocess: Preprocess,
        *,
        batch_size: int,
        augmentation: Augmentation | None = None,
        seed: int = 0,
        shuffle: bool = False,
        drop_single: bool = True,
        workers: int = 2,
        bad_limit: float = 0.01,
    ) -> None:
        if not len(source):
            raise DataError("the source holds no pictures; there is nothing to make batches of")
        for name, value, least in (("batch_size", batch_size, 1), ("seed", seed, 0), ("workers", workers, 1)):
            if value < least:
                raise DataError(f"{name}={value} is not possible; allowed: {least} or more")
        if not 0 <= bad_limit <= 1:
            raise DataError(f"bad_limit={bad_limit} is not possible; allowed: a share from 0 to 1")
        self.source = source
        self.preprocess = preprocess
        self.augmentation = augmentation
        self.seed = seed
        self.shuffle = shuffle
        self.drop_single = drop_single
        self.workers = workers
        self.tolerated = max(1, int(bad_limit * len(source))) if bad_limit else 0
        self.skipped: list[tuple[str, str]] = []
        self._sizes = batch_sizes(len(source), batch_size, drop_single)
        self._labels = torch.from_numpy(source.labels)
        self._bad: set[int] = set()
        self._pixels: Tensor | None = None
        self._is_read = False

    @property
    def batches_per_epoch(self) -> int:
        """Return how many batches an epoch has while no picture is bad."""
        return len(self._sizes)

    def epoch(self, n: int) -> Iterator[Batch]:
        """Yield the batches of epoch `n`, in order."""
        order = epoch_order(len(self.source), self.seed, n, self.shuffle)
        plan = torch.split(order, self._sizes)
        crops = self.augmentation is not None and self.augmentation.crop_area is not None
        pixels = None if crops else self._in_memory()
        parts = self._decoded(plan, n) if pixels is None else ((indices, pixels[indices]) for indices in plan)
        for place, (indices, pictures) in enumerate(parts):
            pictures = to_channels(pictures, self.preprocess.channels)
            if self.augmentation is not None:
                pictures = augment(pictures, self.augmentation, generator(self.seed, n, "batch", place))
            yield Batch(normalise(pictures, self.preprocess), self._labels[indices], indices)

    def _in_memory(self) -> Tensor | None:
        if not self._is_read:
            self._pixels = in_memory(self.source, self.preprocess, self.workers)
            self._is_read = True
        return self._pixels

    def _decoded(self, plan: tuple[Tensor, ...], n: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (indices, pictures) of each batch, decoded by threads a few batches ahead."""
        pool = ThreadPoolExecutor(self.workers)
        waiting: deque[tuple[Tensor, list[Future[Tensor | BadImage]]]] = deque()
        try:
            yield from _without_singles(self._gather(pool, waiting, plan, n), self.drop_single)
        finally:
            pool.shutdown(cancel_futures=True)

    def _gather(
        self,
        pool: ThreadPoolExecutor,
        waiting: deque[tuple[Tensor, list[Future[Tensor | BadImage]]]],
        plan: tuple[Tensor, ...],
        n: int,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        ahead = iter(plan)
        for _ in plan:
            while len(waiting) <= PREFETCH and (indices := next(ahead, None)) is not None:
                waiting.append((indices, [pool.submit(self._picture, int(index), n) for index in indices]))
            indices, futures = waiting.popleft()
            results = [future.result() for future in futures]
            good = [k for k, result in enumerate(results) if isinstance(result, Tensor)]
            for index, result in zip(indices.tolist(), results, strict=True):
                if isinstance(result, BadImage):
                    self._skip(index, result)
            if good:
                yield indices[good], torch.stack([result for result in results if isinstance(result, Tensor)])

    def _picture(self, index: int, n: int) -> Tensor | BadImage:
        """Return one picture as (C, H, W) uint8, or why it cannot be."""
        preprocess, row = self.preprocess, self.augmentation
        try:
            image = self.source.image(index, preprocess)
            if row is not None and row.crop_area is not None:
                image = random_resized_crop(image, row, generator(self.seed, n, "picture", index))
                preprocess = replace(preprocess, fit="squash", resize=None)
            return torch.from_numpy(fit(image, preprocess))
        except BadImage as error:
            return error

    def _skip(self, index: int, error: BadImage) -> None:
        if index in self._bad:
            return
        self._bad.add(index)
        self.skipped.append((self.source.name(index), error.reason))
        if len(self._bad) > self.tolerated or len(self._bad) == len(self.source):
            raise TooManyBadImages(self.skipped, self.tolerated, len(self.source))


def _without_singles(parts: Iterator[tuple[Tensor, Tensor]], drop_single: bool) -> Iterator[tuple[Tensor, Tensor]]:
    """Join a batch that bad pictures have left with one to the next, or the last one to the one before."""
    ready: tuple[Tensor, Tensor] | None = None
    single: tuple[Tensor, Tensor] | None = None
    for part in parts:
        whole = part if single is None else _joined(single, part)
        single = None
        if drop_single and len(whole[0]) == 1:
            single = whole
            continue
        if ready is not None:
            yield ready
        ready = whole
    if single is not None:
        ready = single if ready is None else _joined(ready, single)
    if ready is not None:
        yield ready


def _joined(first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    return torch.cat([first[0], second[0]]), torch.cat([first[1], second[1]])
