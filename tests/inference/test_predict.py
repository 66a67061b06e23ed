"""Prediction: the network's own answers under the right names, in order, and a record for each picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from resnets.inference.predict import Prediction, predict
from resnets.weights.modelfile import Model
from tests import tiny

CLASSES = ("ant", "bee", "cat", "dog", "Füchsin 狐")


@pytest.fixture(scope="module")
def model() -> Model:
    return tiny.model(classes=CLASSES)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Seven pictures at three depths, of the network's own size; some are no pictures."""
    chance = np.random.default_rng(3)
    for name in ("b.png", "a.png", "c/10.png", "c/9.png", "c/d/e.PNG", "z.png", "ä ö.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(chance.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(tmp_path / name)
    for name in ("notes.txt", ".hidden.png", ".cache/x.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("no picture")
    return tmp_path


def by_hand(model: Model, path: Path) -> dict[str, float]:
    """Class -> probability, from the pixels of one picture alone."""
    pixels = torch.from_numpy(np.array(Image.open(path))).permute(2, 0, 1).float() / 255
    with torch.no_grad():
        logits = model.network(((pixels - 0.5) / 0.25)[None])[0]
    return dict(zip(CLASSES, logits.double().softmax(0).tolist(), strict=True))


def test_the_answer_is_the_networks_own_under_the_right_names(model: Model, folder: Path) -> None:
    found = list(predict(model, [folder]))
    assert len(found) == 7
    for prediction in found:
        expected = by_hand(model, Path(prediction.path))
        assert dict(prediction.top) == pytest.approx(expected, abs=1e-5)
        shares = [share for _, share in prediction.top]
        assert shares == sorted(shares, reverse=True)
        assert sum(shares) == pytest.approx(1)


def test_the_order_is_the_one_that_was_given(model: Model, folder: Path) -> None:
    paths = [folder / name for name in ("z.png", "a.png", "c/9.png", "a.png", "b.png")]
    assert [prediction.path for prediction in predict(model, paths, batch_size=2)] == [str(path) for path in paths]


def test_a_folder_stands_for_every_visible_picture_below_it(model: Model, folder: Path) -> None:
    names = [str(Path(prediction.path).relative_to(folder)) for prediction in predict(model, [folder])]
    assert names == sorted(names)
    assert set(names) == {"a.png", "b.png", "c/10.png", "c/9.png", "c/d/e.PNG", "z.png", "ä ö.png"}


def test_files_and_folders_may_be_mixed_and_one_path_may_stand_alone(model: Model, folder: Path) -> None:
    mixed = [prediction.path for prediction in predict(model, [folder / "z.png", folder / "c" / "d", folder / "a.png"])]
    assert mixed == [str(folder / name) for name in ("z.png", "c/d/e.PNG", "a.png")]
    for alone in (folder / "a.png", str(folder / "a.png")):
        assert [prediction.path for prediction in predict(model, alone)] == [str(folder / "a.png")]


def test_a_picture_that_cannot_be_read_is_a_record_and_the_others_keep_their_answers(
    model: Model, folder: Path
) -> None:
    good = {prediction.path: prediction.top for prediction in predict(model, [folder])}
    (folder / "b.png").write_bytes((folder / "b.png").read_bytes()[:50])
    paths = [folder / "absent.png", folder / "a.png", folder / "b.png", folder / "notes.txt", folder / "z.png"]
    found = list(predict(model, paths))
    assert [prediction.path for prediction in found] == [str(path) for path in paths]
    assert [prediction.error is None for prediction in found] == [False, True, False, False, True]
    assert [found[1].top, found[4].top] == [good[str(folder / "a.png")], good[str(folder / "z.png")]]
    assert "there is no file" in str(found[0].error)
    assert found[2].to_dict() == {"path": str(folder / "b.png"), "error": found[2].error}


def test_a_batch_of_bad_pictures_only_is_survived(model: Model, folder: Path) -> None:
    paths = [folder / "notes.txt", folder / "absent.png", folder / "a.png"]
    assert [prediction.error is None for prediction in predict(model, paths, batch_size=2)] == [False, False, True]


def test_the_batch_size_does_not_change_the_answers(model: Model, folder: Path) -> None:
    whole = list(predict(model, [folder], batch_size=32))
    for batch_size in (1, 3, 7):
        for one, other in zip(predict(model, [folder], batch_size=batch_size), whole, strict=True):
            assert one.path == other.path
            assert dict(one.top) == pytest.approx(dict(other.top), abs=1e-5)


@pytest.mark.parametrize("top", [1, 2, 5, 99])
def test_as_many_classes_are_named_as_asked_for_and_as_there_are(top: int, model: Model, folder: Path) -> None:
    best = list(predict(model, [folder]))
    for one, all_ in zip(predict(model, [folder], top=top), best, strict=True):
        assert one.top == all_.top[:top]


def test_the_record_is_plain_data() -> None:
    record = Prediction(path="x.png", top=(("bee", 0.75), ("ant", 0.25))).to_dict()
    assert record == {
        "path": "x.png",
        "class": "bee",
        "probability": 0.75,
        "top": [{"class": "bee", "probability": 0.75}, {"class": "ant", "probability": 0.25}],
    }


def several(model: Model) -> Model:
    """The same network, each of whose classes is there or not by itself; its answers lie on both sides of one half."""
    fresh = tiny.model(classes=CLASSES)
    assert fresh.network.head is not None
    with torch.no_grad():
        fresh.network.head.get_parameter("linear.weight").mul_(4)
    return Model(fresh.network, replace(model.card, task="classes"))


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_where_there_may_be_several_classes_each_has_a_probability_of_its_own(
    temperature: float, model: Model, folder: Path
) -> None:
    judge = several(model)
    judge = Model(judge.network, replace(judge.card, calibration={"temperature": temperature}))
    named = set()
    for prediction in predict(judge, [folder], top=2):
        pixels = torch.from_numpy(np.array(Image.open(prediction.path))).permute(2, 0, 1).double() / 255
        with torch.no_grad():
            logits = judge.network.double()(((pixels - 0.5) / 0.25)[None])[0]
        judge.network.float()
        expected = dict(zip(CLASSES, (logits / temperature).sigmoid().tolist(), strict=True))
        best = sorted(expected.items(), key=lambda pair: -pair[1])
        assert prediction.classes is not None
        assert dict(prediction.classes) == pytest.approx({k: v for k, v in best if v > 0.5}, abs=1e-5)
        assert dict(prediction.top) == pytest.approx(dict(best[:2]), abs=1e-5)
        record = prediction.to_dict()
        assert list(record) == ["path", "class", "probability", "classes", "top"]
        assert (record["class"], record["probability"]) == prediction.top[0]
        named.add(len(prediction.classes))
    assert max(named) > 2 or len(named) > 1  # as many as there are, not as many as top


def test_the_record_of_a_picture_with_none_of_the_classes_says_so_and_names_the_nearest() -> None:
    record = Prediction(path="x.png", top=(("bee", 0.25), ("ant", 0.125)), classes=()).to_dict()
    assert record == {
        "path": "x.png",
        "class": "bee",
        "probability": 0.25,
        "classes": [],
        "top": [{"class": "bee", "probability": 0.25}, {"class": "ant", "probability": 0.125}],
    }


@pytest.mark.parametrize("temperature", [0.5, 2.0, 10.0])
def test_the_cards_temperature_is_used(temperature: float, model: Model, folder: Path) -> None:
    """Guo et al. 2017, arXiv:1706.04599, section 4.2: softmax(logits / T)."""
    warm = Model(model.network, replace(model.card, calibration={"temperature": temperature}))
    for one, other in zip(predict(warm, [folder]), predict(model, [folder]), strict=True):
        powers = {name: share ** (1 / temperature) for name, share in other.top}
        expected = {name: power / sum(powers.values()) for name, power in powers.items()}
        assert dict(one.top) == pytest.approx(expected, abs=1e-4)


def test_size_colour_and_formats_are_the_models_own(tmp_path: Path) -> None:
    grey = tiny.model(classes=CLASSES, channels=1)
    grey = Model(grey.network, replace(grey.card, preprocess=replace(grey.card.preprocess, formats=("BMP",))))
    Image.new("RGB", (30, 17), "red").save(tmp_path / "a.bmp")
    Image.new("RGB", (30, 17), "red").save(tmp_path / "a.png")
    told = {Path(prediction.path).name: prediction.error for prediction in predict(grey, [tmp_path])}
    other = "it is no readable BMP image: it is PNG, which the preprocess does not name among its formats"
    assert told == {"a.bmp": None, "a.png": other}
    refused = next(predict(grey, [tmp_path / "a.png"]))
    assert refused.error is not None
    red = (torch.full((1, 1, 8, 8), 76 / 255) - 0.5) / 0.25  # Pillow's grey of (255, 0, 0)
    with torch.no_grad():
        expected = grey.network(red)[0].softmax(0).tolist()
    answer = dict(next(predict(grey, [tmp_path / "a.bmp"])).top)
    assert answer == pytest.approx(dict(zip(CLASSES, expected, strict=True)), abs=1e-5)


def test_pictures_are_read_as_they_are_needed(model: Model, folder: Path) -> None:
    asked: list[Path] = []

    def endless() -> Iterator[Path]:
        while True:
            asked.append(folder / "a.png")
            yield folder / "a.png"

    assert next(predict(model, endless(), batch_size=4)).path == str(folder / "a.png")
    assert len(asked) == 4


def test_a_network_in_training_mode_answers_as_in_evaluation(folder: Path) -> None:
    fresh = tiny.model(classes=CLASSES)
    expected = list(predict(tiny.model(classes=CLASSES), [folder]))
    fresh.network.train()
    assert list(predict(fresh, [folder])) == expected


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        ({"top": 0}, "top=0 is not possible; allowed: 1 to 5"),
        ({"batch_size": 0}, "batch_size=0 is not possible; allowed: 1 or more"),
        ({"device": "abacus"}, "--device abacus cannot be used"),
    ],
)
def test_impossible_requests_are_refused(request_: dict[str, Any], sentence: str, model: Model, folder: Path) -> None:
    with pytest.raises(ValueError, match=sentence):
        list(predict(model, [folder], **request_))


def test_a_network_without_a_head_has_no_classes_to_predict(folder: Path) -> None:
    headless = tiny.network(head="none")
    card = replace(tiny.model().card, architecture=headless.architecture, classes=())
    with pytest.raises(ValueError, match="has no head, so it has no classes to predict"):
        list(predict(Model(headless, card), [folder]))
