"""Order: which pictures make which batch, and where each draw of chance comes from.

Everything is a function of (seed, epoch), so any epoch can be replayed from nothing, by any number of
workers, and gives the same batches.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch

Purpose = Literal["order", "batch", "picture"]
_PURPOSES: tuple[Purpose, ...] = ("order", "batch", "picture")


def generator(seed: int, epoch: int, purpose: Purpose, place: int = 0) -> torch.Generator:
    """Return a fresh generator for one purpose: an epoch's order, its batch `place`, or its picture `place`.

    The numbers are mixed, not added: seed 1 in epoch 2 shares nothing with seed 2 in epoch 1.
    """
    mixed = np.random.SeedSequence((seed, epoch, _PURPOSES.index(purpose), place))
    return torch.Generator().manual_seed(int(mixed.generate_state(1, np.uint64)[0]))


def epoch_order(count: int, seed: int, epoch: int, shuffle: bool) -> torch.Tensor:
    """Return the order in which an epoch visits `count` pictures: (count,) int64."""
    if not shuffle:
        return torch.arange(count)
    return torch.randperm(count, generator=generator(seed, epoch, "order"))


def batch_sizes(count: int, batch_size: int, drop_single: bool) -> list[int]:
    """Return how many pictures each batch of an epoch has.

    With `drop_single` a last batch of one joins the one before: BatchNorm cannot train on one value a
    channel, and dropping a picture would be a silent loss.
    """
    sizes = [batch_size] * (count // batch_size)
    if rest := count % batch_size:
        sizes.append(rest)
    if drop_single and len(sizes) > 1 and sizes[-1] == 1:
        sizes[-2:] = [sizes[-2] + 1]
    return sizes
