"""Loader: a source as batches of numbers, epoch after epoch, the same for the same seed."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from resnets.data.augmentation.mix import mix, mixing
from resnets.data.augmentation.rows import Augmentation
from resnets.data.bad import BadPictures
from resnets.data.buffers import Buffers
from resnets.data.errors import DataError
from resnets.data.making import Made, Maker, Order
from resnets.data.memory import in_memory
from resnets.data.order import Indices, batch_sizes, epoch_copies, epoch_order, pictures_by_class, positions
from resnets.data.parts import Part, without_singles
from resnets.data.source import Source
from resnets.data.workers import Kind, check_machine, made
from resnets.files.machine import processors
from resnets.net.normalise import normalise
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


@dataclass(slots=True)
class _Kept:
    """Pictures kept in memory, and how they were made; none, where they are not kept."""

    preprocess: Preprocess | None = None
    pixels: Tensor | None = None


class Loader:
    """Batches of a source.

    `epoch(n)` is a function of (seed, n) alone: neither `workers`, their kind, nor earlier epochs change it, and of
    each batch process `rank` of `world` gets its positions, whatever the world is. Pictures travel as bytes and
    become numbers on `device`.

    A picture that cannot be decoded is left out, never replaced, and named once in `skipped`. When more than
    `bad_limit` of the source is bad, `TooManyBadImages` is raised. One bad picture is always tolerated,
    unless `bad_limit` is 0 or nothing else is left. With `drop_single` no batch of one is made: a single
    picture joins another batch. In a world of several processes every process gets as many batches, and the one
    of a batch may be empty. There no process stops by itself: `leave_out` with what all have found judges for all.

    With `repeats` an epoch has as many places, for fewer pictures, each in so many copies that are augmented
    differently; `balanced` meets every class equally often, those of rare classes in copies (`order.epoch_copies`).

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
        repeats: int = 1,
        balanced: bool = False,
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
        whole = {"batch_size": (batch_size, 1), "seed": (seed, 0), "workers": (workers, 0), "world": (world, 1)}
        for name, (value, least) in {**whole, "repeats": (repeats, 1)}.items():
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
        if (repeats > 1 or balanced) and not shuffle:
            given = f"repeats={repeats}" if repeats > 1 else "balanced=True"
            raise DataError(f"{given} is not possible without shuffle=True: every epoch would meet the same pictures")
        if balanced and source.labels.dtype != np.int64:
            raise DataError(
                "balanced=True is not possible where a picture has several classes or numbers; allowed: one class for "
                "each picture. Weigh the classes in the loss instead"
            )
        self.source = source
        self.augmentation = augmentation
        self.seed = seed
        self.shuffle = shuffle
        self.repeats = repeats
        self.drop_single = drop_single and world == 1
        self.workers = workers
        self.kind = kind
        self.rank = rank
        self.world = world
        self.device = torch.device(device)
        self._original = preprocess
        self._bad = BadPictures(source, bad_limit)
        self._buffers = Buffers()
        self._sizes = batch_sizes(len(source), batch_size, drop_single)
        self._labels = torch.from_numpy(source.labels)
        self._by_class = pictures_by_class(source.labels) if balanced else None
        self._kept = _Kept()
        self._prepare(preprocess)

    def _prepare(self, preprocess: Preprocess) -> None:
        """Make pictures so from now on."""
        self.source.check(preprocess)
        self.preprocess = preprocess
        self._maker = Maker(self.source, preprocess, self.augmentation, self.seed)
        if self.workers and self.kind == "processes":
            height, width = preprocess.size
            number = 4 if self.augmentation is not None and self.augmentation.moves else 1  # bytes: uint8, or float32
            check_machine(self.workers, max(self._sizes) * preprocess.channels * height * width * number)

    def resized(self, size: tuple[int, int]) -> Loader:
        """Return this loader with pictures of (height, width) pixels, with the same margins (`Preprocess.at_size`).

        The same pictures are in the same batches. What is found to be bad is known to both. Of pictures kept in
        memory those of one size are kept, the one that was last asked for.
        """
        if size == self.preprocess.size:
            return self
        other = copy.copy(self)
        other._prepare(self._original.at_size(size))
        return other

    @property
    def skipped(self) -> list[tuple[str, str]]:
        """Return the (name, reason) of every picture that is known to be bad, in the order of the source."""
        return self._bad.named

    @property
    def bad(self) -> dict[int, str]:
        """Return why pictures are bad, by index, for those that are known to be."""
        return dict(sorted(self._bad.reasons.items()))

    def leave_out(self, *found: Mapping[int, str] | Mapping[str, str]) -> None:
        """Know these pictures to be bad too, and judge: a run that goes on, or what every process of a world found.

        Each is a `bad`, or what JSON made of one, whose indices are texts. Raises `TooManyBadImages` where they and
        those known are too many, and `DataError` for a picture that the source does not have.
        """
        for one in found:
            self._bad.add({int(index): reason for index, reason in one.items()})
        self._bad.judge()

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
            parts = without_singles(parts)
        asked = time.perf_counter()
        for part in parts:
            yield self._batch(part, asked)
            asked = time.perf_counter()

    def _parts(self, n: int, start: int) -> Iterator[Part]:
        """Yield the good pictures of each planned batch."""
        order = self._order(n)
        places = [positions(size, self.rank, self.world) for size in self._sizes]
        begins = np.cumsum([0, *self._sizes]).tolist()
        orders = [Order(n, order[begins[k] + places[k]]) for k in range(start, len(self._sizes))]
        crops = self.augmentation is not None and self.augmentation.crop_area is not None
        pixels = None if crops else self._in_memory()
        if pixels is None:
            results = made(self._maker, orders, self.workers, self.kind)
        else:
            results = (self._finished(pixels, order) for order in orders)
        try:
            for k, asked, result in zip(range(start, len(self._sizes)), orders, results, strict=True):
                if result.bad:
                    self._bad.add(dict(result.bad))
                    if self.world == 1:
                        self._bad.judge()
                pictures = result.pictures
                if pictures is None:
                    if self.world == 1:
                        continue
                    pictures = torch.empty(0, self.preprocess.channels, *self.preprocess.size)
                indices = asked.indices[result.places] % len(self.source)
                yield self._part(n, k, pictures, indices, places[k][result.places])
        finally:
            if hasattr(results, "close"):
                results.close()  # an epoch left early ends its workers now, not when it is collected

    def _order(self, n: int) -> Indices:
        count = len(self.source)
        if self.repeats == 1 and self._by_class is None:
            return epoch_order(count, self.seed, n, self.shuffle)
        return epoch_copies(count, self.seed, n, sizes=self._sizes, repeats=self.repeats, by_class=self._by_class)

    def _finished(self, pixels: Tensor, order: Order) -> Made:
        pictures = pixels[order.indices % len(self.source)]
        return Made(self._maker.finish(pictures, order), np.arange(len(order.indices)), ())

    def _part(self, n: int, k: int, pictures: Tensor, indices: Indices, present: Indices) -> Part:
        out = self._buffers.take(tuple(pictures.shape)) if self.device.type == "cpu" else None
        images = normalise(pictures.to(self.device, non_blocking=True), self.preprocess, out)
        chance = None if self.augmentation is None else mixing(self.augmentation, self.seed, n, k)
        if chance is None:
            return Part(images, indices, k + 1)
        images, partners, share = mix(images, torch.from_numpy(present), self._sizes[k], chance)
        return Part(images, indices, k + 1, partners, share)

    def _batch(self, part: Part, asked: float) -> Batch:
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
        kept = self._kept
        if kept.preprocess != self.preprocess:
            kept.preprocess, kept.pixels = None, None  # those of another size go before these come
            kept.pixels = in_memory(self.source, self.preprocess, self.workers)
            kept.preprocess = self.preprocess
        return kept.pixels
