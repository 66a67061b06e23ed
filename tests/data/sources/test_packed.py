"""Pack: the same pixels as from the files, in one file that is whole or not there."""

from __future__ import annotations

import json
import os
import pickle
import time
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
from resnets.data.reading import Reading
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
    first, _ = cached(dataset, tmp_path / "cache", SMALL, said.append)
    again, _ = cached(dataset, tmp_path / "cache", SMALL, said.append)
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


# What is written.


def bands_of(root: Path, numbers: np.ndarray) -> DataSet:
    """A data set of NPY files, one for each of `numbers` (N, H, W, C)."""
    for index, picture in enumerate(numbers):
        path = root / "ab"[index % 2] / f"{index}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, picture)
    return open_data(root, Reading(formats=("NPY",)))


def test_a_picture_that_was_left_out_takes_nothing_of_its_neighbours_along(tmp_path: Path) -> None:
    dataset = photographs(tmp_path / "photos", bad=(4,))
    left = pack(dataset, tmp_path / "photos.pack", SMALL, bad_limit=0.1)
    assert [(Path(name).name, "truncated" in reason) for name, reason in left] == [("4.png", True)]
    packed = read_pack(tmp_path / "photos.pack")
    for part in ("train", "test"):
        files, kept = getattr(dataset, part), getattr(packed, part)
        expected = [(files.name(k), files.labels[k]) for k in range(len(files)) if not files.name(k).endswith("/4.png")]
        assert [(kept.name(k), kept.labels[k]) for k in range(len(kept))] == expected


def test_what_was_found_while_reading_is_kept(tmp_path: Path) -> None:
    dataset = photographs(tmp_path / "photos")
    pack(dataset, tmp_path / "photos.pack", SMALL)
    assert read_pack(tmp_path / "photos.pack").notes == dataset.notes != ()


def test_who_waits_is_told_of_every_picture(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    pack(photographs(tmp_path / "a"), tmp_path / "a.pack", SMALL, seen=lambda *numbers: told.append(numbers))
    assert told == [(number, 12) for number in range(1, 13)]


def test_pictures_are_decoded_a_few_ahead_and_no_more(tmp_path: Path) -> None:
    begun: list[int] = []

    class Counting(ArraySource):
        def raw(self, index: int) -> np.ndarray:
            begun.append(index)
            return super().raw(index)

    source = Counting(np.zeros((200, 8, 8, 3), np.uint8), np.zeros(200, np.int64), "train")
    dataset = DataSet(name="zeros", classes=("a",), train=source, test=None, fingerprint="")
    ahead: list[int] = []

    def seen(done: int, total: int) -> None:
        if done in (1, 50):
            time.sleep(0.05)
            ahead.append(len(set(begun)) - done)

    pack(dataset, tmp_path / "zeros.pack", SMALL, workers=2, seen=seen)
    assert max(ahead) <= 9


def test_the_header_and_the_first_index_lie_where_eight_bytes_are_aligned(tmp_path: Path) -> None:
    source = ArraySource(np.zeros((3, 5, 5, 3), np.uint8), np.zeros(3, np.int64), "train")  # 225 bytes
    for name in ("x", "xx", "xxx"):
        dataset = DataSet(name=name, classes=("a",), train=source, test=None, fingerprint="")
        pack(dataset, tmp_path / f"{name}.pack", replace(SMALL, size=(5, 5), resize=None))
        data = (tmp_path / f"{name}.pack").read_bytes()
        size = int.from_bytes(data[:8], "little")
        assert size % 8 == 0
        assert json.loads(data[8 : 8 + size])["train.starts"]["data_offsets"][0] % 8 == 0


def test_a_squash_keeps_what_it_makes_of_a_picture(tmp_path: Path) -> None:
    source = ArraySource(np.zeros((1, 100, 20, 3), np.uint8), np.zeros(1, np.int64), "train")
    dataset = DataSet(name="long", classes=("a",), train=source, test=None, fingerprint="")
    preprocess = Preprocess(size=(16, 24), fit="squash")
    pack(dataset, tmp_path / "long.pack", preprocess)
    kept = read_pack(tmp_path / "long.pack").train
    assert kept is not None and kept.raw(0).shape == (16, 24, 3)
    with pytest.raises(DataError, match="side=40 is not possible with fit='squash'"):
        pack(dataset, tmp_path / "other.pack", preprocess, side=40)


def test_a_part_without_pictures_is_kept_as_it_is(tmp_path: Path) -> None:
    dataset = photographs(tmp_path / "photos")
    assert dataset.test is not None
    pack(replace(dataset, test=dataset.test.take(np.arange(0))), tmp_path / "photos.pack", SMALL)
    kept = read_pack(tmp_path / "photos.pack")
    assert kept.test is not None and len(kept.test) == 0


def test_no_bad_picture_is_tolerated_at_a_limit_of_zero_or_when_none_is_left(tmp_path: Path) -> None:
    one = photographs(tmp_path / "one", bad=(3,))
    with pytest.raises(TooManyBadImages, match="1 of 12 images are bad and 0 may be"):
        pack(one, tmp_path / "a.pack", SMALL, bad_limit=0)
    every = photographs(tmp_path / "every", bad=tuple(range(12)))
    with pytest.raises(TooManyBadImages, match="12 of 12 images are bad"):
        pack(every, tmp_path / "a.pack", SMALL, bad_limit=1)
    assert not (tmp_path / "a.pack").exists()


def test_bands_are_kept_in_eight_bits_and_finer_ones_are_named(tmp_path: Path) -> None:
    preprocess = Preprocess(size=(6, 6), colour="bands", mean=(0.5,) * 4, std=(0.2,) * 4, formats=("NPY",))
    chance = np.random.default_rng(0)
    coarse = bands_of(tmp_path / "coarse", chance.integers(0, 256, (8, 6, 6, 4), dtype=np.uint8))
    assert pack(coarse, tmp_path / "coarse.pack", preprocess) == []
    kept = read_pack(tmp_path / "coarse.pack").train
    assert all(map(torch.equal, batches(kept, preprocess), batches(coarse.train, preprocess)))
    fine = bands_of(tmp_path / "fine", chance.integers(0, 65_536, (8, 6, 6, 4), dtype=np.uint16))
    with pytest.raises(TooManyBadImages) as refusal:
        pack(fine, tmp_path / "fine.pack", preprocess)
    assert fine.train is not None
    assert f"{fine.train.name(0)}: its bands are float32; a pack holds 8 bits" in str(refusal.value)


def test_a_band_file_that_is_bad_is_named_by_its_path(tmp_path: Path) -> None:
    preprocess = Preprocess(size=(6, 6), colour="bands", mean=(0.5,) * 4, std=(0.2,) * 4, formats=("NPY",))
    dataset = bands_of(tmp_path / "bands", np.zeros((8, 6, 6, 4), np.uint8))
    assert dataset.train is not None
    Path(dataset.train.name(2)).write_bytes(b"\x93NUMPY")
    assert [name for name, _ in pack(dataset, tmp_path / "bands.pack", preprocess)] == [dataset.train.name(2)]


def test_pictures_that_were_taken_keep_their_groups(tmp_path: Path) -> None:
    source = ArraySource(np.zeros((4, 5, 5, 3), np.uint8), np.arange(4), "train", groups=np.array([7, 8, 9, 7]))
    dataset = DataSet(name="groups", classes=tuple("abcd"), train=source, test=None, fingerprint="")
    pack(dataset, tmp_path / "groups.pack", SMALL)
    kept = read_pack(tmp_path / "groups.pack").train
    assert kept is not None
    some = kept.take(np.array([2, 0]))
    assert some.groups is not None and (some.groups.tolist(), some.labels.tolist()) == ([9, 7], [2, 0])


# The cache.


def test_a_cache_has_a_pack_for_each_set_of_pictures_and_size(tmp_path: Path) -> None:
    first, second = photographs(tmp_path / "1" / "photos"), photographs(tmp_path / "2" / "photos", count=10)
    for dataset in (first, second):
        for preprocess in (SMALL, replace(SMALL, resize=40), replace(SMALL, interpolation="bicubic")):
            kept = cached(dataset, tmp_path / "cache", preprocess, lambda line: None)[0].train
            assert kept is not None and all(
                map(torch.equal, batches(kept, preprocess), batches(dataset.train, preprocess))
            )
    assert len(list((tmp_path / "cache").iterdir())) == 6


def test_a_cache_changes_pictures_alone_and_says_what_it_left_out(tmp_path: Path) -> None:
    dataset, said = photographs(tmp_path / "photos", bad=(2,)), list[str]()
    (tmp_path / "cache").mkdir()
    torn = tmp_path / "cache" / ".photos-0.pack.77.0123abcd.part"
    young = torn.with_name(".photos-1.pack.78.0123abcd.part")  # which another run may be writing
    torn.touch(), young.touch()
    os.utime(torn, (0, 0))
    kept, bad = cached(dataset, tmp_path / "cache", SMALL, said.append)
    again, still = cached(dataset, tmp_path / "cache", SMALL, said.append)
    path = str(tmp_path / "photos" / "cat" / "2.png")
    assert [name for name, _ in bad] == [path] and bad == still
    assert sum(line.startswith(f"left out {path}: ") for line in said) == 2
    assert again.notes == kept.notes
    assert young.exists() and not torn.exists()
    for name in ("name", "classes", "fingerprint", "notes", "class_order", "split"):
        assert getattr(kept, name) == getattr(dataset, name)


# What is refused.


@pytest.mark.parametrize(
    "other",
    [
        {"exif": False},
        {"alpha": (0, 0, 0)},
        {"profile": "ignore"},
        {"frame": 1},
        {"colour": "bands", "mean": (0.5,) * 3, "std": (0.5,) * 3},
    ],
    ids=str,
)
def test_each_part_of_the_policy_must_be_the_packs(other: dict[str, Any], tmp_path: Path) -> None:
    pack(photographs(tmp_path / "photos"), tmp_path / "photos.pack", SMALL)
    source = read_pack(tmp_path / "photos.pack").train
    assert source is not None
    with pytest.raises(DataError, match=f"{next(iter(other))}=.*pack the pictures again with --model MODEL"):
        Loader(source, replace(SMALL, **other), batch_size=4)
    for allowed in ({"size": (8, 8)}, {"fit": "pad", "resize": None}, {"formats": ("PNG",)}, {"decoding": "fast"}):
        Loader(source, replace(SMALL, **allowed), batch_size=4)  # type: ignore[arg-type]


def with_facts(path: Path, **facts: Any) -> Path:
    def change(header: dict[str, Any]) -> None:
        told = json.loads(header["__metadata__"]["resnets.pack"]) | facts
        header["__metadata__"]["resnets.pack"] = json.dumps(told)

    return changed(path, change)


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"schema": 2}, "is a pack of a newer resnets; install that, or pack the pictures again"),
        ({"schema": "1"}, "is no pack of resnets, or damaged"),
        ({"name": 7}, "name is no str"),
        ({"classes": "ab"}, "classes is no list"),
        ({"classes": [1, 2]}, "its facts are not what they should be"),
        ({"classes": ["cat"]}, "a label is 1 and there are 1 classes"),
        ({"notes": [None]}, "its facts are not what they should be"),
        ({"fingerprint": None}, "fingerprint is no str"),
        ({"channels": 0}, "its facts are not what they should be"),
        ({"channels": -3}, "its facts are not what they should be"),
        ({"channels": True}, "channels is no int"),
        ({"channels": 100}, "does not fit its pixels"),
        ({"preprocess": []}, "is no pack of resnets, or damaged"),
    ],
    ids=str,
)
def test_facts_of_a_pack_that_cannot_be_are_refused(facts: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    pack(photographs(tmp_path / "photos"), tmp_path / "photos.pack", SMALL)
    with pytest.raises((DataError, FileError), match=sentence):
        read_pack(with_facts(tmp_path / "photos.pack", **facts))


@pytest.mark.parametrize(
    ("tensor", "dtype", "places", "value"),
    [
        ("shapes", np.int32, [0], 0),
        ("shapes", np.int32, [0, 1], -5),
        ("shapes", np.int32, [0], 30_000),
        ("starts", np.int64, [0], -1),
        ("starts", np.int64, [-1], 10**7),
        ("name_ends", np.int64, [2], 0),
        ("name_ends", np.int64, [-1], 10**6),
    ],
)
def test_an_index_that_leads_out_of_the_pixels_is_refused(
    tensor: str, dtype: type, places: list[int], value: int, tmp_path: Path
) -> None:
    pack(photographs(tmp_path / "photos"), tmp_path / "photos.pack", SMALL)
    data = bytearray((tmp_path / "photos.pack").read_bytes())
    size = int.from_bytes(data[:8], "little")
    first, last = json.loads(data[8 : 8 + size])[f"train.{tensor}"]["data_offsets"]
    numbers = np.frombuffer(data, dtype, (last - first) // np.dtype(dtype).itemsize, 8 + size + first).copy()
    numbers[places] = value
    data[8 + size + first : 8 + size + last] = numbers.tobytes()
    (tmp_path / "damaged.pack").write_bytes(data)
    with pytest.raises(FileError, match="the index of its train pictures does not fit its pixels"):
        read_pack(tmp_path / "damaged.pack")


def test_a_tensor_of_negative_size_is_refused(tmp_path: Path) -> None:
    pack(photographs(tmp_path / "photos"), tmp_path / "photos.pack", SMALL)

    def change(header: dict[str, Any]) -> None:
        header["train.labels"]["shape"] = [-header["train.labels"]["shape"][0], -1]

    with pytest.raises(FileError, match=r"train\.labels lies outside the file"):
        read_pack(changed(tmp_path / "photos.pack", change))


def test_a_folder_may_be_called_a_pack(tmp_path: Path) -> None:
    photographs(tmp_path / "photos.pack")
    assert open_data(tmp_path / "photos.pack").classes == ("cat", "dög")
