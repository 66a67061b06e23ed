"""Features: the network's own vectors and maps, of each picture in its place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from resnets.inference.engined import EngineNetwork
from resnets.inference.engines import PlainEngine, make_engine
from resnets.inference.features import features, row_shape
from resnets.inference.predict import predict
from resnets.weights.modelfile import Model
from tests import tiny


@pytest.fixture(scope="module")
def model() -> Model:
    return tiny.model(classes=("ant", "bee", "cat"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    chance = np.random.default_rng(1)
    for number in range(5):
        Image.fromarray(chance.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(tmp_path / f"{number}.png")
    (tmp_path / "2.png").write_text("no picture")
    return tmp_path


def numbers(path: str) -> torch.Tensor:
    """A picture of the network's size as its numbers, by hand."""
    return ((torch.from_numpy(np.array(Image.open(path))).permute(2, 0, 1).float() / 255 - 0.5) / 0.25)[None]


@pytest.mark.parametrize("batch_size", [1, 2, 32])
def test_features_are_the_mean_of_the_last_map(batch_size: int, model: Model, folder: Path) -> None:
    found = list(features(model, folder, batch_size=batch_size, device="cpu"))
    assert [Path(each.path).name for each in found] == [f"{number}.png" for number in range(5)]
    for each in found:
        if each.path.endswith("2.png"):
            assert each.values is None and each.error
            continue
        with torch.no_grad():
            expected = model.network.features(numbers(each.path))[0].numpy()
        assert each.values is not None and each.error is None
        assert each.values.dtype == np.float32 and each.values.shape == row_shape(model.card, None) == (8,)
        np.testing.assert_allclose(each.values, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("level", ["C1", "C2", "C3"])
def test_a_level_gives_its_map(level: str, model: Model, folder: Path) -> None:
    for each in features(model, folder, level=level, batch_size=2, device="cpu"):
        if each.error is not None:
            continue
        with torch.no_grad():
            expected = model.network.levels(numbers(each.path))[level][0].numpy()
        assert each.values is not None
        assert each.values.shape == row_shape(model.card, level) == expected.shape
        np.testing.assert_allclose(each.values, expected, rtol=1e-4, atol=1e-6)


def test_a_network_without_a_head_has_features(folder: Path) -> None:
    network = tiny.network(head="none")
    card = replace(tiny.model().card, architecture=network.architecture, classes=())
    found = list(features(Model(network, card), [folder / "0.png"], device="cpu"))
    with torch.no_grad():
        expected = network.features(numbers(str(folder / "0.png")))[0].numpy()
    assert found[0].values is not None
    np.testing.assert_allclose(found[0].values, expected, rtol=1e-4, atol=1e-6)


def test_a_level_that_is_not_there_is_refused_with_those_that_are(model: Model, folder: Path) -> None:
    with pytest.raises(ValueError, match=r"--level C9 is no level of .*; allowed: C1, C2, C3"):
        list(features(model, folder, level="C9"))
    with pytest.raises(ValueError, match="engine torch gives C2, logits, and C3 is needed"):
        list(features(model, folder, engine=PlainEngine(model, "cpu", ("C2",))))


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"engine": "abacus"}, "--engine abacus is not possible; allowed: auto, torch, compiled, openvino, onnx"),
        ({"precision": "fp8"}, "--precision fp8 is not possible; allowed: fp32, bf16, int8"),
        ({"precision": "int8"}, "--precision int8 is not possible for a model file: .* Export it with its data"),
        ({"engine": "onnx", "device": "cuda"}, "--device cuda is not possible with this engine; allowed: auto, cpu"),
    ],
)
def test_engines_that_there_are_not_are_refused(asked: dict[str, str], sentence: str, model: Model) -> None:
    with pytest.raises(ValueError, match=sentence):
        make_engine(model, **asked)  # type: ignore[arg-type]


EXTRAS = {"torch": "torch", "openvino": "openvino", "onnx": "onnxruntime"}


@pytest.mark.parametrize(("name", "extra"), EXTRAS.items())
@pytest.mark.parametrize("level", [None, "C2"])
def test_every_engine_gives_the_same_features(
    name: str, extra: str, level: str | None, model: Model, folder: Path
) -> None:
    pytest.importorskip(extra)
    levels = ("C2", "C3")
    engine = make_engine(model, name, levels=levels, batch_size=2, threads=1, device="cpu")
    assert engine.name == name
    found = list(features(model, folder, level=level, batch_size=2, engine=engine))
    for one, other in zip(found, features(model, folder, level=level, device="cpu"), strict=True):
        assert (one.path, one.error) == (other.path, other.error)
        if one.values is not None and other.values is not None:
            np.testing.assert_allclose(one.values, other.values, rtol=1e-3, atol=1e-5)
    answers = [dict(each.top) for each in predict(model, folder, batch_size=2, engine=engine)]
    for mine, plain in zip(answers, predict(model, folder, device="cpu"), strict=True):
        assert mine == pytest.approx(dict(plain.top), abs=1e-5)
    engine.close()


def test_an_artefacts_engine_is_used_as_it_is(model: Model, folder: Path) -> None:
    engine = PlainEngine(tiny.model(classes=("ant", "bee", "cat")), "cpu", ("C3",))
    artefact = Model(EngineNetwork(model.card, engine), model.card)
    assert make_engine(artefact) is make_engine(artefact, "torch") is engine
    with pytest.raises(ValueError, match="this artefact is for torch; leave it out"):
        make_engine(artefact, "onnx")
    assert list(predict(artefact, folder)) == list(predict(model, folder, device="cpu"))
    for one, other in zip(features(artefact, folder), features(model, folder, device="cpu"), strict=True):
        assert np.array_equal(one.values, other.values) if one.values is not None else other.values is None


def test_the_plain_engine_gives_the_networks_own_answers_over_the_temperature(model: Model) -> None:
    warm = Model(model.network, replace(model.card, calibration={"temperature": 2.0}))
    engine = make_engine(warm, "torch", device="cpu", levels=("C2", "C3"))
    pixels = np.random.default_rng(0).integers(0, 256, (3, 3, 8, 8), np.uint8)
    found = engine.run(pixels)
    assert tuple(found) == engine.outputs == ("C2", "C3", "logits")
    x = (torch.from_numpy(pixels).float() / 255 - 0.5) / 0.25
    with torch.no_grad():
        np.testing.assert_allclose(found["logits"], (model.network(x) / 2).numpy(), rtol=1e-4, atol=1e-6)
        for level, expected in model.network.levels(x).items():
            if level != "C1":
                np.testing.assert_allclose(found[level], expected.numpy(), rtol=1e-4, atol=1e-6)
