"""Order: which copies of which pictures an epoch meets, evenly over classes, pictures and processes."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from resnets.data.order import batch_sizes, epoch_copies, epoch_order, pictures_by_class, positions


def copies(count: int, epoch: int = 0, *, batch: int = 12, seed: int = 5, **how: int) -> np.ndarray:
    return epoch_copies(count, seed, epoch, sizes=batch_sizes(count, batch, True), **how)


@pytest.mark.parametrize(("count", "repeats"), [(60, 3), (61, 3), (62, 3), (10, 4), (7, 9), (1, 2), (40, 2)])
def test_an_epoch_has_as_many_places_and_a_repeats_th_of_the_pictures(count: int, repeats: int) -> None:
    found = copies(count, repeats=repeats)
    pictures, met = found % count, Counter((found % count).tolist())
    assert len(found) == len(set(found.tolist())) == count  # no copy twice
    first = epoch_order(count, 5, 0, True)[: -(-count // repeats)]
    assert set(met) == {*first.tolist()}
    assert sorted(met.values())[1:] == [repeats] * (len(met) - 1)  # the last picture has what is left
    for picture in met:
        assert sorted(found[pictures == picture] // count) == list(range(met[picture]))


def test_one_copy_of_each_is_the_order_of_an_epoch_itself() -> None:
    assert copies(50).tolist() == epoch_order(50, 5, 0, True).tolist()


def test_orders_differ_from_epoch_to_epoch_and_from_seed_to_seed() -> None:
    assert copies(60, repeats=3).tolist() == copies(60, repeats=3).tolist()
    others = [copies(60, 1, repeats=3), copies(60, repeats=3, seed=6)]
    assert all(other.tolist() != copies(60, repeats=3).tolist() for other in others)


@pytest.mark.parametrize(("repeats", "world", "different"), [(2, 2, 12), (3, 3, 8), (4, 4, 6), (3, 4, 4), (4, 2, 6)])
def test_copies_are_in_one_batch_and_apart_in_several_processes(repeats: int, world: int, different: int) -> None:
    """As in torchvision's RASampler: "each augmented version of a sample will be visible to a different process".

    Side by side, they would leave a process of the five cases with 6, 4, 2, 2 and 4 different pictures.
    """
    found = copies(240, repeats=repeats, batch=24) % 240
    for batch in found.reshape(10, 24):
        assert set(Counter(batch.tolist()).values()) == {repeats}
        for rank in range(world):
            assert len(set(batch[positions(24, rank, world)].tolist())) >= different


def test_where_a_batch_ends_between_two_copies_the_next_one_has_the_other() -> None:
    found = copies(20, repeats=2, batch=5) % 20
    where: dict[int, list[int]] = {}
    for place, picture in enumerate(found.tolist()):
        where.setdefault(picture, []).append(place // 5)
    assert all(batches[-1] - batches[0] <= 1 for batches in where.values())


LABELS = np.array([0] * 70 + [2] * 20 + [5] * 9 + [3])


def met(epochs: int, *, seed: int = 5, repeats: int = 1) -> np.ndarray:
    by_class = pictures_by_class(LABELS)
    return np.stack([copies(100, epoch, seed=seed, repeats=repeats, by_class=by_class) for epoch in range(epochs)])


def test_the_pictures_of_a_class_are_those_of_its_label() -> None:
    chance = np.random.default_rng(0).permutation(100)
    found = pictures_by_class(LABELS[chance])
    assert [set(LABELS[chance][pictures]) for pictures in found] == [{0}, {2}, {3}, {5}]
    assert [len(pictures) for pictures in found] == [70, 20, 1, 9]
    assert all((np.diff(pictures) > 0).all() for pictures in found)


@pytest.mark.parametrize("repeats", [1, 2])
def test_every_class_is_met_equally_often(repeats: int) -> None:
    for found in met(5, repeats=repeats):
        counts = Counter(LABELS[found % 100].tolist())
        assert set(counts) == {0, 2, 3, 5}
        assert max(counts.values()) - min(counts.values()) <= (0 if repeats == 1 else repeats)  # 50 places for 4


def test_places_that_do_not_divide_go_to_the_classes_in_turn() -> None:
    labels = np.repeat([0, 1, 2], [5, 3, 2])
    by_class = pictures_by_class(labels)
    each = [Counter(labels[copies(10, epoch, by_class=by_class) % 10].tolist()) for epoch in range(3)]
    assert [sorted(counts.values()) for counts in each] == [[3, 3, 4]] * 3
    assert sum(each, Counter()) == {0: 10, 1: 10, 2: 10}


def test_a_class_goes_through_all_its_pictures_before_it_meets_one_again() -> None:
    found = met(8) % 100
    for label in (0, 2, 5, 3):
        pictures = np.flatnonzero(label == LABELS)
        for epochs in range(1, 9):
            counts = Counter(found[:epochs][LABELS[found[:epochs]] == label].tolist())
            often = [counts[picture] for picture in pictures.tolist()]
            assert max(often) - min(often) <= 1


def test_the_passes_of_a_class_are_in_orders_of_their_own() -> None:
    """Of three classes with 60, 60 and 30 pictures each has 50 places, so a pass of the first two ends in an epoch."""
    labels = np.repeat([0, 1, 2], [60, 60, 30])
    by_class = pictures_by_class(labels)

    def of(epoch: int, label: int) -> set[int]:
        pictures = copies(150, epoch, by_class=by_class) % 150
        return {int(picture) % 60 for picture in pictures[labels[pictures] == label]}

    assert of(0, 0) != of(0, 1)
    assert of(6, 0) != of(0, 0)  # places 300 to 350: again the first 50 of a pass
    assert len(of(0, 0)) == len(of(6, 0)) == 50


def test_classes_come_mixed_and_a_rare_picture_in_many_copies() -> None:
    (first, again), other = met(2), met(1, seed=6)[0]
    assert first.tolist() != again.tolist() != other.tolist()
    labels = LABELS[first % 100]
    assert (np.diff(labels) != 0).sum() > 50  # in one stretch for each class there would be 3 changes
    rare = first[labels == 3]
    assert sorted(rare // 100) == list(range(25)) and {*(rare % 100).tolist()} == {99}


def test_with_more_classes_than_places_each_has_its_turn() -> None:
    by_class = pictures_by_class(np.arange(6))
    found = [copies(6, epoch, repeats=3, by_class=by_class) % 6 for epoch in range(3)]
    assert [len(set(order.tolist())) for order in found] == [2, 2, 2]
    assert {picture for order in found for picture in order.tolist()} == set(range(6))
