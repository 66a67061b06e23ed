"""Making: some pictures of a source as one tensor, as the loader's workers do it.

What is made depends on the seed, the epoch and the pictures that are asked for; not on who makes it, or when.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from resnets.data.augmentation.augment import augment
from resnets.data.augmentation.crop import crop_box
from resnets.data.augmentation.rows import Augmentation
from resnets.data.decoding.colour import to_channels
from resnets.data.decoding.picture import pixels
from resnets.data.draws import generator
from resnets.data.errors import BadImage
from resnets.data.order import Indices
from resnets.data.source import Source
from resnets.spec.preprocess import Preprocess


@dataclass(frozen=True, slots=True)
class Order:
    """An order for a worker: these pictures of the source, as they are in this epoch.

    An index from the source's length on is a further copy of a picture (`data.order`): its chance is its own.
    """

    epoch: int
    indices: Indices  # (N,)


@dataclass(frozen=True, slots=True)
class Made:
    """What came of an order: the pictures that are good, where in the order they stood, and why others are not."""

    pictures: Tensor | None  # (good, C, H, W) uint8 or float32, in [0, 255]; None where none is good
    places: npt.NDArray[np.int64]  # (good,), rising
    bad: tuple[tuple[int, str], ...]  # (picture of the source, reason)


@dataclass(frozen=True, slots=True)
class Maker:
    """Reads, decodes, crops and augments."""

    source: Source
    preprocess: Preprocess
    augmentation: Augmentation | None
    seed: int

    def make(self, order: Order) -> Made:
        """Return the pictures of an order."""
        good: list[npt.NDArray[np.generic]] = []
        places: list[int] = []
        bad: list[tuple[int, str]] = []
        for place, index in enumerate(order.indices.tolist()):
            try:
                good.append(self._pixels(index, order.epoch))
                places.append(place)
            except BadImage as error:
                bad.append((index % len(self.source), error.reason))
        if not good:
            return Made(None, np.array(places, np.int64), tuple(bad))
        kept = np.array(places, np.int64)
        pictures = self.finish(torch.from_numpy(np.stack(good)), Order(order.epoch, order.indices[kept]))
        return Made(pictures, kept, tuple(bad))

    def finish(self, pictures: Tensor, order: Order) -> Tensor:
        """Return pictures of the network's size in its channels, augmented as the order's."""
        pictures = to_channels(pictures, self.preprocess.channels)
        if self.augmentation is None:
            return pictures
        return augment(
            pictures, self.augmentation, self.preprocess, seed=self.seed, epoch=order.epoch, indices=order.indices
        )

    def _pixels(self, index: int, epoch: int) -> npt.NDArray[np.generic]:
        row = self.augmentation
        crop = None
        if row is not None and row.crop_area is not None:
            crop = partial(crop_box, row=row, draw=generator(self.seed, epoch, "crop", index))
        return pixels(self.source.raw(index % len(self.source)), self.preprocess, crop)

    # What a DataLoader asks of a data set, whose indices are our orders.

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, order: Order) -> Made:
        return self.make(order)
