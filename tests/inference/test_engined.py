"""A network that an engine runs: pixels come back whole, logits are plain, and nothing in it can be changed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from resnets.inference.engined import EngineNetwork
from resnets.net.normalise import normalise
from resnets.runtime.engine import Engine, Outputs, Pictures
from resnets.spec.card import Card
from tests import tiny

STATISTICS = [
    ((0.0,), (1.0,)),
    ((0.5,), (0.25,)),
    ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ((1.0, 0.0, 0.3), (1.0, 1 / 255, 0.001)),
    ((0.4815, 0.4578, 0.4082), (1e-6, 0.2613, 0.9)),
]


class Echo(Engine):
    """Keeps what it was given, and answers one number for each class."""

    name, precision, threads = "onnx", "fp32", 1

    def __init__(self, card: Card, outputs: tuple[str, ...] = ("logits",)) -> None:
        self.shape = (card.preprocess.channels, *card.preprocess.size)
        self.outputs = outputs
        self.given: Pictures = np.zeros((0, *self.shape), np.uint8)

    def run(self, pictures: Pictures) -> Outputs:
        self.given = pictures
        made = {name: np.full((len(pictures), 8, 2, 2), 3, np.float32) for name in self.outputs if name != "logits"}
        if "logits" in self.outputs:
            made["logits"] = np.tile(np.arange(3, dtype=np.float32), (len(pictures), 1))
        return made


def card(**preprocess: Any) -> Card:
    given = tiny.model().card
    return replace(given, preprocess=replace(given.preprocess, **preprocess))


def echo(outputs: tuple[str, ...] = ("logits",), temperature: float | None = None, **preprocess: Any) -> EngineNetwork:
    said = card(**preprocess)
    if temperature is not None:
        said = replace(said, calibration={"temperature": temperature})
    return EngineNetwork(said, Echo(said, outputs))


@pytest.mark.parametrize("colour", ["rgb", "bgr"])
@pytest.mark.parametrize(("mean", "std"), STATISTICS)
def test_every_value_of_every_channel_comes_back_as_the_pixel_that_it_was(
    mean: tuple[float, ...], std: tuple[float, ...], colour: str
) -> None:
    network = echo(size=(16, 16), mean=mean, std=std, colour=colour)
    values = np.arange(256, dtype=np.uint8).reshape(16, 16)
    pictures = np.stack([values, values[::-1], values.T])[None]
    network(normalise(torch.from_numpy(pictures), network.preprocess))
    np.testing.assert_array_equal(network.engine.given, pictures)


def test_the_mirror_image_of_a_picture_is_the_mirror_image_of_its_pixels() -> None:
    network = echo()
    pictures = np.random.default_rng(0).integers(0, 256, (4, 3, 8, 8), dtype=np.uint8)
    network(normalise(torch.from_numpy(pictures), network.preprocess).flip(3))
    np.testing.assert_array_equal(network.engine.given, pictures[..., ::-1])


@pytest.mark.parametrize(
    "numbers", [torch.zeros(1, 3, 8, 8) + 0.013, torch.full((1, 3, 8, 8), 3.0), torch.full((1, 3, 8, 8), torch.nan)]
)
def test_numbers_that_are_no_pixels_are_refused(numbers: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="takes pixels of 8 bits, and these numbers are none; ask the model file"):
        echo(mean=(0.5,), std=(0.25,))(numbers)


def test_logits_are_plain_again() -> None:
    batch = normalise(torch.zeros(2, 3, 8, 8, dtype=torch.uint8), card().preprocess)
    assert echo(temperature=2.5)(batch)[0].tolist() == [0, 2.5, 5]
    assert echo(temperature=2.5).answers(batch)["logits"][1].tolist() == [0, 2.5, 5]
    assert echo()(batch)[0].tolist() == [0, 1, 2]


def test_levels_are_those_that_were_exported_and_features_the_mean_of_the_last() -> None:
    batch = normalise(torch.zeros(2, 3, 8, 8, dtype=torch.uint8), card().preprocess)
    network = echo(("C2", "C3", "logits"))
    last = network.plan.stages[-1].level
    assert [*network.levels(batch)] == ["C2", "C3"]
    assert [*network.answers(batch)] == ["C2", "C3", "logits"]
    assert network.features(batch).tolist() == [[3.0] * 8] * 2
    with pytest.raises(ValueError, match="answers and no levels; export the model again with --levels"):
        echo().levels(batch)
    with pytest.raises(ValueError, match=f"gives C9 and not {last}; export it with --levels {last}"):
        echo(("C9", "logits")).features(batch)


def test_it_has_nothing_to_train_or_to_save() -> None:
    network = echo()
    assert network.eval() is network and not network.training
    assert list(network.parameters()) == []
    for what in (network.train, network.state_dict):
        with pytest.raises(ValueError, match="no weights to train or to save; give the model file"):
            what()
