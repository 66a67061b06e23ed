"""Pack: the same pixels as from the files, in one file that is whole or not there."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open

from resnets.data.augmentation.rows import AUGMENTATIONS
from resnets.data.dataset import DataSet
from resnets.data.errors import DataError, TooManyBadImages
from resnets.data.loader import Loader
from resnets.data.open import open_data
from resnets.data.pack import cached, pack
from resnets.data.source import ArraySource, FileSource
from resnets.data.sources.packed import PackSource, read_pack
from resnets.files.errors import FileError
from resnets.spec.preprocess import Preprocess

SMALL = Preprocess(size=(16, 24), resize=28, formats=("JPEG", "PNG"))


def photographs(root: Path, count: int = 12, bad: tuple[int, ...] = ()) -> DataSet:
    chance = np.random.default_rng(5)
    for index in range(count):
        path = root / ("cat", "dög")[index % 2] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        height, width = chance.integers(10, 90, 2)
        Image.fromarray(chance.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(path)
        if index in bad:
            path.write_bytes(path.read_bytes()[:60])
    return open_data(root)


def batches(source: Any, preprocess: Preprocess, **settings: Any) -> list[torch.Tensor]:
    return [batch.images for batch in Loader(source, preprocess, batch_size=5, drop_single=False, **settings).epoch(0)]


@pytest.mark.parametrize("fit", ["crop", "pad", "squash"])
@pytest.mark.parametrize("colour", ["rgb", "bgr", "grey"])
def test_a_pack_gives_the_network_what_the_files_give_it(tmp_path: Path, fit: Any, colour: Any) -> None:
    dataset = photographs(tmp_path / "photos")
    preprocess = Preprocess(size=(16, 24), fit=fit, colour=colour)
    assert pack(dataset, tmp_path / "photos.pack", preprocess) == []
    packed = open_data(tmp_path / "photos.pack")
    assert (packed.name, packed.classes, packed.fingerprint) == ("photos", ("cat", "dög"), dataset.fingerprint)
    for part in ("train", "test"):
        files, kept = getattr(dataset, part), getattr(packed, part)
        assert np.array_equal(files.labels, kept.labels)
        assert [kept.name(k) for k in range(len(kept))] == [files.name(k) for k in range(len(files))]
        assert all(map(torch.equal, batches(kept, preprocess), batches(files, preprocess)))


def test_a_pack_cut_from_by_chance_is_the_same_for_any_workers(tmp_path: Path) -> None:
    dataset = photographs(tmp_path / "photos")
    pack(dataset, tmp_path / "photos.pack", SMALL, side=40)
    source = read_pack(tmp_path / "photos.pack").train
    row = AUGMENTATIONS["photos"]
    alone = batches(source, SMALL, augmentation=row, workers=0)
    assert all(map(torch.equal, alone, batches(source, SMALL, augmentation=row, workers=2, kind="processes")))
    assert all(map(torch.equal, alone, batches(source, SMALL, augmentation=row, workers=3)))


def test_a_pack_is_a_safetensors_file_that_others_can_open(tmp_path: Path) -> None:
    dataset = photographs(tmp_path / "photos", bad=(4,))
    pack(dataset, tmp_path / "photos.pack", SMALL, bad_limit=0.1)
    with safe_open(tmp_path / "photos.pack", "numpy") as file:
        assert json.loads(file.metadata()["resnets.pack"])["classes"] == ["cat", "dög"]
        labels = np.concatenate([file.get_tensor("train.labels"), file.get_tensor("test.labels")])
        (left,) = json.loads(file.get_tensor("left_out").tobytes())
    assert len(labels) == 11
    assert left["path"].endswith("4.png") and "truncated" in left["error"].lower()


def test_the_shorter_side_is_what_was_asked_for_and_nothing_is_enlarged(tmp_path: Path) -> None:
    dataset = photographs(tmp_path / "photos")
    pack(dataset, tmp_path / "a.pack", SMALL)
    pack(dataset, tmp_path / "b.pack", SMALL, side=50)
    for name, side in (("a", 28), ("b", 50)):
        kept = read_pack(tmp_path / f"{name}.pack").train
        assert isinstance(kept, PackSource) and dataset.train is not None
        for index in range(len(kept)):
            own = min(dataset.train.image(index).size)
            assert min(kept.raw(index).shape[:2]) == min(own, side)
    with pytest.raises(DataError, match=r"side=20 is not possible .* from 28 on"):
        pack(dataset, tmp_path / "c.pack", SMALL, side=20)


@pytest.mark.parametrize("labels", [np.eye(6, 3) > 0, np.arange(12, dtype=np.float32).reshape(6, 2)])
def test_labels_of_every_kind_and_groups_are_kept(tmp_path: Path, labels: np.ndarray) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 9, 8, 5), dtype=np.uint8)
    source = ArraySource(pixels, labels, "train", groups=np.array([3, 3, 1, 0, 0, 2]))
    dataset = DataSet(name="bands", classes=("a", "b", "c"), train=source, test=None, fingerprint="f")
    preprocess = Preprocess(size=(9, 8), fit="squash", colour="bands", mean=(0.5,) * 5, std=(0.2,) * 5)
    pack(dataset, tmp_path / "bands.pack", preprocess)
    kept = read_pack(tmp_path / "bands.pack")
    assert kept.test is None and isinstance(kept.train, PackSource)
    assert kept.task == dataset.task
    assert np.array_equal(kept.train.labels, labels) and kept.train.labels.dtype == labels.dtype
    assert kept.train.groups is not None and kept.train.groups.tolist() == [3, 3, 1, 0, 0, 2]
    assert all(np.array_equal(kept.train.raw(k), pixels[k]) for k in range(6))
    taken = pickle.loads(pickle.dumps(kept.train.take(np.array([4, 1]))))
    assert np.array_equal(taken.raw(1), pixels[1]) and taken.name(0) == "train[4]"


def test_too_many_bad_pictures_leave_no_pack_behind(tmp_path: Path) -> None:
    dataset = photographs(tmp_path / "photos", bad=(1, 4, 5))
    with pytest.raises(TooManyBadImages, match="2 of 12 images are bad and 1 may be"):
        pack(dataset, tmp_path / "photos.pack", SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def test_another_policy_than_the_packs_is_refused(tmp_path: Path) -> None:
    dataset = photographs(tmp_path / "photos")
    pack(dataset, tmp_path / "photos.pack", SMALL)
    source = read_pack(tmp_path / "photos.pack").train
    assert source is not None
    with pytest.raises(DataError, match=r"packed with exif=True, .* decodes with exif=False; pack the pictures again"):
        Loader(source, replace(SMALL, exif=False), batch_size=4)
    Loader(source, replace(SMALL, colour="grey", mean=(0.5,), std=(0.5,)), batch_size=4)
    pack(dataset, tmp_path / "grey.pack", replace(SMALL, colour="grey"))
    grey = read_pack(tmp_path / "grey.pack").train
    assert grey is not None and grey.channels == 1
    with pytest.raises(DataError, match=r"colour='grey', .* decodes with colour='rgb'"):
        Loader(grey, SMALL, batch_size=4)


def test_a_cache_is_made_once_for_the_same_pictures_and_policy(tmp_path: Path) -> None:
    dataset, said = photographs(tmp_path / "photos"), list[str]()
    first = cached(dataset, tmp_path / "cache", SMALL, said.append)
    again = cached(dataset, tmp_path / "cache", SMALL, said.append)
    cached(dataset, tmp_path / "cache", replace(SMALL, exif=False), said.append)
    assert ["written" in line for line in said] == [True, False, True]
    assert len(list((tmp_path / "cache").iterdir())) == 2
    assert first.train is not None and again.train is not None and dataset.train is not None
    assert all(map(torch.equal, batches(first.train, SMALL), batches(dataset.train, SMALL)))


@pytest.mark.parametrize(
    ("name", "sentence"), [("photos.bin", r"does not end in \.pack"), ("there.pack", "is there already; remove it")]
)
def test_a_place_where_no_pack_can_be_is_refused(tmp_path: Path, name: str, sentence: str) -> None:
    (tmp_path / "there.pack").touch()
    with pytest.raises(DataError, match=sentence):
        pack(photographs(tmp_path / "photos"), tmp_path / name, SMALL)


def changed(path: Path, change: Any) -> Path:
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    change(header)
    text = json.dumps(header).encode().ljust(size)
    other = path.with_name("changed.pack")
    other.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + size :])
    return other


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda h: h.pop("__metadata__"), "is no pack of resnets, or damaged"),
        (lambda h: h["__metadata__"].update({"resnets.pack": "{}"}), "is no pack of resnets, or damaged"),
        (lambda h: h["train.pixels"].update(data_offsets=[0, 10**12]), "train.pixels lies outside the file"),
        (lambda h: h["train.labels"].update(shape=[10**9]), "train.labels lies outside the file"),
        (lambda h: h["train.labels"].update(dtype="F64"), "is no pack of resnets, or damaged"),
        (lambda h: h.pop("train.starts"), "lacks 'train.starts'"),
        (lambda h: h.update({"train.starts": h["train.labels"], "train.labels": h["train.starts"]}), "a label is"),
        (lambda h: h.update({"train.name_ends": h["train.starts"]}), "does not fit its pixels"),
    ],
)
def test_a_damaged_pack_is_refused_with_what_is_wrong(tmp_path: Path, change: Any, sentence: str) -> None:
    pack(photographs(tmp_path / "photos"), tmp_path / "photos.pack", SMALL)
    with pytest.raises((DataError, FileError), match=sentence):
        read_pack(changed(tmp_path / "photos.pack", change))


@pytest.mark.parametrize("length", [0, 4, 100, 1500, -1])
def test_a_pack_that_is_cut_short_is_refused(tmp_path: Path, length: int) -> None:
    pack(photographs(tmp_path / "photos"), tmp_path / "photos.pack", SMALL)
    data = (tmp_path / "photos.pack").read_bytes()
    (tmp_path / "short.pack").write_bytes(data[:length])
    with pytest.raises((DataError, FileError)):
        read_pack(tmp_path / "short.pack")


def test_a_pack_that_is_exchanged_under_a_run_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "photos.pack"
    pack(photographs(tmp_path / "photos"), path, SMALL)
    source = read_pack(path).train
    assert source is not None
    path.unlink()
    pack(photographs(tmp_path / "other", count=6), path, SMALL)
    fresh = pickle.loads(pickle.dumps(source))
    from resnets.data.sources import packed

    packed._MAPS.clear()  # as in a process that has just begun
    with pytest.raises(DataError, match="was changed while it was in use"):
        fresh.raw(0)


def test_files_from_several_folders_keep_their_names(tmp_path: Path) -> None:
    photographs(tmp_path / "photos", count=10)
    paths = sorted((tmp_path / "photos").rglob("*.png"))
    dataset = DataSet(
        name="some", classes=("a",), train=FileSource.of(paths, np.zeros(10, np.int64)), test=None, fingerprint=""
    )
    pack(dataset, tmp_path / "some.pack", SMALL)
    kept = read_pack(tmp_path / "some.pack").train
    assert kept is not None and [kept.name(k) for k in range(10)] == list(map(str, paths))
