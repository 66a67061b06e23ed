"""Loader: several copies of a picture in an epoch, classes met equally often, other sizes, and what is known bad."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from resnets.data.augmentation.rows import AUGMENTATIONS, Augmentation
from resnets.data.errors import DataError, TooManyBadImages
from resnets.data.loader import Loader
from resnets.data.making import Maker, Order
from resnets.data.source import ArraySource, FileSource
from resnets.files import machine
from resnets.spec.preprocess import Preprocess
from tests.data.test_loader import EVERYTHING, SMALL, all_of, array, folder, same

CROP = Augmentation(source="test", crop_area=(0.2, 0.8))
PIXELS = Augmentation(source="test", brightness=0.5)


def rare(count: int = 60) -> ArraySource:
    """Two classes, of which one has every tenth picture."""
    source = array(count, side=11)
    return replace(source, labels=(np.arange(count) % 10 == 0).astype(np.int64))


@pytest.mark.parametrize("row", [CROP, PIXELS])
def test_each_copy_of_a_picture_has_its_own_chance_and_the_first_that_of_the_picture(row: Augmentation) -> None:
    source = array(20, side=11)
    made = Maker(source, SMALL, row, 3).make(Order(1, np.array([7, 27, 47, 7]))).pictures
    alone = Maker(source, SMALL, row, 3).make(Order(1, np.array([7]))).pictures
    assert made is not None and alone is not None
    assert torch.equal(made[0], alone[0]) and torch.equal(made[0], made[3])
    assert not torch.equal(made[0], made[1]) and not torch.equal(made[1], made[2])


def test_a_bad_copy_is_a_bad_picture() -> None:
    files = FileSource.of([f"none{k}.png" for k in range(5)], np.zeros(5, np.int64))
    assert [index for index, _ in Maker(files, SMALL, None, 0).make(Order(0, np.array([3, 8, 13]))).bad] == [3, 3, 3]


@pytest.mark.parametrize("how", [{"repeats": 3}, {"balanced": True}, {"repeats": 2, "balanced": True}])
@pytest.mark.parametrize("row", [CROP, PIXELS])
def test_batches_say_which_pictures_they_are_whatever_their_copies(how: dict[str, Any], row: Augmentation) -> None:
    source = rare()
    loader = Loader(source, SMALL, batch_size=12, shuffle=True, seed=4, augmentation=row, **how)
    seen: dict[int, set[bytes]] = {}
    batches = list(loader.epoch(2))
    assert [len(batch) for batch in batches] == [12] * loader.batches_per_epoch == [12] * 5
    for batch in batches:
        assert batch.labels.tolist() == source.labels[batch.indices.numpy()].tolist()
        for image, index in zip(batch.images, batch.indices.tolist(), strict=True):
            seen.setdefault(index, set()).add(image.numpy().tobytes())
    met = Counter(index for batch in batches for index in batch.indices.tolist())
    assert max(met.values()) > 1
    assert {index: len(images) for index, images in seen.items()} == dict(met)  # no two copies are alike


def test_balanced_classes_are_met_equally_often() -> None:
    loader = Loader(rare(), SMALL, batch_size=12, shuffle=True, balanced=True)
    for epoch in range(3):
        assert Counter(int(label) for batch in loader.epoch(epoch) for label in batch.labels) == {0: 30, 1: 30}


@pytest.mark.parametrize(
    ("how", "kind"),
    [({"repeats": 3}, "threads"), ({"balanced": True}, "threads"), ({"repeats": 2, "balanced": True}, "processes")],
)
def test_workers_processes_and_stops_change_nothing(tmp_path: Path, how: dict[str, Any], kind: Any) -> None:
    settings: dict[str, Any] = {"batch_size": 8, "shuffle": True, "augmentation": EVERYTHING, "seed": 9, **how}
    source = folder(tmp_path, bad=(7,))
    whole = list(Loader(source, SMALL, workers=0, **settings).epoch(1))
    assert same(whole, Loader(source, SMALL, workers=2, kind=kind, **settings).epoch(1))
    assert same(whole[1:], Loader(source, SMALL, **settings).epoch(1, start=whole[0].after))
    parts = [list(Loader(source, SMALL, rank=rank, world=2, **settings).epoch(1)) for rank in range(2)]
    for batch, first, second in zip(whole, *parts, strict=True):
        both = torch.cat([first.images, second.images])
        assert sorted(x.numpy().tobytes() for x in both) == sorted(x.numpy().tobytes() for x in batch.images)


def test_without_copies_an_epoch_is_what_it_was() -> None:
    settings: dict[str, Any] = {"batch_size": 8, "shuffle": True, "augmentation": EVERYTHING}
    source = array(30, side=11)
    (images, indices), (again, others) = (
        all_of(Loader(source, SMALL, **settings, **how), 3) for how in ({}, {"repeats": 1, "balanced": False})
    )
    assert torch.equal(images, again) and indices == others


@pytest.mark.parametrize(
    ("labels", "how", "sentence"),
    [
        (None, {"repeats": 0}, "repeats=0 is not possible; allowed: 1 or more"),
        (None, {"repeats": 2}, "repeats=2 is not possible without shuffle=True"),
        (None, {"balanced": True}, "balanced=True is not possible without shuffle=True"),
        (np.zeros((50, 2), bool), {"balanced": True, "shuffle": True}, "where a picture has several classes or numb"),
        (np.zeros((50, 2), np.float32), {"balanced": True, "shuffle": True}, "allowed: one class for each picture"),
    ],
)
def test_impossible_orders_are_refused(labels: Any, how: dict[str, Any], sentence: str) -> None:
    source = array() if labels is None else replace(array(), labels=labels)
    with pytest.raises(DataError, match=sentence):
        Loader(source, SMALL, batch_size=4, **how)


# Another size.


@pytest.mark.parametrize("row", [None, CROP, AUGMENTATIONS["mnist"]])
def test_a_loader_at_another_size_has_the_same_pictures_as_one_made_for_it(row: Augmentation | None) -> None:
    margin = replace(SMALL, resize=10)
    settings: dict[str, Any] = {"batch_size": 8, "shuffle": True, "augmentation": row, "seed": 2}
    loader = Loader(array(side=11), margin, **settings)
    for size in ((4, 4), (12, 12), (8, 8)):
        other = loader.resized(size)
        assert other.preprocess == margin.at_size(size)
        assert other.batches_per_epoch == loader.batches_per_epoch
        assert same_images(other, Loader(array(side=11), margin.at_size(size), **settings))
    assert loader.preprocess == margin
    assert same_images(loader, Loader(array(side=11), margin, **settings))


def same_images(one: Loader, other: Loader) -> bool:
    first, second = (all_of(loader, 1) for loader in (one, other))
    return torch.equal(first[0], second[0]) and first[1] == second[1]


def test_sizes_one_after_the_other_round_the_margin_only_once() -> None:
    loader = Loader(array(), Preprocess(size=(224, 224), resize=256), batch_size=8)
    for side in (37, 101, 224):
        once, step = loader.resized((side, side)).preprocess, (loader := loader.resized((side, side))).preprocess
        assert once == step == Preprocess(size=(224, 224), resize=256).at_size((side, side))
    assert loader.resized((224, 224)) is loader


def test_of_pictures_in_memory_those_of_one_size_are_kept_and_made_once() -> None:
    asked: list[int] = []

    class Counting(ArraySource):
        def raw(self, index: int) -> np.ndarray:
            asked.append(index)
            return super().raw(index)

    loader = Loader(Counting(array(10, side=11).pixels, array(10).labels, "train"), SMALL, batch_size=4)
    for size, times in (((8, 8), 1), ((8, 8), 1), ((6, 6), 2), ((6, 6), 2), ((8, 8), 3)):
        for epoch in range(2):
            all_of(loader.resized(size), epoch)
        assert len(asked) == 10 * times


def test_a_size_that_this_machine_has_no_room_for_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "shared_memory", lambda: 100_000)
    loader = Loader(array(), SMALL, batch_size=8, workers=2, kind="processes")
    with pytest.raises(DataError, match="docker run --shm-size=2g"):
        loader.resized((64, 64))


# What is known to be bad.


def test_loaders_of_all_sizes_know_the_same_pictures_to_be_bad(tmp_path: Path) -> None:
    source = folder(tmp_path, bad=(7, 11))
    loader = Loader(source, SMALL, batch_size=5, bad_limit=0.1)
    small = loader.resized((4, 4))
    next(iter(small.epoch(0)))
    list(loader.epoch(0))
    assert [Path(name).name for name, _ in loader.skipped] == ["7.png", "11.png"]
    assert loader.skipped == small.skipped == loader.resized((6, 6)).skipped
    assert loader.bad.keys() == {7, 11}


def test_a_run_that_goes_on_knows_and_counts_what_was_found_before_it_stopped(tmp_path: Path) -> None:
    source = folder(tmp_path, bad=(7, 11, 20))
    first = Loader(source, SMALL, batch_size=5, bad_limit=0.1)
    epoch = first.epoch(0)
    assert [next(epoch).after for _ in range(3)] == [1, 2, 3]
    written = json.dumps(first.bad)
    again = Loader(source, SMALL, batch_size=5, bad_limit=0.1)
    again.leave_out(json.loads(written))
    assert (again.bad, again.skipped) == (first.bad, first.skipped)
    with pytest.raises(TooManyBadImages, match="3 of 23 images are bad and 2 may be") as stop:
        list(again.epoch(0, start=3))
    assert [Path(name).name for name, _ in stop.value.bad] == ["7.png", "11.png", "20.png"]


def test_processes_judge_together_what_all_have_found_and_all_alike(tmp_path: Path) -> None:
    source = folder(tmp_path, bad=(0, 1, 2, 3, 20))
    loaders = [Loader(source, SMALL, batch_size=10, rank=rank, world=2, bad_limit=0.1) for rank in range(2)]
    for loader in loaders:  # nobody stops alone, for the others would wait
        assert [batch.after for batch in loader.epoch(0)] == [1, 2, 3]
    found = [loader.bad for loader in loaders]
    assert not found[0].keys() & found[1].keys() and all(found)
    said = []
    for loader in loaders:
        with pytest.raises(TooManyBadImages) as stop:
            loader.leave_out(*found)
        said.append(str(stop.value))
        assert loader.bad.keys() == {0, 1, 2, 3, 20}
    assert said[0] == said[1]
    assert "5 of 23 images are bad and 2 may be" in said[0]


def test_two_reasons_for_one_picture_end_as_one_whoever_said_them_first() -> None:
    loaders = [Loader(array(23), SMALL, batch_size=5, bad_limit=0.5) for _ in range(2)]
    told = [{7: "absent", 3: "absent"}, {7: "damaged"}]
    for loader, own in zip(loaders, told, strict=True):
        loader.leave_out(own)
        loader.leave_out(*told)
    assert loaders[0].bad == loaders[1].bad == {3: "absent", 7: "absent"}
    assert loaders[0].skipped == [("train[3]", "absent"), ("train[7]", "absent")]


def test_pictures_that_a_source_does_not_have_are_refused() -> None:
    loader = Loader(array(23), SMALL, batch_size=5)
    with pytest.raises(DataError, match="picture 23 is said to be bad, and the source has 0 to 22; these are other"):
        loader.leave_out({"23": "damaged"})
    loader.leave_out({})
    assert loader.bad == {}
