"""Calibrating a model: its card says what was fitted, and predictions obey it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from resnets.data.open import open_data
from resnets.evaluation.calibrate import calibrate, facts
from resnets.evaluation.calibration import fit_temperature
from resnets.evaluation.evaluate import answer, evaluate
from resnets.evaluation.report import Report
from resnets.inference.predict import predict
from resnets.weights.modelfile import Model
from tests import tiny
from tests.evaluation import planted
from tests.evaluation.test_several import several_data, several_model


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return tiny.write_pictures(tmp_path / "photos" / "test", each=10).parent


@pytest.fixture
def model() -> Model:
    return tiny.model(classes=("ant", "bee"))


def test_the_card_says_what_was_fitted_and_nothing_else_changes(model: Model, photos: Path) -> None:
    found = calibrate(model, photos, coverage=0.8, device="cpu")
    answers = answer(model, photos, device="cpu")
    said = found.model.card.calibration
    assert said == facts(answers, 0.8)
    assert said["temperature"] == fit_temperature(answers)
    assert replace(found.model.card, calibration={}) == model.card
    assert found.model.network is model.network
    assert (found.pictures, found.skipped, found.notes) == (20, (), ())
    json.dumps(found.to_dict(), allow_nan=False)


def test_predictions_below_the_threshold_are_unknown_and_as_many_as_asked(model: Model, photos: Path) -> None:
    for coverage in (0.05, 0.5, 0.8, 1.0):
        calibrated = calibrate(model, photos, coverage=coverage, device="cpu").model
        predictions = list(predict(calibrated, photos, device="cpu"))
        assert sum(not one.unknown for one in predictions) == round(coverage * 20)
        answers = answer(calibrated, photos, device="cpu")
        sure = answers.probabilities(calibrated.card.calibration["temperature"]).max(1)
        assert [one.top[0][1] for one in predictions] == pytest.approx(list(sure), abs=1e-6)
        for one in predictions:
            told = one.to_dict()
            assert (told["class"] is None) == one.unknown == ("unknown" in told)
            assert told["probability"] == one.top[0][1] and told["top"][0]["class"] == one.top[0][0]


def test_without_a_coverage_nothing_is_unknown(model: Model, photos: Path) -> None:
    after = calibrate(model, photos, device="cpu").model
    assert set(after.card.calibration) == {"temperature"}
    assert not any(one.unknown for one in predict(after, photos, device="cpu"))


def test_a_calibrated_model_is_judged_by_its_own_temperature(model: Model, photos: Path) -> None:
    calibrated = calibrate(model, photos, device="cpu").model
    report = evaluate(calibrated, photos, device="cpu")
    assert isinstance(report, Report) and report.calibration is not None
    assert report.calibration.temperature == calibrated.card.calibration["temperature"]
    assert report.calibration.source == "the model's card"
    assert report.calibration.after.loss < report.calibration.before.loss
    assert report.confusion == evaluate(model, photos, device="cpu").confusion  # type: ignore[union-attr]


def test_no_mistake_does_not_make_a_model_certain() -> None:
    right = planted.of(np.eye(3) * 4, np.arange(3))
    assert fit_temperature(right) == 1 / 64
    assert facts(right) == {"temperature": 1.0}
    assert facts(planted.of(np.eye(3) * 4, (np.arange(3) + 1) % 3)) == {"temperature": 64.0}


def test_what_could_not_be_read_is_said(model: Model, photos: Path) -> None:
    bad = photos / "test" / "ant" / "3.png"
    bad.write_bytes(b"no picture")
    found = calibrate(model, photos, device="cpu")
    assert found.pictures == 19
    assert [Path(path) for path, _ in found.skipped] == [bad]
    assert found.to_dict()["skipped"][0]["path"] == str(bad)


def test_how_is_passed_on(model: Model, photos: Path) -> None:
    data = replace(open_data(photos), classes=("ant", "wasp"))
    found = calibrate(model, data, classes={"wasp": "bee"}, device="cpu")
    assert found.notes == ("classes of the data, as they are called in the model: wasp is bee",)
    with pytest.raises(ValueError, match="has no train pictures"):
        calibrate(model, photos, split="train")


def test_a_coverage_that_is_not_possible_is_refused_before_a_picture_is_read(model: Model) -> None:
    with pytest.raises(ValueError, match=r"coverage=1.5 is not possible; allowed: above 0, up to 1"):
        calibrate(model, "nowhere", coverage=1.5)
    with pytest.raises(ValueError, match="each class has its own answer"):
        calibrate(several_model(), "nowhere", coverage=0.9)
    with pytest.raises(ValueError, match="each class has its own answer"):
        facts(planted.answers(several=True), 0.9)


def test_several_classes_are_calibrated_too() -> None:
    found = calibrate(several_model(), several_data(), device="cpu")
    assert found.model.card.calibration == {"temperature": found.model.card.calibration["temperature"]}
    assert found.cross_fitted.before.ece > found.cross_fitted.after.ece


def test_a_model_that_may_say_unknown_keeps_its_coverage_when_it_is_calibrated_anew() -> None:
    data = tiny.data_set(test_count=40)
    first = calibrate(tiny.model(), data, coverage=0.75, device="cpu").model
    again = calibrate(first, data, device="cpu").model
    assert again.card.calibration == first.card.calibration
    assert again.card.calibration["coverage"] == 0.75
