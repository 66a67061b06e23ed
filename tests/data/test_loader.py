"""Loader: the same batches for the same seed, whatever the workers, and no picture lost in silence."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from resnets.data import memory
from resnets.data.augmentation.rows import AUGMENTATIONS, Augmentation
from resnets.data.decoding.transform import fit
from resnets.data.errors import DataError, TooManyBadImages
from resnets.data.loader import Batch, Loader
from resnets.data.open import open_data
from resnets.data.order import batch_sizes, positions
from resnets.data.source import ArraySource, FileSource
from resnets.files import machine
from resnets.net.normalise import normalise
from resnets.spec.preprocess import Preprocess

SMALL = Preprocess(size=(8, 8), mean=(0.5,), std=(0.25,))


def array(count: int = 50, side: int = 8, channels: int = 3) -> ArraySource:
    chance = np.random.default_rng(count)
    pixels = chance.integers(0, 256, (count, side, side, channels), dtype=np.uint8)
    return ArraySource(pixels, (np.arange(count) % 3).astype(np.int64), "train")


def folder(root: Path, count: int = 23, bad: tuple[int, ...] = ()) -> FileSource:
    source, paths = array(count, side=11), []
    for index in range(count):
        paths.append(root / f"{index}.png")
        if index in bad:
            paths[-1].write_bytes(b"not a picture")
        else:
            source.image(index).save(paths[-1])
    return FileSource.of(paths, source.labels)


def all_of(loader: Loader, epoch: int) -> tuple[torch.Tensor, list[int]]:
    batches = list(loader.epoch(epoch))
    return torch.cat([batch.images for batch in batches]), torch.cat([b.indices for b in batches]).tolist()


def test_an_epoch_holds_every_picture_once_with_its_own_label() -> None:
    source = array()
    loader = Loader(source, SMALL, batch_size=8, shuffle=True, seed=3)
    batches = list(loader.epoch(0))
    indices = torch.cat([batch.indices for batch in batches])
    assert sorted(indices.tolist()) == list(range(50)) != indices.tolist()
    assert len(batches) == loader.batches_per_epoch == 7
    for batch in batches:
        assert batch.images.dtype == torch.float32
        assert batch.labels.tolist() == [index % 3 for index in batch.indices.tolist()]
        expected = np.stack([fit(source.image(int(k), SMALL), SMALL) for k in batch.indices])
        assert torch.equal(batch.images, normalise(torch.from_numpy(expected), SMALL))


def test_order_and_augmentation_depend_on_seed_and_epoch_only() -> None:
    def loader(seed: int) -> Loader:
        return Loader(array(), SMALL, batch_size=8, shuffle=True, seed=seed, augmentation=AUGMENTATIONS["mnist"])

    first = loader(1)
    list(first.epoch(0))
    images, indices = all_of(first, 5)
    again, again_indices = all_of(loader(1), 5)
    assert torch.equal(images, again)
    assert indices == again_indices
    assert all_of(loader(1), 4)[1] != indices
    assert all_of(loader(2), 5)[1] != indices
    assert all_of(loader(5), 1)[1] != indices


EVERYTHING = Augmentation(
    source="test: every kind of chance at once",
    crop_area=(0.3, 1.0),
    pad=1,
    flip=True,
    policy="trivial",
    brightness=0.3,
    erase=0.5,
    mixup=0.4,
    cutmix=1.0,
)


def same(first: Iterable[Batch], second: Iterable[Batch]) -> bool:
    pairs = list(zip(first, second, strict=True))
    fields = ("images", "labels", "indices", "partners", "share")
    return all(torch.equal(getattr(a, name), getattr(b, name)) for a, b in pairs for name in fields)


@pytest.mark.parametrize(("workers", "kind"), [(1, "threads"), (4, "threads"), (1, "processes"), (4, "processes")])
def test_workers_change_nothing(tmp_path: Path, workers: int, kind: Any) -> None:
    source = folder(tmp_path, bad=(7,))
    settings: dict[str, Any] = {"batch_size": 4, "shuffle": True, "augmentation": EVERYTHING, "seed": 9}
    alone = Loader(source, SMALL, workers=0, **settings)
    epoch = list(alone.epoch(2))
    helped = Loader(source, SMALL, workers=workers, kind=kind, **settings)
    assert same(epoch, helped.epoch(2))
    assert helped.skipped == alone.skipped != []
    assert not torch.equal(epoch[0].images, next(alone.epoch(3)).images)


@pytest.mark.parametrize("bad", [(), (1, 2, 4, 7, 9)])
def test_an_epoch_goes_on_from_any_batch_as_if_it_had_not_stopped(tmp_path: Path, bad: tuple[int, ...]) -> None:
    def loader() -> Loader:
        return Loader(source, SMALL, batch_size=3, shuffle=True, augmentation=EVERYTHING, bad_limit=0.5)

    source = folder(tmp_path, bad=bad)
    whole = list(loader().epoch(1))
    assert [batch.after for batch in whole][-1] == loader().batches_per_epoch
    for number, batch in enumerate(whole):
        assert same(whole[number + 1 :], loader().epoch(1, start=batch.after))
    with pytest.raises(DataError, match="start=9 is not possible; an epoch has 8 batches"):
        next(loader().epoch(0, start=9))


@pytest.mark.parametrize("size", range(1, 18))
@pytest.mark.parametrize("world", [1, 2, 3, 4])
def test_processes_share_a_batch_and_keep_partners_together(size: int, world: int) -> None:
    shares = [positions(size, rank, world).tolist() for rank in range(world)]
    assert sorted(place for share in shares for place in share) == list(range(size))
    for share in shares:
        assert {size - 1 - place for place in share} == set(share)
    assert max(map(len, shares)) - min(map(len, shares)) <= 2


@pytest.mark.parametrize("bad", [(), (3, 11)])
def test_two_processes_get_between_them_what_one_gets(tmp_path: Path, bad: tuple[int, ...]) -> None:
    def loader(rank: int, world: int) -> Loader:
        settings: dict[str, Any] = {"batch_size": 8, "shuffle": True, "augmentation": EVERYTHING, "bad_limit": 0.5}
        return Loader(source, SMALL, rank=rank, world=world, **settings)

    source = folder(tmp_path, bad=bad)
    for whole, first, second in zip(*(loader(*place).epoch(1) for place in ((0, 1), (0, 2), (1, 2))), strict=True):
        both = torch.cat([first.indices, second.indices])
        order = [both.tolist().index(index) for index in whole.indices.tolist()]
        assert sorted(order) == list(range(len(both)))
        assert torch.equal(torch.cat([first.images, second.images])[order], whole.images)
        assert torch.equal(torch.cat([first.share, second.share])[order], whole.share)
        partners = torch.cat([first.indices[first.partners], second.indices[second.partners]])[order]
        assert torch.equal(partners, whole.indices[whole.partners])


def test_every_process_gets_as_many_batches_even_where_all_its_pictures_are_bad(tmp_path: Path) -> None:
    source = folder(tmp_path, count=8, bad=(0, 3))
    counts = [
        [len(batch) for batch in Loader(source, SMALL, batch_size=4, bad_limit=0.5, rank=rank, world=2).epoch(0)]
        for rank in range(2)
    ]
    assert counts == [[0, 2], [2, 2]]


def test_a_share_of_the_label_goes_where_a_share_of_the_picture_went() -> None:
    pixels = np.repeat(np.arange(16, dtype=np.uint8) * 16, 192).reshape(16, 8, 8, 3)
    source = ArraySource(pixels, np.arange(16), "train")
    plain = Preprocess(size=(8, 8))
    mixed = Augmentation(source="test", mixup=1.0)
    for batch in Loader(source, plain, batch_size=8, shuffle=True, augmentation=mixed).epoch(0):
        assert batch.partners is not None and batch.share is not None
        assert batch.indices[batch.partners].tolist() == batch.indices.flip(0).tolist()
        values = batch.labels.float() * 16 / 255
        expected = batch.share * values + (1 - batch.share) * values[batch.partners]
        assert torch.allclose(batch.images[:, 0, 0, 0], expected, atol=1e-6)


def test_the_time_that_was_waited_is_told(tmp_path: Path) -> None:
    class Slow(ArraySource):
        def raw(self, index: int) -> np.ndarray:
            time.sleep(0.01)
            return super().raw(index)

    source = Slow(array(4, side=11).pixels, array(4).labels, "train")
    (batch,) = Loader(source, replace(SMALL, fit="squash"), batch_size=4, workers=0, augmentation=EVERYTHING).epoch(0)
    assert batch.waited >= 0.04


def test_a_machine_with_too_little_for_processes_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    for function, free, sentence in (
        ("shared_memory", 1000, "2 processes hand batches over in /dev/shm: .*docker run --shm-size=2g"),
        ("open_files", 64, "need about 80 open files, and this shell allows 64; raise the limit with ulimit -n 4096"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(machine, function, lambda free=free: free)
            with pytest.raises(DataError, match=sentence):
                Loader(array(), SMALL, batch_size=8, workers=2, kind="processes")
            Loader(array(), SMALL, batch_size=8, workers=2)


def test_files_and_arrays_of_the_same_pictures_give_the_same_batches(tmp_path: Path) -> None:
    in_files, in_memory = folder(tmp_path), array(23, side=11)
    for preprocess in (SMALL, Preprocess(size=(8, 8), fit="pad", colour="grey"), Preprocess(size=(16, 16))):
        first, second = (all_of(Loader(source, preprocess, batch_size=5), 0)[0] for source in (in_files, in_memory))
        assert torch.equal(first, second)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("colour", ["grey", "rgb", "bgr"])
def test_the_short_way_for_arrays_gives_what_the_long_way_gives(channels: int, colour: str) -> None:
    source = array(6, channels=channels)
    preprocess = Preprocess(size=(8, 8), colour=colour)  # type: ignore[arg-type]
    images, _ = all_of(Loader(source, preprocess, batch_size=6), 0)
    long_way = np.stack([fit(source.image(k, preprocess), preprocess) for k in range(6)])
    assert torch.equal(images, normalise(torch.from_numpy(long_way), preprocess))


def test_a_set_too_large_to_keep_resized_is_resized_as_it_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    kept, _ = all_of(Loader(array(side=11), SMALL, batch_size=8), 0)
    monkeypatch.setattr(memory, "MAX_BYTES", 100)
    assert memory.in_memory(array(side=11), SMALL, 1) is None
    assert torch.equal(all_of(Loader(array(side=11), SMALL, batch_size=8), 0)[0], kept)


def test_no_batch_has_one_picture() -> None:
    assert batch_sizes(17, 8, drop_single=True) == [8, 9]
    assert batch_sizes(17, 8, drop_single=False) == [8, 8, 1]
    assert batch_sizes(18, 8, drop_single=True) == [8, 8, 2]
    assert batch_sizes(1, 8, drop_single=True) == [1]
    assert [len(batch) for batch in Loader(array(17), SMALL, batch_size=8).epoch(0)] == [8, 9]


def test_a_bad_picture_is_left_out_and_named_once(tmp_path: Path) -> None:
    source = folder(tmp_path, bad=(7,))
    loader = Loader(source, SMALL, batch_size=5)
    for epoch in range(2):
        _, indices = all_of(loader, epoch)
        assert indices == [index for index in range(23) if index != 7]
    ((name, reason),) = loader.skipped
    assert name == str(tmp_path / "7.png")
    assert reason.startswith("it is no readable JPEG or PNG or WEBP image")


def test_a_batch_that_bad_pictures_leave_with_one_joins_another(tmp_path: Path) -> None:
    source = folder(tmp_path, count=8, bad=(1, 2, 4, 7))
    loader = Loader(source, SMALL, batch_size=2, bad_limit=0.5)
    assert [batch.indices.tolist() for batch in loader.epoch(0)] == [[0, 3], [5, 6]]
    single = Loader(source, SMALL, batch_size=2, bad_limit=0.5, drop_single=False)
    assert [batch.indices.tolist() for batch in single.epoch(0)] == [[0], [3], [5], [6]]


def test_more_bad_pictures_than_the_limit_stop_the_run_with_their_names(tmp_path: Path) -> None:
    source = folder(tmp_path, bad=(7, 11))
    with pytest.raises(TooManyBadImages) as stop:
        list(Loader(source, SMALL, batch_size=5).epoch(0))
    assert [Path(name).name for name, _ in stop.value.bad] == ["7.png", "11.png"]
    assert "2 of 23 images are bad and 1 may be; mend or remove them, or leave them out:" in str(stop.value)
    assert "7.png: it is no readable" in str(stop.value)
    assert len(list(Loader(source, SMALL, batch_size=5, bad_limit=0.1).epoch(0))) == 5


def test_no_bad_picture_is_tolerated_at_a_limit_of_zero_or_when_none_is_left(tmp_path: Path) -> None:
    with pytest.raises(TooManyBadImages, match="1 of 23 images are bad and 0 may be"):
        list(Loader(folder(tmp_path, bad=(3,)), SMALL, batch_size=5, bad_limit=0).epoch(0))
    only = folder(tmp_path, count=1, bad=(0,))
    with pytest.raises(TooManyBadImages, match="1 of 1 images are bad"):
        list(Loader(only, SMALL, batch_size=5).epoch(0))


def test_an_epoch_left_early_leaves_no_threads_behind(tmp_path: Path) -> None:
    import threading

    before = threading.active_count()
    epoch = Loader(folder(tmp_path), SMALL, batch_size=2, workers=3).epoch(0)
    next(epoch)
    epoch.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_an_error_that_is_no_bad_picture_is_not_hidden() -> None:
    class Broken(ArraySource):
        def raw(self, index: int) -> np.ndarray:
            raise RuntimeError("a fault of ours")

    broken = Broken(array().pixels, array().labels, "train")
    with pytest.raises(RuntimeError, match="a fault of ours"):
        list(Loader(broken, SMALL, batch_size=4, augmentation=AUGMENTATIONS["photos"]).epoch(0))


def test_digits_come_in_batches_that_a_network_can_learn_from() -> None:
    digits = open_data("digits")
    assert digits.train is not None
    preprocess = Preprocess(size=(8, 8), colour="grey", mean=(0.305,), std=(0.376,))
    images, _ = all_of(Loader(digits.train, preprocess, batch_size=128), 0)
    assert images.shape == (1437, 1, 8, 8)
    assert abs(float(images.mean())) < 0.05
    assert abs(float(images.std()) - 1) < 0.05


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"batch_size": 0}, "batch_size=0 is not possible; allowed: 1 or more"),
        ({"batch_size": 4, "workers": -1}, "workers=-1 is not possible; allowed: 0 or more"),
        ({"batch_size": 4, "kind": "fibres"}, "kind='fibres' is not possible; allowed: threads, processes"),
        ({"batch_size": 4, "rank": 2, "world": 2}, "rank=2 is not possible; allowed: 0 to 1 in a world of 2"),
        ({"batch_size": 4, "seed": -1}, "seed=-1 is not possible; allowed: 0 or more"),
        ({"batch_size": 4, "bad_limit": 2}, "bad_limit=2 is not possible; allowed: a share from 0 to 1"),
    ],
)
def test_impossible_settings_are_refused(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(DataError) as refusal:
        Loader(array(), SMALL, **fields)
    assert sentence in str(refusal.value)


def test_a_source_without_pictures_is_refused() -> None:
    with pytest.raises(DataError, match="the source holds no pictures"):
        Loader(array().take(np.arange(0)), SMALL, batch_size=4)


def test_photographs_of_any_size_become_batches(shared_data: Path) -> None:
    paths = sorted((shared_data / "photos-cc0-skimage").glob("*.*g"))
    source = FileSource.of(paths, np.zeros(len(paths), np.int64))
    start = time.perf_counter()
    batches = list(Loader(source, Preprocess(size=(32, 32), resize=36), batch_size=4).epoch(0))
    assert [tuple(batch.images.shape) for batch in batches] == [(4, 3, 32, 32)] * 2 + [(5, 3, 32, 32)]
    assert time.perf_counter() - start < 60
