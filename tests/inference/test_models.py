"""Whatever is given as MODEL is opened; an exported artefact answers as the model file does, wherever it is asked."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from resnets.evaluation.agreement import agreement
from resnets.evaluation.calibrate import calibrate
from resnets.evaluation.compare import compare
from resnets.evaluation.evaluate import answer, evaluate
from resnets.evaluation.robustness import robustness
from resnets.inference.engined import EngineNetwork
from resnets.inference.features import features
from resnets.inference.models import open_model
from resnets.inference.predict import predict
from resnets.net.network import build
from resnets.spec.card import Card
from resnets.training.train import train
from resnets.weights.modelfile import Model, save
from tests import exports, tiny

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("openvino")

KINDS = ["onnx", "openvino", "torch"]
TEMPERATURE = 2.0


def calibrated(given: Model, **calibration: float) -> Model:
    return Model(given.network, replace(given.card, calibration={"temperature": TEMPERATURE, **calibration}))


@pytest.fixture(scope="module")
def model() -> Model:
    return calibrated(tiny.model(), unknown_below=0.4, coverage=0.9)


@pytest.fixture(scope="module", params=KINDS)
def artefact(request: pytest.FixtureRequest, model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exports.written(model, tmp_path_factory.mktemp("a"), request.param, levels=("C2", "C3")).path


def test_an_artefact_has_the_card_of_its_model_and_an_identity_of_its_own(artefact: Path, model: Model) -> None:
    opened = open_model(artefact)
    assert isinstance(opened.network, EngineNetwork)
    assert opened.card == model.card
    assert opened.network.identity == open_model(str(artefact)).network.identity != ""


def test_evaluate_finds_what_it_finds_of_the_model(artefact: Path, model: Model) -> None:
    data = tiny.data_set(test_count=40)
    for views in ("one", "flips"):
        ours, its = (answer(each, data, views=views) for each in (model, artefact))  # type: ignore[arg-type]
        np.testing.assert_allclose(its.logits, ours.logits, rtol=0, atol=2e-5)
    ours, its = evaluate(model, data), evaluate(artefact, data)
    assert its.to_dict()["top1"] == ours.to_dict()["top1"]
    assert its.calibration.temperature == ours.calibration.temperature
    assert its.calibration.after.ece == pytest.approx(ours.calibration.after.ece, abs=1e-6)


def test_predict_applies_the_temperature_once(artefact: Path, model: Model, tmp_path: Path) -> None:
    folder = tiny.write_pictures(tmp_path / "f", each=4)
    ours, its = list(predict(model, folder)), list(predict(open_model(artefact), folder))
    assert len(ours) == 8
    for one, other in zip(ours, its, strict=True):
        assert [name for name, _ in one.top] == [name for name, _ in other.top]
        assert [share for _, share in other.top] == pytest.approx([share for _, share in one.top], abs=1e-6)
        assert one.unknown == other.unknown
    hot = next(predict(Model(model.network, replace(model.card, calibration={})), folder))
    assert hot.top[0][1] > ours[0].top[0][1] + 0.01, "a temperature that is left out would be seen"


def test_features_and_levels_come_out(artefact: Path, model: Model, tmp_path: Path) -> None:
    folder = tiny.write_pictures(tmp_path / "f", each=2)
    for level in (None, "C2"):
        ours, its = (list(features(each, folder, level=level)) for each in (model, open_model(artefact)))
        np.testing.assert_allclose(
            np.stack([each.values for each in its if each.values is not None]),
            np.stack([each.values for each in ours if each.values is not None]),
            atol=1e-4,
        )
    with pytest.raises(ValueError, match="conv1"):
        list(features(open_model(artefact), folder, level="conv1"))


def test_compare_and_agreement_take_it_as_a_model(artefact: Path, model: Model) -> None:
    data = tiny.data_set(test_count=30)
    found = compare(model, artefact, data)
    assert found.paired is not None
    assert (found.paired.pictures, found.paired.one_alone, found.paired.other_alone) == (30, 0, 0)
    assert not found.same_numbers
    agreed = agreement(model, artefact, data)
    assert agreed.holds and [each.level for each in agreed.levels] == ["C2", "C3", "logits"]
    assert agreed.probabilities is not None and agreed.probabilities < 1e-5


@pytest.mark.parametrize("kind", KINDS)
def test_corrupted_pictures_are_answered_as_by_the_model(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = ModuleType("imagecorruptions")
    library.corrupt = lambda pixels, **_: 255 - pixels  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "imagecorruptions", library)
    plain = tiny.model()
    given = Model(plain.network, replace(plain.card, preprocess=replace(plain.card.preprocess, size=(32, 32))))
    path = exports.written(given, tmp_path, kind).path
    asked: dict[str, Any] = {"corruptions": ("fog",), "severities": (3,), "workers": 0}
    ours, its = (robustness(each, tiny.data_set(test_count=30), **asked) for each in (given, path))
    assert its.to_dict() == ours.to_dict()


def test_it_is_not_calibrated_trained_or_saved(artefact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resnets.evaluation.calibrate.answer", lambda *_, **__: pytest.fail("work was done first"))
    with pytest.raises(ValueError, match="has its temperature inside its graph, and cannot be given another"):
        calibrate(artefact, tiny.data_set())
    with pytest.raises(ValueError, match="no weights to train or to save"):
        save(open_model(artefact), tmp_path / "m.safetensors")
    assert not (tmp_path / "m.safetensors").exists()
    if artefact.is_file():
        with pytest.raises(ValueError, match="is an exported artefact, with no weights to train"):
            train(tiny.data_set(), model=str(artefact), out=tmp_path / "run", device="cpu")
    with pytest.raises(ValueError, match="nothing of it can be changed; give the model file"):
        open_model(artefact, classes=("a", "b"))
    assert open_model(artefact, classes=None, allow_partial=False).card.classes == ("ant", "bee", "cat")


def test_everything_else_is_opened_as_load_does(tmp_path: Path) -> None:
    save(tiny.model(), tmp_path / "m.safetensors")
    assert not isinstance(open_model(tmp_path / "m.safetensors").network, EngineNetwork)
    assert open_model(tmp_path / "m.safetensors", classes=("x", "bee")).card.classes == ("x", "bee")
    with pytest.raises(FileNotFoundError):
        open_model(tmp_path / "nothing.safetensors")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("channels", "colour"), [(1, "grey"), (3, "bgr")])
def test_grey_and_turned_colours_are_those_of_the_model(kind: str, channels: int, colour: Any, tmp_path: Path) -> None:
    plain = tiny.model(channels=channels)
    policy = replace(plain.card.preprocess, colour=colour, mean=(0.2, 0.5, 0.7) if channels == 3 else (0.2,))
    given = Model(plain.network, replace(plain.card, preprocess=policy))
    data = tiny.data_set(test_count=20, channels=channels)
    path = exports.written(given, tmp_path, kind).path
    ours, its = answer(given, data), answer(path, data)
    np.testing.assert_allclose(its.logits, ours.logits, atol=2e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_several_classes_in_one_picture_are_those_of_the_model(kind: str, tmp_path: Path) -> None:
    plain = tiny.model()
    given = calibrated(Model(plain.network, replace(plain.card, task="classes")))
    folder = tiny.write_pictures(tmp_path / "f", each=3)
    opened = open_model(exports.written(given, tmp_path, kind).path)
    for one, other in zip(predict(given, folder), predict(opened, folder), strict=True):
        assert one.classes is not None and other.classes is not None
        assert dict(other.classes) == pytest.approx(dict(one.classes), abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_classes_in_another_order_are_matched_by_name(kind: str, tmp_path: Path) -> None:
    given = tiny.model()
    data = tiny.data_set(test_count=30)
    turned = replace(data, classes=("cat", "bee", "ant"))
    path = exports.written(given, tmp_path, kind).path
    ours, its = evaluate(given, turned), evaluate(path, turned)
    assert its.to_dict()["top1"] == ours.to_dict()["top1"] and its.notes == ours.notes != ()


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_without_a_head_gives_features(kind: str, tmp_path: Path) -> None:
    network = build(tiny.ROW, seed=0, head="none", **tiny.SMALL).eval()
    given = Model(network, Card(architecture=network.architecture, classes=(), preprocess=tiny.model().card.preprocess))
    opened = open_model(exports.written(given, tmp_path, kind, levels=("C3",)).path)
    batch = torch.zeros(1, 3, 8, 8) - 2.0
    with pytest.raises(ValueError, match="has no head"):
        opened.network(batch)
    assert torch.allclose(opened.network.features(batch), network.features(batch), atol=1e-5)
    with pytest.raises(ValueError, match="no logits; give levels"):
        exports.written(given, tmp_path, kind)
