"""Loader: what the plan of an epoch becomes where pictures are bad, mixed, many-banded or in memory."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from resnets.data import loader as loader_module
from resnets.data.augmentation.mix import mixing
from resnets.data.augmentation.rows import AUGMENTATIONS, Augmentation
from resnets.data.decoding.transform import fit
from resnets.data.errors import DataError
from resnets.data.loader import Loader
from resnets.data.source import ArraySource
from resnets.net.normalise import normalise
from resnets.spec.preprocess import Preprocess
from tests.data.test_loader import EVERYTHING, SMALL, all_of, array, folder


def test_the_batches_of_two_processes_are_planned_as_those_of_one_and_not_joined(tmp_path: Path) -> None:
    for rank in range(2):
        assert Loader(array(9), SMALL, batch_size=8, rank=rank, world=2).batches_per_epoch == 1
    source = folder(tmp_path, count=8, bad=(0,))
    counts = [
        [len(batch) for batch in Loader(source, SMALL, batch_size=4, rank=rank, world=2).epoch(0)] for rank in range(2)
    ]
    assert counts == [[1, 2], [2, 2]]


@pytest.mark.parametrize("drop_single", [True, False])
def test_a_batch_of_which_nothing_is_left_is_no_batch(tmp_path: Path, drop_single: bool) -> None:
    source = folder(tmp_path, count=6, bad=(2, 3))
    loader = Loader(source, SMALL, batch_size=2, bad_limit=0.5, drop_single=drop_single)
    assert [(batch.indices.tolist(), batch.after) for batch in loader.epoch(0)] == [([0, 1], 1), ([4, 5], 3)]


@pytest.mark.parametrize("row", [None, Augmentation(source="test", mixup=1.0)])
@pytest.mark.parametrize(
    ("size", "bad", "joined"),
    [
        (2, (1, 2, 4, 7), [([0, 3], 2), ([5, 6], 4)]),
        (3, (3, 4, 6, 7), [([0, 1, 2, 5], 2)]),
        (4, (4, 5, 6), [([0, 1, 2, 3, 7], 2)]),
    ],
)
def test_joined_batches_keep_their_pictures_and_know_how_far_they_go(
    tmp_path: Path, row: Augmentation | None, size: int, bad: tuple[int, ...], joined: list[Any]
) -> None:
    source = folder(tmp_path, count=8, bad=bad)
    batches = list(Loader(source, SMALL, batch_size=size, bad_limit=0.5, augmentation=row).epoch(0))
    assert [(batch.indices.tolist(), batch.after) for batch in batches] == joined
    for batch in batches:
        plain = normalise(torch.from_numpy(np.stack([fit(source.image(int(k)), SMALL) for k in batch.indices])), SMALL)
        if row is not None:
            assert batch.partners is not None and batch.share is not None
            assert (batch.indices[batch.partners] // size == batch.indices // size).all()  # each in its own batch
            share = batch.share[:, None, None, None]
            plain = share * plain + (1 - share) * plain[batch.partners]
        assert torch.allclose(batch.images, plain, atol=1e-5)


def test_a_batch_that_is_mixed_may_join_one_that_is_not(tmp_path: Path) -> None:
    source = folder(tmp_path, count=6, bad=(0, 1))
    row = Augmentation(source="test", mixup=1.0, mix_probability=0.5)
    seen = set()
    for seed in range(12):
        (batch,) = Loader(source, SMALL, batch_size=3, bad_limit=0.5, augmentation=row, seed=seed).epoch(0)
        first, second = (mixing(row, seed, 0, place) for place in range(2))
        seen.add((first is None, second is None))
        if first is None and second is None:
            assert batch.partners is None and batch.share is None
            continue
        assert batch.partners is not None and batch.share is not None
        assert batch.partners.tolist() == ([0, 1, 2, 3] if second is None else [0, 3, 2, 1])
        share = 1 if second is None else second.share
        assert batch.share.tolist() == pytest.approx([1, share, 1, share])
    assert len(seen) == 4


def test_each_batch_is_mixed_by_its_own_chance_and_partners_keep_their_places(tmp_path: Path) -> None:
    row = Augmentation(source="test", mixup=1.0)
    source = folder(tmp_path, count=15, bad=(1,))
    loader = Loader(source, SMALL, batch_size=5, augmentation=row, seed=4)
    for epoch in range(2):
        first, *others = loader.epoch(epoch)
        assert first.indices.tolist() == [0, 2, 3, 4]
        assert first.partners is not None and first.share is not None
        assert first.partners.tolist() == [3, 1, 2, 0]  # 2 is the middle, and the partner of 3 is bad
        assert first.share[[1, 2]].tolist() == [1, 1]
        for place, batch in enumerate([first, *others]):
            chance = mixing(row, 4, epoch, place)
            assert batch.share is not None and chance is not None
            assert batch.share[0].item() == pytest.approx(chance.share)


def test_waiting_is_the_time_from_one_batch_asked_for_to_its_coming(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(now=100.0)
    clock.perf_counter = lambda: clock.now

    class Slow(ArraySource):
        def raw(self, index: int) -> np.ndarray:
            clock.now += 1
            return super().raw(index)

    monkeypatch.setattr(loader_module, "time", clock)
    source = Slow(array(12, side=11).pixels, array(12).labels, "train")
    waited = []
    for batch in Loader(source, SMALL, batch_size=4, workers=0, augmentation=EVERYTHING, drop_single=False).epoch(0):
        waited.append(batch.waited)
        clock.now += 50  # of training
    assert waited == [4, 4, 4]


@pytest.mark.parametrize("row", [None, Augmentation(source="test", flip=True)])
def test_pictures_in_memory_are_resized_once_for_all_epochs(row: Augmentation | None) -> None:
    asked: list[int] = []

    class Counting(ArraySource):
        def raw(self, index: int) -> np.ndarray:
            asked.append(index)
            return super().raw(index)

    source = Counting(array(10, side=11).pixels, array(10).labels, "train")
    loader = Loader(source, SMALL, batch_size=4, augmentation=row)
    for epoch in range(3):
        assert len(all_of(loader, epoch)[1]) == 10
    assert sorted(asked) == list(range(10))


def test_the_machine_is_asked_about_the_largest_batch_of_every_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(loader_module, "check_machine", lambda *numbers: asked.append(numbers))
    Loader(array(17), SMALL, batch_size=8, workers=2, kind="processes")
    Loader(array(17), SMALL, batch_size=8, workers=0, kind="processes")
    Loader(array(17), SMALL, batch_size=8, workers=2)
    assert asked == [(2, 9 * 3 * 8 * 8)]


def test_no_workers_are_none_and_unsaid_is_one_for_each_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader_module, "processors", lambda: 7)
    assert [Loader(array(), SMALL, batch_size=4, workers=workers).workers for workers in (0, None, 3)] == [0, 7, 3]


def test_pictures_of_many_bands_are_batches_of_as_many_channels() -> None:
    source = array(12, side=11, channels=5)
    bands = Preprocess(size=(8, 8), colour="bands", mean=(0.5,) * 5, std=(0.25,) * 5)
    (images, _), (moved, _) = (
        all_of(Loader(source, preprocess, batch_size=4, augmentation=row), 0)
        for preprocess, row in ((bands, None), (bands, AUGMENTATIONS["photos"]))
    )
    assert images.shape == moved.shape == (12, 5, 8, 8)
    expected = fit(source.pixels[7], bands)
    assert torch.equal(images[7], normalise(torch.from_numpy(expected)[None], bands)[0])
    for preprocess, sentence in ((SMALL, "have 5 channels, and colour='rgb' takes 1 or 3"), (bands, "takes 5")):
        with pytest.raises(DataError, match=sentence):
            Loader(source if preprocess is SMALL else array(12, channels=3), preprocess, batch_size=4)
