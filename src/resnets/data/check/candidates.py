"""Candidates: pairs of 64-bit hashes that differ in few bits, without comparing a million with a million.

Small sets are compared whole. Larger ones by multi-index hashing (M. Norouzi, A. Punjani, D. Fleet, "Fast Exact
Search in Hamming Space with Multi-Index Hashing", 2014): two hashes that differ in few bits are equal in one of
a few bands of bits, so only those that share a band are compared.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Pairs = npt.NDArray[np.int64]
"""(M, 2): two places in an array of hashes, the smaller first."""

Bands = list[tuple[int, int]]
"""First bit of each, and the bit after its last."""

WHOLE = 20_000
"""Up to this many hashes, each is compared with each: 200 million comparisons, some seconds."""

BANDS: tuple[tuple[int, int], ...] = ((100_000, 8), (400_000, 6))
FEWEST_BANDS = 5
"""Up to how many hashes are cut into how many bands of bits; beyond, five. Pairs that differ in fewer bits than
there are bands are always found; of those that differ in ten bits, about nine in ten with eight bands."""

MOST_IN_BUCKET = 20_000
"""Hashes that share a band; more are passed over in that band, and counted."""

_CHUNK = 1 << 22  # comparisons at a time: 32 MB


@dataclass(slots=True)
class Passed:
    """How many hashes were passed over, because more than `MOST_IN_BUCKET` shared a band."""

    count: int = 0


def close_pairs(hashes: Hashes, others: Hashes, limit: int, passed: Passed, whole: int = WHOLE) -> Iterator[Pairs]:
    """Yield pairs i < j for which `hashes[i]` and `others[j]` differ in at most `limit` bits, some at a time.

    (N,) and (N,) uint64; pass the same array twice for a set's own pairs, or the hashes of the mirror images
    as `others`. Each pair comes once. Up to `whole` hashes every pair is found; see `BANDS` for more.
    """
    if len(hashes) < 2:
        return
    if len(hashes) <= whole:
        yield from _compare_all(hashes, others, limit)
        return
    count = next((bands for most, bands in BANDS if len(hashes) <= most), FEWEST_BANDS)
    edges = [round(64 * number / count) for number in range(count + 1)]
    bands = list(itertools.pairwise(edges))
    for number in range(count):
        yield from _compare_band(hashes, others, limit, bands[: number + 1], passed)


def _compare_all(hashes: Hashes, others: Hashes, limit: int) -> Iterator[Pairs]:
    step = max(1, _CHUNK // len(hashes))
    for start in range(0, len(hashes), step):
        block = hashes[start : start + step]
        near = np.bitwise_count(block[:, None] ^ others[None, start + 1 :]) <= limit
        first, second = np.nonzero(near)
        pairs = np.stack([first + start, second + start + 1], axis=1)
        yield pairs[pairs[:, 0] < pairs[:, 1]]


def _compare_band(hashes: Hashes, others: Hashes, limit: int, bands: Bands, passed: Passed) -> Iterator[Pairs]:
    """Yield the close pairs that share the last of the bands and none before it."""
    keys, other_keys = _key(hashes, bands[-1]), _key(others, bands[-1])
    order = np.argsort(other_keys, kind="stable")  # equal keys stay in the order of their places
    ordered = other_keys[order]
    starts, ends = np.searchsorted(ordered, keys, "left"), np.searchsorted(ordered, keys, "right")
    crowded = ends - starts > MOST_IN_BUCKET
    passed.count = max(passed.count, int(crowded.sum()))
    lengths = np.where(crowded, 0, ends - starts)
    total = np.cumsum(lengths)
    place = 0
    while place < len(keys):
        before = total[place - 1] if place else 0
        stop = max(place + 1, int(np.searchsorted(total, before + _CHUNK, "right")))
        some = lengths[place:stop]
        first = np.repeat(np.arange(place, stop), some)
        offsets = np.arange(len(first)) - np.repeat(np.cumsum(some) - some, some)
        second = order[np.repeat(starts[place:stop], some) + offsets]
        place = stop
        rising = first < second
        first, second = first[rising], second[rising]
        differing = hashes[first] ^ others[second]
        near = np.bitwise_count(differing) <= limit
        for earlier in bands[:-1]:  # a pair that shares an earlier band was found there
            near &= _key(differing, earlier) != 0
        yield np.stack([first[near], second[near]], axis=1)


def _key(hashes: Hashes, band: tuple[int, int]) -> Hashes:
    start, end = band
    return (hashes >> np.uint64(start)) & np.uint64((1 << (end - start)) - 1)
