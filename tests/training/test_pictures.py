"""Pictures of every kind in training: how they are read, left out, kept, measured and mixed, and a run resumed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from resnets.data import measure as measuring
from resnets.data.dataset import DataSet
from resnets.data.errors import DataError
from resnets.data.loader import Batch, Loader
from resnets.data.manifest import LeftOut, Manifest, name_in_manifest, write_manifest
from resnets.data.open import open_data
from resnets.data.reading import Reading
from resnets.data.source import ArraySource
from resnets.net.world import ALONE
from resnets.spec.preprocess import IMAGENET, Preprocess
from resnets.training import train as training
from resnets.training.balance import Balance
from resnets.training.loop import fit
from resnets.training.loss import losses, targets
from resnets.training.optimizer import optimizer
from resnets.training.prepare import loader, prepare
from resnets.training.recipes import recipe
from resnets.training.request import Request
from resnets.training.run import RunFolder
from resnets.training.state import Seen, State
from resnets.training.watch import Watch
from tests import tiny

QUICK: dict[str, Any] = {"recipe_name": "digits", "epochs": 2, "batch_size": 6, "size": (8, 8)}
GREY = tiny.SMALL | {"in_channels": 1}
BANDS = tiny.SMALL | {"in_channels": 5}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Twenty PNG files, of which sixteen are to train on."""
    return tiny.write_pictures(tmp_path / "photos", each=10)


@pytest.fixture
def bands(tmp_path: Path) -> Path:
    """Twenty NPY files of five bands, each of its own brightness."""
    chance = np.random.default_rng(2)
    for name in ("ant", "bee"):
        (tmp_path / "bands" / name).mkdir(parents=True)
        for number in range(10):
            pixels = chance.integers(0, 40, (8, 8, 5)) + np.arange(5) * 50
            np.save(tmp_path / "bands" / name / f"{number}.npy", pixels.astype(np.uint8))
    return tmp_path / "bands"


NPY = Reading(formats=("NPY",))


def manifest_of(data: Path, path: Path, count: int = 1) -> Path:
    """A manifest that leaves out the first training pictures."""
    found = open_data(data)
    assert found.train is not None and found.test is not None
    names = [name_in_manifest(found.train, number) for number in range(count)]
    manifest = Manifest(
        name=found.name,
        fingerprint=found.fingerprint,
        counts={"train": len(found.train), "test": len(found.test)},
        settings={},
        left_out=tuple(LeftOut(name, "train", "constant", "it is grey") for name in names),
        kept={},
    )
    write_manifest(path, manifest)
    return path


def asked(data: DataSet, **request: Any) -> Request:
    row = request.pop("recipe", recipe("digits"))
    facts = request.pop("facts", tiny.SMALL)
    return Request(
        data_name=data.name, data_sha256=data.fingerprint, data_split=data.split, model=tiny.ROW, recipe=row,
        size=request.pop("size", (8, 8)), facts=facts, **request,
    )  # fmt: skip


# What was asked for is what happens, and is written down.


def test_pictures_are_read_as_asked(photos: Path, tmp_path: Path) -> None:
    trained = tiny.run(photos, tmp_path / "run", reading=Reading(test_share=0.5), **QUICK)
    assert trained.model.card.origin["data"]["pictures"] == 10
    assert json.loads((tmp_path / "run" / "recipe.json").read_text())["reading"]["test_share"] == 0.5


def test_pictures_in_a_manifest_are_not_trained_on(photos: Path, tmp_path: Path) -> None:
    manifest = manifest_of(photos, tmp_path / "left.json", 3)
    said: list[str] = []
    trained = tiny.run(photos, tmp_path / "run", manifest=manifest, say=said.append, **QUICK)
    assert trained.model.card.origin["data"]["pictures"] == 13
    assert "Left out by the manifest: 3 pictures (3 constant)." in said
    assert (tmp_path / "run" / "manifest.json").read_bytes() == manifest.read_bytes()
    assert (tmp_path / "run" / "split.csv").read_text().count("train") == 13


def test_formats_that_are_read_are_those_the_model_reads_afterwards(tmp_path: Path) -> None:
    for name in ("ant", "bee"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(6):
            Image.new("RGB", (8, 8), (number * 40, 9, 200)).save(tmp_path / "data" / name / f"{number}.bmp")
    data = open_data(tmp_path / "data", Reading(formats=("BMP",)))
    for pixels, formats in (({}, ("BMP",)), ({"formats": ("PNG", "BMP")}, ("PNG", "BMP"))):
        parts = prepare(data, asked(data, reading=Reading(formats=("BMP",)), pixels=pixels), say=print)
        assert parts.preprocess.formats == formats
    trained = tiny.run(tmp_path / "data", tmp_path / "run", reading=Reading(formats=("BMP",)), **QUICK)
    assert (trained.skipped, trained.model.card.preprocess.formats) == ((), ("BMP",))


def test_fields_of_the_preprocess_are_changed_as_asked(photos: Path) -> None:
    data = open_data(photos)
    given = {"fit": "pad", "alpha": (0, 1, 2), "exif": False}
    preprocess = prepare(data, asked(data, pixels=given), say=print).preprocess
    assert (preprocess.fit, preprocess.resize, preprocess.alpha, preprocess.exif) == ("pad", None, (0, 1, 2), False)
    preprocess = prepare(data, asked(data, pixels={"resize": 11}), say=print).preprocess
    assert (preprocess.fit, preprocess.resize) == ("crop", 11)


def test_kept_pictures_are_trained_on_in_place_of_the_files(photos: Path, tmp_path: Path) -> None:
    said: list[str] = []
    first = tiny.run(photos, tmp_path / "a", cache=tmp_path / "cache", say=said.append, **QUICK)
    assert any("decoded pictures were written to" in line for line in said)
    for path in photos.rglob("*.png"):
        path.write_bytes(bytes(path.stat().st_size))  # no picture any more, of the same size
    again = tiny.run(photos, tmp_path / "b", cache=tmp_path / "cache", say=said.append, **QUICK)
    assert any("decoded pictures are taken from" in line for line in said)
    assert first.path.read_bytes() == again.path.read_bytes()
    assert (first.skipped, again.skipped) == ((), ())
    kept = [json.loads((tmp_path / name / "recipe.json").read_text())["cache"] for name in "ab"]
    assert kept == [str(tmp_path / "cache")] * 2


def test_kept_pictures_give_the_model_that_the_files_give(photos: Path, tmp_path: Path) -> None:
    models = [tiny.run(photos, tmp_path / name, cache=cache, held_out=4, **QUICK).path.read_bytes()
              for name, cache in (("files", None), ("kept", tmp_path / "cache"))]  # fmt: skip
    assert models[0] == models[1]


def test_workers_and_their_kind_reach_the_loader(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[dict[str, Any]] = []

    def spy(*args: Any, **settings: Any) -> Loader:
        given.append(settings)
        return loader(*args, workers=0)

    monkeypatch.setattr(training, "loader", spy)
    tiny.run(photos, tmp_path / "run", workers=3, kind="processes", **QUICK)
    assert given == [{"workers": 3, "kind": "processes"}]
    data = open_data(photos)
    row = recipe("digits", batch_size=5, seed=9, decoding="fast")
    parts = prepare(data, asked(data, recipe=row), say=print)
    batches = loader(parts, row, ALONE, workers=5, kind="processes")
    assert (batches.workers, batches.kind, batches.seed, batches.shuffle) == (5, "processes", 9, True)
    assert (batches.preprocess.decoding, parts.preprocess.decoding) == ("fast", "exact")
    assert batches.batches_per_epoch == 3  # of 16 pictures: the last of them joins the five before


# Pictures in one channel, or in many.


def test_files_in_grey_are_measured_in_grey(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = open_data(photos)
    assert data.train is not None
    preprocess = prepare(data, asked(data, facts=GREY), say=print).preprocess
    grey = np.stack([np.asarray(data.train.image(k).convert("L")) for k in range(len(data.train))]) / 255
    assert preprocess.colour == "grey"
    assert preprocess.mean == pytest.approx((grey.mean(),), abs=1e-4)
    assert preprocess.std == pytest.approx((grey.std(),), abs=1e-4)
    monkeypatch.setattr(measuring, "MEASURED", 2)  # the first and the last
    preprocess = prepare(data, asked(data, facts=GREY), say=print).preprocess
    assert preprocess.mean == pytest.approx((grey[[0, -1]].mean(),), abs=1e-4)


@pytest.mark.parametrize("facts", [tiny.SMALL, tiny.SMALL | {"in_channels": 3}])
def test_photographs_in_colour_keep_the_numbers_that_are_published(facts: dict[str, Any], photos: Path) -> None:
    data = open_data(photos)
    preprocess = prepare(data, asked(data, facts=facts), say=print).preprocess
    assert (preprocess.colour, preprocess.mean, preprocess.std) == ("rgb", IMAGENET.mean, IMAGENET.std)


def test_files_of_many_bands_are_measured_band_by_band(bands: Path) -> None:
    data = open_data(bands, NPY)
    parts = prepare(data, asked(data, facts=BANDS, reading=NPY), say=print)
    assert (parts.preprocess.colour, parts.preprocess.channels, parts.preprocess.formats) == ("bands", 5, ("NPY",))
    assert parts.preprocess.mean == pytest.approx((np.arange(5) * 50 + 19.5) / 255, abs=0.01)
    assert parts.network.architecture.in_channels == 5


# Refusals, before anything is written.


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        ({"augmentation": "overhead", "size": (8, 16)}, "quarter_turns=True needs square pictures"),
        ({"facts": BANDS, "augmentation": "trivial"}, "changes colours, and bands are none"),
        ({"pixels": {"fit": "stretch"}}, "fit='stretch' is not possible"),
        ({"pixels": {"resize": 4}}, "resize=4 is not possible"),
        ({"pixels": {"colour": "grey", "mean": (0.5,), "std": (0.5,)}}, "takes 3 channels and the pictures have 1"),
    ],
)
def test_what_pictures_do_not_allow_is_refused(
    request_: dict[str, Any], sentence: str, bands: Path, photos: Path, tmp_path: Path
) -> None:
    data, reading = (bands, NPY) if "facts" in request_ else (photos, None)
    with pytest.raises(ValueError, match=sentence):
        tiny.run(data, tmp_path / "run", reading=reading, **QUICK | request_)
    assert not (tmp_path / "run").exists()


def test_numbers_in_place_of_classes_are_not_trained_on(tmp_path: Path) -> None:
    several = ArraySource(tiny.array(12).pixels, np.eye(12, 3, dtype=np.float32), "train")
    data = DataSet(name="numbers", classes=("a", "b", "c"), train=several, test=None, fingerprint="")
    with pytest.raises(DataError, match="a picture of numbers has numbers in place of a class"):
        tiny.run(data, tmp_path / "run", **QUICK)
    assert not (tmp_path / "run").exists()


def several(count: int, seed: int = 0) -> ArraySource:
    """Pictures with any of three marks: a bright top row, a bright left side, a bright middle."""
    chance = np.random.default_rng(seed)
    labels = chance.random((count, 3)) < 0.4
    pixels = chance.integers(0, 60, (count, 8, 8, 3)).astype(np.uint8)
    pixels[labels[:, 0], :2] += 180
    pixels[labels[:, 1], 2:, :2] += 180
    pixels[labels[:, 2], 3:6, 3:6] += 180
    return ArraySource(pixels, labels, "train")


@pytest.mark.parametrize("imbalance", ["ignore", "weights"])
def test_pictures_of_several_classes_are_learnt(imbalance: str, tmp_path: Path) -> None:
    data = DataSet(
        name="marks", classes=("top", "left", "middle"), train=several(160), test=several(40, 1), fingerprint=""
    )
    trained = tiny.run(data, tmp_path / "run", **QUICK | {"epochs": 12, "batch_size": 16, "imbalance": imbalance})
    assert trained.model.card.task == "classes"
    assert trained.report is not None
    assert trained.report.headline[0] == "map"
    assert trained.report.headline[1] > 0.95
    assert lines(tmp_path / "run")[-1]["map"] == trained.report.headline[1]


# Mixed pictures.


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_of_a_mixed_picture_is_that_of_both_labels_in_their_shares(smoothing: float) -> None:
    logits = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    labels, partners, share = torch.tensor([0, 2, 1]), torch.tensor([2, 1, 0]), torch.tensor([0.7, 1.0, 0.1])
    batch = Batch(
        images=torch.zeros(3), labels=labels, indices=torch.arange(3), after=1, partners=partners, share=share
    )
    wanted = torch.full((3, 4), smoothing / 4)
    for k in range(3):
        wanted[k, labels[k]] += (1 - smoothing) * share[k]
        wanted[k, labels[partners[k]]] += (1 - smoothing) * (1 - share[k])
    by_hand = -(wanted * logits.log_softmax(1)).sum(1).mean()
    row = recipe("digits", label_smoothing=smoothing)
    assert losses(logits, targets(batch), row, Balance()).mean().item() == pytest.approx(by_hand.item(), rel=1e-6)


def test_workers_do_not_change_what_mixed_pictures_teach(photos: Path, tmp_path: Path) -> None:
    models = [tiny.run(photos, tmp_path / f"{workers}-{row}", workers=workers, **QUICK, augmentation=row)
              for workers, row in ((0, "trivial"), (3, "trivial"), (0, "none"))]  # fmt: skip
    mixed, helped, plain = (model.path.read_bytes() for model in models)
    assert mixed == helped != plain


def test_the_time_that_training_waited_for_pictures_adds_up() -> None:
    class Waiting(Loader):
        """A loader that says it was waited for."""

        def epoch(self, n: int, start: int = 0) -> Iterator[Batch]:
            return (replace(batch, waited=0.25) for batch in super().epoch(n, start))

    row, network = recipe("digits", precision="fp32"), tiny.network()
    state = State(network=network, optimizer=optimizer(network, row), recipe=row, device=torch.device("cpu"), total=5)
    preprocess = Preprocess(size=(8, 8))
    fit(state, Waiting(tiny.array(12), preprocess, batch_size=4), Unwatched())
    assert (state.step, state.progress.waited) == (5, 1.25)


class Unwatched:
    """A watcher that looks away."""

    def step(self, state: State, seen: Seen) -> None:
        """Look away."""

    def epoch(self, state: State) -> None:
        """Look away."""


# A run that was stopped ends as if it had never been.


class Stopped(BaseException):
    """The plug is pulled."""


class StopAtFour(Watch):
    """Stops within the second epoch."""

    def step(self, state: State, seen: Seen) -> None:
        super().step(state, seen)
        if state.step == 4:
            raise Stopped


def stop(data: object, out: Path, **request: Any) -> None:
    with pytest.raises(Stopped):
        tiny.run(data, out, watch=StopAtFour(), **QUICK | request)  # type: ignore[arg-type]


def lines(out: Path) -> list[dict[str, Any]]:
    kept = RunFolder(out).lines()
    return [{key: value for key, value in line.items() if key not in ("seconds", "waiting")} for line in kept]


REQUESTS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "reading": lambda root: {"reading": Reading(test_share=0.4, split_seed=3)},
    "manifest": lambda root: {"manifest": manifest_of(root / "photos", root / "left.json", 2)},
    "cache": lambda root: {"cache": root / "cache"},
    "pixels": lambda root: {"pixels": {"fit": "pad", "mean": (0.1, 0.2, 0.3)}, "size": (8, 12)},
    "grey": lambda root: {"facts": GREY},
    "mixing": lambda root: {"augmentation": "rand"},
    "fast and exact": lambda root: {"decoding": "exact", "augmentation": "photos"},
}


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_a_stopped_run_ends_in_the_same_bytes(
    request_: Callable[[Path], dict[str, Any]], photos: Path, tmp_path: Path
) -> None:
    given = request_(tmp_path)
    tiny.run(photos, tmp_path / "whole", **QUICK | given)
    stop(photos, tmp_path / "stopped", **given)
    training.train(photos, resume=tmp_path / "stopped", device="cpu", workers=3)
    whole, stopped = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "stopped"))
    assert whole == stopped
    assert lines(tmp_path / "whole") == lines(tmp_path / "stopped")


def test_a_stopped_run_on_bands_ends_in_the_same_bytes(bands: Path, tmp_path: Path) -> None:
    for out, end in (("whole", tiny.run), ("stopped", stop)):
        end(bands, tmp_path / out, facts=BANDS, reading=NPY, **QUICK)
    training.train(bands, resume=tmp_path / "stopped", device="cpu")
    whole, stopped = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "stopped"))
    assert whole == stopped


@pytest.mark.parametrize(
    "other", [{"reading": Reading(split_seed=1)}, {"manifest": "left.json"}, {"pixels": {"exif": False}}], ids=str
)
def test_a_resumed_run_takes_no_other_pictures(other: dict[str, Any], photos: Path, tmp_path: Path) -> None:
    stop(photos, tmp_path / "run")
    with pytest.raises(ValueError, match="goes on with its own recipe, size, facts and pictures; leave those out"):
        training.train(photos, resume=tmp_path / "run", device="cpu", **other)


def test_a_resumed_run_keeps_the_cache_it_was_started_with(photos: Path, tmp_path: Path) -> None:
    stop(photos, tmp_path / "run", cache=tmp_path / "cache")
    (pack,) = (tmp_path / "cache").iterdir()
    pack.unlink()
    training.train(resume=tmp_path / "run", device="cpu")
    assert pack.exists()
    with pytest.raises(ValueError, match="goes on with its own recipe"):
        training.train(resume=tmp_path / "run", device="cpu", cache=tmp_path / "other")


def test_pictures_that_were_moved_are_found_where_they_are_given_again(photos: Path, tmp_path: Path) -> None:
    stop(photos, tmp_path / "run")
    moved = photos.rename(tmp_path / "moved")
    with pytest.raises(ValueError, match=r"nothing is there now; say where they are: resnets train DATA --resume"):
        training.train(resume=tmp_path / "run", device="cpu")
    assert training.train(moved, resume=tmp_path / "run", device="cpu").path.exists()


def test_a_run_that_was_given_a_path_from_here_and_a_cache_goes_on_from_anywhere(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photos.parent)
    stop(photos.name, tmp_path / "run", cache=tmp_path / "cache")
    monkeypatch.chdir(tmp_path)
    assert training.train(resume=tmp_path / "run", device="cpu").path.exists()
    assert len(list((tmp_path / "cache").iterdir())) == 1


@pytest.mark.parametrize(("imbalance", "task"), [("sampler", "several"), ("logits", "several")])
def test_several_classes_are_not_balanced_by_drawing_or_by_priors(imbalance: str, task: str, tmp_path: Path) -> None:
    data = DataSet(name=task, classes=("top", "left", "middle"), train=several(20), test=None, fingerprint="")
    with pytest.raises(ValueError, match=f"imbalance='{imbalance}' is for one class.*allowed: ignore, weights"):
        tiny.run(data, tmp_path / "run", **QUICK | {"imbalance": imbalance})


def test_numbers_of_the_augmentation_are_numbers_of_the_recipe() -> None:
    row = recipe("torchvision", mixup=0.7, augmenting=(("erase", 0.5),))
    assert (row.augment().mixup, row.augment().erase, row.augment().cutmix) == (0.7, 0.5, 1.0)
    with pytest.raises(ValueError, match="Did you mean 'recipe_name'"):
        recipe("digits", recipe="mnist")


def test_a_resumed_run_refuses_another_split(photos: Path, tmp_path: Path) -> None:
    stop(photos, tmp_path / "run")
    split = tmp_path / "run" / "split.csv"
    rows = split.read_text().splitlines()
    split.write_text("\n".join(row.replace("train", "test") if number == 2 else row for number, row in enumerate(rows)))
    with pytest.raises(ValueError, match="was started with another split"):
        training.train(photos, resume=tmp_path / "run", device="cpu")


def test_what_a_killed_run_was_writing_is_removed_from_both_folders(photos: Path, tmp_path: Path) -> None:
    stop(photos, tmp_path / "run")
    torn = [tmp_path / "run" / folder / ".x.json.77.0123abcd.part" for folder in (".", "state")]
    for path in torn:
        path.touch()
    training.train(photos, resume=tmp_path / "run", device="cpu")
    assert [path for path in torn if path.exists()] == []
