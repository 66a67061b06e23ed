"""Robustness: the paper's equations by hand, chance that belongs to the picture, and one real network."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from resnets.data.dataset import DataSet
from resnets.data.source import ArraySource
from resnets.evaluation.corruptions import CORRUPTIONS, Corrupted
from resnets.evaluation.evaluate import evaluate
from resnets.evaluation.intervals import Interval
from resnets.evaluation.robustness import RobustnessReport, robustness
from resnets.spec.preprocess import Preprocess
from resnets.weights.modelfile import Model
from tests import tiny


def share(value: float) -> Interval:
    return Interval(value, value, value)


def report(clean: float, noise: tuple[float, ...], blur: tuple[float, ...], **more: Any) -> RobustnessReport:
    corrupted = {"gaussian_noise": tuple(map(share, noise)), "defocus_blur": tuple(map(share, blur))}
    return RobustnessReport(pictures=10, severities=(1, 3), clean=share(clean), corrupted=corrupted, **more)


def test_the_equations_are_the_papers() -> None:
    reference = report(0.8, (0.6, 0.2), (0.7, 0.5))  # errors 0.2 clean; 0.4 + 0.8 and 0.3 + 0.5
    model = report(0.9, (0.8, 0.4), (0.5, 0.3), reference=reference)  # 0.1 clean; 0.2 + 0.6 and 0.5 + 0.7
    assert model.corruption_errors == pytest.approx({"gaussian_noise": 0.8 / 1.2, "defocus_blur": 1.2 / 0.8})
    assert model.mce == pytest.approx((0.8 / 1.2 + 1.2 / 0.8) / 2)
    assert model.relative_errors == pytest.approx(
        {"gaussian_noise": (0.8 - 0.2) / (1.2 - 0.4), "defocus_blur": (1.2 - 0.2) / (0.8 - 0.4)}
    )
    assert model.relative_mce == pytest.approx((0.6 / 0.8 + 1.0 / 0.4) / 2)
    assert model.mean_error == pytest.approx((0.2 + 0.6 + 0.5 + 0.7) / 4)
    assert model.top1 == pytest.approx(0.5)
    assert "mCE 108.3%, relative mCE 162.5% of the reference" in model.sentence()


def test_a_model_is_as_good_as_itself() -> None:
    same = report(0.8, (0.6, 0.2), (0.7, 0.5))
    assert replace(same, reference=same).mce == replace(same, reference=same).relative_mce == pytest.approx(1)


def test_there_is_no_ratio_to_a_reference_without_errors() -> None:
    perfect = report(1.0, (1.0, 1.0), (0.9, 0.8))
    model = report(0.9, (0.8, 0.4), (0.5, 0.3), reference=perfect)
    assert model.corruption_errors["gaussian_noise"] is None
    assert model.mce is model.relative_mce is None
    assert "mCE unknown" in model.sentence()
    flat = report(0.8, (0.8, 0.8), (0.7, 0.5))  # errors that do not grow
    assert report(0.9, (0.8, 0.4), (0.5, 0.3), reference=flat).relative_errors["gaussian_noise"] is None


def test_without_a_reference_there_are_errors_and_no_ratios() -> None:
    found = json.loads(json.dumps(report(0.9, (0.8, 0.4), (0.5, 0.3)).to_dict()))
    assert found["mce"] is found["relative_mce"] is found["reference"] is None
    assert found["mean_error"] == pytest.approx(0.5)
    assert [each["value"] for each in found["corrupted"]["gaussian_noise"]] == [0.8, 0.4]


# The flow, with a library that stands for the one that corrupts.


def darken(image: Any, severity: int, corruption_name: str, seed: int | None = None) -> Any:
    """Black for blur at 5; otherwise a pixel of chance, from the global generator or the seed that is given."""
    assert image.shape[2] == 3
    assert image.dtype == np.uint8
    assert (seed is not None) == (corruption_name in ("impulse_noise", "glass_blur"))
    if corruption_name == "defocus_blur":
        return np.zeros_like(image) if severity == 5 else image.copy()
    made = image.copy()
    time.sleep(0.001)  # time enough for another thread to seed the same generator
    made[0, 0] = seed % 256 if seed is not None else np.random.randint(256, size=3)
    return made


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("imagecorruptions")
    module.corrupt = darken  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "imagecorruptions", module)


def model(seed: int = 0, channels: int = 3, side: int = 32) -> Model:
    made = tiny.model(seed, channels=channels)
    return replace(made, card=replace(made.card, preprocess=replace(made.card.preprocess, size=(side, side))))


def pictures(count: int = 12, side: int = 32) -> DataSet:
    small = tiny.array(count)
    large = ArraySource(np.repeat(np.repeat(small.pixels, side // 8, 1), side // 8, 2), small.labels, "test")
    return DataSet(name="noise", classes=("ant", "bee", "cat"), train=None, test=large, fingerprint="")


BLUR: dict[str, Any] = {"corruptions": ("defocus_blur",), "severities": (1, 5)}


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_not_corrupted_is_answered_as_by_evaluate(channels: int) -> None:
    found = robustness(model(channels=channels), pictures(), **BLUR)
    clean = evaluate(model(channels=channels), pictures()).headline[1]
    assert found.clean.value == found.corrupted["defocus_blur"][0].value == clean
    black = found.corrupted["defocus_blur"][1].value  # one answer to all: a third is right
    assert black == pytest.approx(1 / 3)
    assert found.pictures == 12


def shown_to(made: Model) -> list[torch.Tensor]:
    """A list to which every batch is added that the network is shown from now on."""
    seen: list[torch.Tensor] = []
    made.network.register_forward_pre_hook(lambda module, given: seen.append(given[0].clone()))
    return seen


@pytest.mark.usefixtures("library")
def test_pictures_are_corrupted_at_the_size_that_the_network_is_shown() -> None:
    wide = Preprocess(size=(32, 32), resize=48, mean=(0.5,), std=(0.25,))
    made = replace(model(), card=replace(model().card, preprocess=wide))
    source = tiny.array(12)
    noise = np.random.default_rng(0).integers(0, 256, (12, 64, 64, 3), dtype=np.uint8)
    data = replace(pictures(), test=replace(source, pixels=noise))
    seen = shown_to(made)
    robustness(made, data, **BLUR)
    clean, at_one, at_five = seen
    assert clean.shape == (12, 3, 32, 32)
    assert torch.equal(clean, at_one), "neither resized nor cut a second time"
    assert (at_five == -2).all(), "black"


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("corruption", ["gaussian_noise", "impulse_noise"])
def test_chance_is_of_the_picture_the_corruption_the_severity_and_the_seed(corruption: str) -> None:
    def corner(index: int, name: str = corruption, severity: int = 1, seed: int = 0, part: Any = None) -> list[int]:
        source = Corrupted.of(pictures().test, Preprocess(size=(32, 32)), name, severity, seed)  # type: ignore[arg-type]
        raw = (source if part is None else source.take(np.array(part))).raw(index)
        assert isinstance(raw, np.ndarray)
        return list(raw[0, 0])

    assert corner(5) == corner(5) == corner(0, part=[5, 2])
    others = [corner(4), corner(5, severity=2), corner(5, seed=1), corner(5, name="shot_noise")]
    assert corner(5) not in others


@pytest.mark.usefixtures("library")
def test_the_callers_chance_is_left_alone() -> None:
    np.random.seed(3)
    wanted = np.random.random()
    np.random.seed(3)
    robustness(model(), pictures(4), corruptions=("fog",), severities=(1,))
    assert np.random.random() == wanted


@pytest.mark.usefixtures("library")
def test_workers_change_nothing() -> None:
    made, batches = model(), []
    seen = shown_to(made)
    for workers in (0, 3):
        seen.clear()
        robustness(made, pictures(24), corruptions=("fog",), severities=(1,), batch_size=6, workers=workers)
        batches.append(torch.cat(seen[4:]))
    assert torch.equal(*batches)


@pytest.mark.usefixtures("library")
def test_a_limit_takes_pictures_from_everywhere() -> None:
    assert robustness(model(), pictures(12), limit=5, **BLUR).pictures == 5


@pytest.mark.usefixtures("library")
def test_a_reference_is_asked_about_the_same_pictures() -> None:
    found = robustness(model(), pictures(), model(1), **BLUR)
    assert found.reference == robustness(model(1), pictures(), **BLUR)
    assert found.mce is not None


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    ("made", "how", "said"),
    [
        (model(), {"corruptions": ("rain",)}, "corruptions=rain is not possible; allowed: each once of gaussian_noise"),
        (model(), {"severities": (0, 1)}, "severities=0 is not possible; allowed: each once of 1, 2"),
        (model(), {"severities": (2, 2)}, "severities=2, 2 is not possible"),
        (model(), {"corruptions": ()}, "corruptions=none is not possible"),
        (model(), {"limit": 0}, "limit=0 is not possible"),
        (model(), {"split": "train"}, "has no train pictures"),
        (model(side=16), {}, "32x32 pixels or more, and this model is shown 16x16"),
    ],
)
def test_what_cannot_be_corrupted_is_refused(made: Model, how: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        robustness(made, pictures(), **how)


def test_without_the_library_its_name_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imagecorruptions", None)
    with pytest.raises(ValueError, match=r"pip install 'resnets\[robustness\]'"):
        robustness(model(), pictures())


# The library itself.


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_the_library_has_each_corruption_and_repeats_it(name: str) -> None:
    found = pytest.importorskip("imagecorruptions")
    assert name in found.get_corruption_names("common")
    noise = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    source, shown = ArraySource(noise, np.zeros(2, np.int64), "test"), Preprocess(size=(32, 32))
    one, again = (Corrupted.of(source, shown, name, 2, 0).raw(1) for _ in range(2))
    assert isinstance(one, np.ndarray)
    assert (one.shape, one.dtype) == ((32, 32, 3), np.uint8)
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, noise[1])


@pytest.mark.slow
def test_a_real_network_loses_more_the_worse_it_gets(shared_data: Path, cifar10_folder: Path) -> None:
    pytest.importorskip("imagecorruptions")
    published = shared_data / "weights-cifar10-akamaster" / "resnet20-12fca82f.th"
    found = robustness(published, cifar10_folder, corruptions=("gaussian_noise", "brightness"), limit=200)
    assert found.clean.value > 0.87
    noise = [each.value for each in found.corrupted["gaussian_noise"]]
    assert noise[0] > noise[2] > noise[4]
    assert found.corrupted["brightness"][0].value > noise[0]
