"""Candidates: pairs of hashes that differ in few bits, the same ones that comparing each with each gives."""

from __future__ import annotations

import numpy as np
import pytest

from resnets.data.check import candidates
from resnets.data.check.candidates import Passed, close_pairs


def near_each_other(count: int, seed: int = 0) -> np.ndarray:
    """Random hashes, every third one a copy of another with a few bits turned."""
    chance = np.random.default_rng(seed)
    hashes = chance.integers(0, 2**63, count, dtype=np.uint64)
    for place in range(0, count, 3):
        bits = chance.choice(64, chance.integers(0, 7), replace=False).astype(np.uint64)
        hashes[place] = hashes[chance.integers(0, count)] ^ np.bitwise_or.reduce(np.uint64(1) << bits, initial=0)
    return hashes


def each_with_each(hashes: np.ndarray, others: np.ndarray, limit: int) -> set[tuple[int, int]]:
    near = np.bitwise_count(hashes[:, None] ^ others[None]) <= limit
    return {(int(i), int(j)) for i, j in zip(*np.nonzero(near), strict=True) if i < j}


def pairs_of(hashes: np.ndarray, others: np.ndarray, limit: int, whole: int) -> list[tuple[int, int]]:
    found = close_pairs(hashes, others, limit, Passed(), whole=whole)
    return [(int(i), int(j)) for block in found for i, j in block]


@pytest.mark.parametrize("whole", [0, 10_000])
@pytest.mark.parametrize("mirrored", [False, True])
def test_bands_find_the_pairs_that_comparing_each_with_each_finds(whole: int, mirrored: bool) -> None:
    hashes = near_each_other(700)
    others = near_each_other(700, seed=1) if mirrored else hashes
    others[::5] = hashes[::-5][: len(others[::5])]
    limit = 7  # one less than there are bands: none is missed
    found = pairs_of(hashes, others, limit, whole)
    assert len(found) == len(set(found)), "each pair comes once"
    assert set(found) == each_with_each(hashes, others, limit)
    assert len(found) > 50


def test_pieces_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = near_each_other(300)
    wanted = {whole: pairs_of(hashes, hashes, 6, whole) for whole in (0, 1000)}
    monkeypatch.setattr(candidates, "_CHUNK", 7)
    for whole, pairs in wanted.items():
        assert set(pairs_of(hashes, hashes, 6, whole)) == set(pairs)


def test_crowds_are_passed_over_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "MOST_IN_BUCKET", 10)
    passed = Passed()
    hashes = np.zeros(50, np.uint64)
    assert sum(len(block) for block in close_pairs(hashes, hashes, 4, passed, whole=0)) == 0
    assert passed.count == 50


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_have_no_pairs(count: int) -> None:
    hashes = np.zeros(count, np.uint64)
    assert list(close_pairs(hashes, hashes, 4, Passed())) == []
