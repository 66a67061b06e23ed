"""Loader: the same batches for the same seed, whatever the workers, and no picture lost in silence."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from resnets.data import memory
from resnets.data.augment import AUGMENTATIONS
from resnets.data.errors import DataError, TooManyBadImages
from resnets.data.loader import Loader
from resnets.data.open import open_data
from resnets.data.order import batch_sizes
from resnets.data.source import ArraySource, FolderSource
from resnets.data.transform import fit, normalise
from resnets.spec.preprocess import Preprocess

SMALL = Preprocess(size=(8, 8), mean=(0.5,), std=(0.25,))


def array(count: int = 50, side: int = 8, channels: int = 3) -> ArraySource:
    chance = np.random.default_rng(count)
    pixels = chance.integers(0, 256, (count, side, side, channels), dtype=np.uint8)
    return ArraySource(pixels, (np.arange(count) % 3).astype(np.int64), "train")


def folder(root: Path, count: int = 23, bad: tuple[int, ...] = ()) -> FolderSource:
    source, paths = array(count, side=11), []
    for index in range(count):
        paths.append(root / f"{index}.png")
        if index in bad:
            paths[-1].write_bytes(b"not a picture")
        else:
            source.image(index).save(paths[-1])
    return FolderSource(paths, source.labels)


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


def test_workers_change_nothing(tmp_path: Path) -> None:
    source = folder(tmp_path)
    epochs = [
        all_of(
            Loader(source, SMALL, batch_size=4, shuffle=True, augmentation=AUGMENTATIONS["photos"], workers=n),
            2,
        )
        for n in (1, 2, 5)
    ]
    for images, indices in epochs[1:]:
        assert torch.equal(images, epochs[0][0])
        assert indices == epochs[0][1]
    assert not torch.equal(
        epochs[0][0],
        all_of(Loader(source, SMALL, batch_size=4, shuffle=True, augmentation=AUGMENTATIONS["photos"]), 3)[0],
    )


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
    assert loader.skipped == [(str(tmp_path / "7.png"), "it is no readable JPEG or PNG or WEBP image")]


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
    assert "2 of 23 images are bad and 1 may be; mend or remove them, or raise bad_limit:" in str(stop.value)
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
        def image(self, index: int, preprocess: Preprocess | None = None) -> Image.Image:
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
        ({"batch_size": 4, "workers": 0}, "workers=0 is not possible"),
        ({"batch_size": 4, "seed": -1}, "seed=-1 is not possible; allowed: 0 or more"),
        ({"batch_size": 4, "bad_limit": 2}, "bad_limit=2 is not possible; allowed: a share from 0 to 1"),
    ],
)
def test_impossible_settings_are_refused(fields: dict[str, int], sentence: str) -> None:
    with pytest.raises(DataError) as refusal:
        Loader(array(), SMALL, **fields)  # type: ignore[arg-type]
    assert sentence in str(refusal.value)


def test_a_source_without_pictures_is_refused() -> None:
    with pytest.raises(DataError, match="the source holds no pictures"):
        Loader(array().take(np.arange(0)), SMALL, batch_size=4)


def test_photographs_of_any_size_become_batches(shared_data: Path) -> None:
    paths = sorted((shared_data / "photos-cc0-skimage").glob("*.*g"))
    source = FolderSource(paths, np.zeros(len(paths), np.int64))
    start = time.perf_counter()
    batches = list(Loader(source, Preprocess(size=(32, 32), resize=36), batch_size=4).epoch(0))
    assert [tuple(batch.images.shape) for batch in batches] == [(4, 3, 32, 32)] * 2 + [(5, 3, 32, 32)]
    assert time.perf_counter() - start < 60
