"""Joined: several sources are one, and each picture is the one it was."""

from __future__ import annotations

import numpy as np
import pytest

from resnets.data.errors import DataError
from resnets.data.joined import JoinedSource
from resnets.data.source import ArraySource
from resnets.spec.preprocess import Preprocess


def part(name: str, count: int, first: int, groups: bool = False, channels: int = 1) -> ArraySource:
    values = np.arange(first, first + count, dtype=np.uint8)
    pixels = np.broadcast_to(values[:, None, None, None], (count, 4, 4, channels)).copy()
    return ArraySource(pixels, values.astype(np.int64), name, groups=values.astype(np.int64) if groups else None)


JOINED = JoinedSource.of([part("test", 3, 10, groups=True), part("train", 4, 20, groups=True)])


def seen(source: JoinedSource) -> list[tuple[str, int, int]]:
    rows = range(len(source))
    return [(source.name(row), int(np.asarray(source.raw(row)).flat[0]), int(source.labels[row])) for row in rows]


WHOLE = [(f"test[{k}]", 10 + k, 10 + k) for k in range(3)] + [(f"train[{k}]", 20 + k, 20 + k) for k in range(4)]


def test_pictures_keep_their_names_pixels_and_labels() -> None:
    assert seen(JOINED) == WHOLE
    assert JOINED.groups is not None and JOINED.groups.tolist() == JOINED.labels.tolist()
    assert (JOINED.size, JOINED.channels) == ((4, 4), 1)
    with pytest.raises(IndexError):
        JOINED.raw(7)


@pytest.mark.parametrize("places", [[0, 2, 3, 6], [6, 0, 3], [1], [4, 4, 0], [], [0, 1], [5, 6]])
def test_any_of_them_are_taken_in_any_order(places: list[int]) -> None:
    taken = JOINED.take(np.array(places, np.int64))
    assert isinstance(taken, JoinedSource)
    assert seen(taken) == [WHOLE[place] for place in places]


def test_groups_are_known_where_every_part_has_them() -> None:
    assert JoinedSource.of([part("test", 2, 0, groups=True), part("train", 2, 5)]).groups is None


def test_each_part_is_checked() -> None:
    joined = JoinedSource.of([part("test", 2, 0), part("train", 2, 5, channels=4)])
    with pytest.raises(DataError, match="train: the pictures have 4 channels"):
        joined.check(Preprocess())
    assert joined.channels == 4
