"""Order: which pictures make which batch, and which of them each process of a run gets.

Everything is a function of (seed, epoch), so any epoch can be replayed from nothing, from any batch on, by any
number of workers and processes, and gives the same batches.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from resnets.data.draws import generator

Indices = npt.NDArray[np.int64]


def epoch_order(count: int, seed: int, epoch: int, shuffle: bool) -> Indices:
    """Return the order in which an epoch visits `count` pictures: (count,) int64."""
    if not shuffle:
        return np.arange(count)
    return generator(seed, epoch, "order").permutation(count)


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


def positions(size: int, rank: int, world: int) -> Indices:
    """Return the positions of a batch of `size` pictures that process `rank` of `world` works on, rising.

    Position p and its partner size - 1 - p, with which it may be mixed, always go to the same process. The
    processes' shares are disjoint, cover the batch and differ by two pictures at most.
    """
    pairs = np.array_split(np.arange(size // 2), world)[rank]  # the last process has the fewest
    middle = [size // 2] if size % 2 and rank == world - 1 else []
    return np.sort(np.concatenate([pairs, size - 1 - pairs, np.array(middle, np.int64)]))
