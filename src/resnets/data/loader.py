"""Loader: a source as batches of numbers, epoch after epoch, the same for the same seed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from resnets.data.augmentation.mix import mix, mixing
from resnets.data.augmentation.rows import Augmentation
from resnets.data.buffers import Buffers
from resnets.data.decoding.transform import normalise
from resnets.data.errors import DataError, TooManyBadImages
from resnets.data.making import Made, Maker, Order
from resnets.data.memory import in_memory
from resnets.data.order import Indices, batch_sizes, epoch_order, positions
from resnets.data.source import Source
from resnets.data.workers import Kind, check_machine, made
from resnets.files.machine import processors
from resnets.spec.preprocess import Preprocess


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Batch:
    """What a network is given, and which pictures of the source they are.

    Where pictures were mixed, picture k is `share[k]` of itself and the rest of picture `partners[k]` of the batch.
    """

    images: Tensor  # (N, C, H, W) float32, normalised, on the loader's device
    labels: Tensor  # (N, ...) the source's, on the loader's device
    indices: Tensor  # (N,) int64
    after: int  # batches of the plan that are behind us after this one: `epoch(n, start=after)` goes on from here
    partners: Tensor | None = None  # (N,) int64
    share: Tensor | None = None  # (N,) float32
    waited: float = 0.0  # seconds that whoever asked for this batch waited for it

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True)
class _Part:
    """The good pictures of one planned batch, or of two that were joined."""

    images: Tensor
    indices: Indices
    after: int
    partners: Tensor | None = None
    share: Tensor | None = None


class Loader:
    """Batches of a source.

    `epoch(n)` is a function of (seed, n) alone: neither `workers`, their kind, nor earlier epochs change it, and of
    each batch process `rank` of `world` gets its positions, whatever the world is. Pictures travel as bytes and
    become numbers on `device`.

    A picture that cannot be decoded is left out, never replaced, and named once in `skipped`. When more than
    `bad_limit` of the source is bad, `TooManyBadImages` is raised. One bad picture is always tolerated,
    unless `bad_limit` is 0 or nothing else is left. With `drop_single` no batch of one is made: a single
    picture joins another batch. In a world of several processes every process gets as many batches, and the one
    of a batch may be empty.

    `workers` are made for each epoch: None is one for each processor that this process may use, 0 none.
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
        workers: int | None = None,
        kind: Kind = "threads",
        bad_limit: float = 0.01,
        rank: int = 0,
        world: int = 1,
        device: str | torch.device = "cpu",
    ) -> None:
        if not len(source):
            raise DataError("the source holds no pictures; there is nothing to make batches of")
        workers = processors() if workers is None else workers
        whole = (("batch_size", batch_size, 1), ("seed", seed, 0), ("workers", workers, 0), ("world", world, 1))
        for name, value, least in whole:
            if value < least:
                raise DataError(f"{name}={value} is not possible; allowed: {least} or more")
        if seed >= 2**64:
            raise DataError(f"seed={seed} is not possible; allowed: below 2**64")
        if not 0 <= bad_limit <= 1:
            raise DataError(f"bad_limit={bad_limit} is not possible; allowed: a share from 0 to 1")
        if kind not in ("threads", "processes"):
            raise DataError(f"kind={kind!r} is not possible; allowed: threads, processes")
        if not 0 <= rank < world:
            raise DataError(f"rank={rank} is not possible; allowed: 0 to {world - 1} in a world of {world}")
        source.check(preprocess)
        self.source = source
        self.preprocess = preprocess
        self.augmentation = augmentation
        self.seed = seed
        self.shuffle = shuffle
        self.drop_single = drop_single and world == 1
        self.workers = workers
        self.kind = kind
        self.rank = rank
        self.world = world
        self.device = torch.device(device)
        self.tolerated = max(1, int(bad_limit * len(source))) if bad_limit else 0
        self.skipped: list[tuple[str, str]] = []
        self._buffers = Buffers()
        self._maker = Maker(source, preprocess, augmentation, seed)
        self._sizes = batch_sizes(len(source), batch_size, drop_single)
        self._labels = torch.from_numpy(source.labels)
        self._bad: set[int] = set()
        self._pixels: Tensor | None = None
        self._is_read = False
        if kind == "processes" and workers:
            height, width = preprocess.size
            number = 4 if preprocess.colour == "bands" else 1  # bytes: fine bands travel as float32
            check_machine(workers, max(self._sizes) * preprocess.channels * height * width * number)

    @property
    def batches_per_epoch(self) -> int:
        """Return how many batches an epoch has while no picture is bad."""
        return len(self._sizes)

    def epoch(self, n: int, start: int = 0) -> Iterator[Batch]:
        """Yield the batches of epoch `n`, in order; with `start` those after so many of the plan."""
        if not 0 <= start <= len(self._sizes):
            raise DataError(f"start={start} is not possible; an epoch has {len(self._sizes)} batches")
        parts = self._parts(n, start)
        if self.drop_single:
            parts = _without_singles(parts)
        asked = time.perf_counter()
        for part in parts:
            yield self._batch(part, asked)
            asked = time.perf_counter()

    def _parts(self, n: int, start: int) -> Iterator[_Part]:
        """Yield the good pictures of each planned batch."""
        order = epoch_order(len(self.source), self.seed, n, self.shuffle)
        places = [positions(size, self.rank, self.world) for size in self._sizes]
        begins = np.cumsum([0, *self._sizes]).tolist()
        orders = [Order(n, order[begins[k] + places[k]]) for k in range(start, len(self._sizes))]
        crops = self.augmentation is not None and self.augmentation.crop_area is not None
        pixels = None if crops else self._in_memory()
        if pixels is None:
            results = made(self._maker, orders, self.workers, self.kind)
        else:
            results = (self._kept(pixels, order) for order in orders)
        try:
            for k, asked, result in zip(range(start, len(self._sizes)), orders, results, strict=True):
                for index, reason in result.bad:
                    self._skip(index, reason)
                pictures = result.pictures
                if pictures is None:
                    if self.world == 1:
                        continue
                    pictures = torch.empty(0, self.preprocess.channels, *self.preprocess.size)
                yield self._part(n, k, pictures, asked.indices[result.places], places[k][result.places])
        finally:
            if hasattr(results, "close"):
                results.close()  # an epoch left early ends its workers now, not when it is collected

    def _kept(self, pixels: Tensor, order: Order) -> Made:
        return Made(self._maker.finish(pixels[order.indices], order), np.arange(len(order.indices)), ())

    def _part(self, n: int, k: int, pictures: Tensor, indices: Indices, present: Indices) -> _Part:
        out = self._buffers.take(tuple(pictures.shape)) if self.device.type == "cpu" else None
        images = normalise(pictures.to(self.device, non_blocking=True), self.preprocess, out)
        chance = None if self.augmentation is None else mixing(self.augmentation, self.seed, n, k)
        if chance is None:
            return _Part(images, indices, k + 1)
        images, partners, share = mix(images, torch.from_numpy(present), self._sizes[k], chance)
        return _Part(images, indices, k + 1, partners, share)

    def _batch(self, part: _Part, asked: float) -> Batch:
        indices = torch.from_numpy(part.indices)
        labels = self._labels[indices].to(self.device, non_blocking=True)
        return Batch(
            images=part.images,
            labels=labels,
            indices=indices,
            after=part.after,
            partners=part.partners,
            share=part.share,
            waited=time.perf_counter() - asked,
        )

    def _in_memory(self) -> Tensor | None:
        if not self._is_read:
            self._pixels = in_memory(self.source, self.preprocess, self.workers)
            self._is_read = True
        return self._pixels

    def _skip(self, index: int, reason: str) -> None:
        if index in self._bad:
            return
        self._bad.add(index)
        self.skipped.append((self.source.name(index), reason))
        if len(self._bad) > self.tolerated or len(self._bad) == len(self.source):
            raise TooManyBadImages(self.skipped, self.tolerated, len(self.source))


def _without_singles(parts: Iterator[_Part]) -> Iterator[_Part]:
    """Join a batch that bad pictures have left with one to the next, or the last one to the one before."""
    ready: _Part | None = None
    single: _Part | None = None
    for part in parts:
        whole = part if single is None else _joined(single, part)
        single = None
        if len(whole.indices) == 1:
            single = whole
            continue
        if ready is not None:
            yield ready
        ready = whole
    if single is not None:
        ready = single if ready is None else _joined(ready, single)
    if ready is not None:
        yield ready


def _joined(first: _Part, second: _Part) -> _Part:
    images = torch.cat([first.images, second.images])
    indices = np.concatenate([first.indices, second.indices])
    if first.share is None and second.share is None:
        return _Part(images, indices, second.after)
    (partners, share), (more_partners, more_share) = map(_mixed, (first, second))
    partners = torch.cat([partners, more_partners + len(first.indices)])
    return _Part(images, indices, second.after, partners, torch.cat([share, more_share]))


def _mixed(part: _Part) -> tuple[Tensor, Tensor]:
    """The partners and shares of a part; a part that was not mixed is wholly itself."""
    if part.partners is None or part.share is None:
        count, device = len(part.indices), part.images.device
        return torch.arange(count, device=device), torch.ones(count, device=device)
    return part.partners, part.share
