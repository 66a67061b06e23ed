"""Order: which pictures make which batch, and which of them each process of a run gets.

Everything is a function of (seed, epoch), so any epoch can be replayed from nothing, from any batch on, by any
number of workers and processes, and gives the same batches.

An epoch may meet a picture more than once. Its copies have numbers of their own: `v` from 0 on is picture
`v % count`, its copy number `v // count`. A picture that is met once is copy 0, whose number is the picture's own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from resnets.data.draws import generator

Indices = npt.NDArray[np.int64]


def epoch_order(count: int, seed: int, epoch: int, shuffle: bool) -> Indices:
    """Return the order in which an epoch visits `count` pictures: (count,) int64."""
    if not shuffle:
        return np.arange(count)
    return generator(seed, epoch, "order").permutation(count)


def epoch_copies(
    count: int,
    seed: int,
    epoch: int,
    *,
    sizes: Sequence[int],
    repeats: int = 1,
    by_class: Sequence[Indices] | None = None,
) -> Indices:
    """Return the copies of pictures that an epoch of batches of `sizes` visits, in order: (count,) int64.

    The epoch has as many places as there are pictures. With `repeats` it visits ceil(count / repeats) different
    pictures so many times (Hoffer et al. 2019, arXiv:1901.09335; Berman et al. 2019, arXiv:1902.05509). A picture's
    copies are in one batch, or in two neighbours where a batch ends between them, as in torchvision's RASampler on one
    process. Within a batch the first copies of all come before the second ones, so that several processes have few
    pictures twice, as RASampler sees to on several.

    With `by_class`, the pictures of each class, every class is met equally often. Places are dealt to the classes in
    turn from epoch to epoch, and each class goes through its pictures in an order drawn anew for every pass, so that
    over the epochs no picture of a class is more than one pass ahead of another.
    """
    places = -(-count // repeats)
    if by_class is None:
        picked = epoch_order(count, seed, epoch, True)[:places]
    else:
        picked = _balanced(by_class, seed, epoch, places)
    pictures = np.repeat(picked, repeats)[:count]
    batches = np.repeat(np.arange(len(sizes)), sizes)
    pictures = pictures[np.lexsort((np.arange(count) % repeats, batches))]
    return pictures + count * _met_before(pictures)


def pictures_by_class(labels: npt.NDArray[np.int64]) -> list[Indices]:
    """Return the pictures of each class that has any, rising."""
    by_label = np.argsort(labels, kind="stable")
    borders = np.flatnonzero(np.diff(labels[by_label])) + 1
    return np.split(by_label, borders)


def _balanced(by_class: Sequence[Indices], seed: int, epoch: int, places: int) -> Indices:
    """The pictures of an epoch in which class k has every `len(by_class)`-th of all places there ever are."""
    classes = len(by_class)
    begin, end = epoch * places, (epoch + 1) * places
    picked = [
        _in_turn(pictures, seed, k, -((k - begin) // classes), -((k - end) // classes))
        for k, pictures in enumerate(by_class)
    ]
    return np.concatenate(picked)[generator(seed, epoch, "order").permutation(places)]


def _in_turn(pictures: Indices, seed: int, k: int, start: int, stop: int) -> Indices:
    """Places `start` to `stop` of the endless sequence in which class k goes through its pictures, pass after pass."""
    passes = range(start // len(pictures), -(-stop // len(pictures)))
    # Index 0 of this chance is the order of an epoch; 1 + k is that of a class in a pass.
    orders = [generator(seed, number, "order", 1 + k).permutation(pictures) for number in passes]
    skipped = passes.start * len(pictures)
    return np.concatenate([pictures[:0], *orders])[start - skipped : stop - skipped]


def _met_before(pictures: Indices) -> Indices:
    """How often each of these was met among those before it."""
    by_picture = np.argsort(pictures, kind="stable")
    begins = np.flatnonzero(np.diff(pictures[by_picture], prepend=-1))
    before = np.empty_like(pictures)
    before[by_picture] = np.arange(len(pictures)) - np.repeat(begins, np.diff(begins, append=len(pictures)))
    return before


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
