"""Views of a picture: torchvision's crops of the same decoded square, and the mean of their probabilities."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as V

from resnets.data.decoding.picture import file_pixels
from resnets.data.open import open_data
from resnets.data.source import FileSource
from resnets.evaluation.evaluate import answer, evaluate
from resnets.evaluation.views import VIEWS
from resnets.net.normalise import normalise
from resnets.spec.preprocess import Preprocess
from resnets.weights.modelfile import Model
from tests import tiny
from tests.evaluation.test_several import several_data, several_model


def model_of(size: tuple[int, int], resize: int | None, several: bool = False) -> Model:
    made = (several_model if several else tiny.model)(classes=("ant", "bee"))
    preprocess = replace(made.card.preprocess, size=size, resize=resize)
    return Model(made.network, replace(made.card, preprocess=preprocess))


def probabilities(model: Model, views: Tensor, several: bool) -> Tensor:
    """(V, N, C, H, W) -> (N, classes): the mean of the probabilities of each view."""
    with torch.no_grad():
        logits = torch.stack([model.network(normalise(view, model.card.preprocess)).double() for view in views])
    return (logits.sigmoid() if several else logits.softmax(2)).mean(0)


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize(("size", "resize"), [((8, 8), 11), ((8, 8), 12), ((8, 8), 9), ((6, 8), 13)])
def test_ten_crops_are_torchvisions_of_the_same_square(
    size: tuple[int, int], resize: int, several: bool, tmp_path: Path
) -> None:
    folder = tiny.write_pictures(tmp_path / "data" / "test", each=3, side=20).parent
    model = model_of(size, resize, several)
    data = open_data(folder)
    assert isinstance(data.test, FileSource)
    if several:
        flags = np.eye(2, dtype=bool)[data.test.labels]
        data = replace(data, test=replace(data.test, labels=flags))
    square = replace(model.card.preprocess, size=(resize, resize))
    paths = [data.test.name(row) for row in range(6)]
    pixels = torch.stack([torch.from_numpy(file_pixels(Path(path), square)) for path in paths])
    crops = torch.stack(V.ten_crop(pixels, list(size)))
    assert crops.shape == (10, 6, 3, *size)
    answers = answer(model, data, views="ten-crop", device="cpu")
    expected = probabilities(model, crops, several)
    assert answers.probabilities() == pytest.approx(expected.numpy(), abs=1e-6)
    one = answer(model, data, device="cpu").probabilities()
    assert abs(answers.probabilities() - one).max() > 1e-4


@pytest.mark.parametrize("several", [False, True])
def test_flips_are_the_picture_and_its_mirror_image(several: bool) -> None:
    model = several_model() if several else tiny.model(classes=tuple("abcde"))
    data = several_data(12) if several else tiny.data_set(test_count=12, classes=tuple("abcde"))
    pixels = torch.from_numpy(data.test.pixels)  # type: ignore[union-attr]
    with torch.no_grad():
        x = (pixels.permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.25
        logits = torch.stack([model.network(x).double(), model.network(V.horizontal_flip(x)).double()])
    expected = (logits.sigmoid() if several else logits.softmax(2)).mean(0)
    found = answer(model, data, views="flips", device="cpu")
    assert found.probabilities() == pytest.approx(expected.numpy(), abs=1e-6)
    assert not np.allclose(found.logits, answer(model, data, device="cpu").logits, atol=1e-3)


@pytest.mark.parametrize("several", [False, True])
def test_the_least_likely_of_sure_answers_are_still_told_apart(several: bool) -> None:
    """Probabilities of e to the -90 and less: below what float32, and a clamp at 1e-15, could hold."""
    logits = torch.tensor([[200.0, 110.0, 100.0, -90.0]])
    found = VIEWS["flips"].answer(lambda view: logits, torch.zeros(1, 3, 2, 2), Preprocess(), several=several)  # type: ignore[arg-type]
    assert found.diff() == pytest.approx(logits.diff(), rel=1e-6)


def test_one_view_is_the_networks_own_answer() -> None:
    model, data = tiny.model(), tiny.data_set()
    assert evaluate(model, data, views="one", device="cpu") == evaluate(model, data, device="cpu")


@pytest.mark.parametrize("resize", [None, 8])
def test_ten_crops_need_a_picture_larger_than_the_crop(resize: int | None) -> None:
    with pytest.raises(ValueError, match=r"resizes to no more than its 8x8; --views flips needs no larger picture"):
        answer(model_of((8, 8), resize), tiny.data_set(classes=("ant", "bee")), views="ten-crop", device="cpu")


@pytest.mark.parametrize("fit", ["pad", "squash"])
def test_ten_crops_need_a_model_that_crops(fit: str) -> None:
    made = tiny.model()
    card = replace(made.card, preprocess=replace(made.card.preprocess, fit=fit))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="ten crops are taken from a picture that is larger"):
        answer(Model(made.network, card), tiny.data_set(), views="ten-crop", device="cpu")
