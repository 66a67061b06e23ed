"""Geometry: torchvision's own Resize and CenterCrop on a picture whose pixels say where they come from."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from torchvision.transforms import v2

from resnets.data.decoding.geometry import Geometry, geometry, kept_share
from resnets.spec.preprocess import Preprocess


@pytest.mark.parametrize("size", [(500, 375), (375, 500), (331, 500), (257, 256), (100, 40), (224, 224)])
def test_a_crop_is_laid_as_torchvision_lays_it(size: tuple[int, int]) -> None:
    preprocess = Preprocess(size=(224, 224), resize=256)
    laid = geometry(size, preprocess)
    assert v2.Resize(256)(Image.new("L", size)).size == laid.resized
    ramp = np.tile(np.arange(laid.resized[0], dtype=np.float32), (laid.resized[1], 1))
    cut = np.asarray(v2.CenterCrop(224)(Image.fromarray(ramp)))
    assert cut[0, 0] == laid.left
    down = np.asarray(v2.CenterCrop(224)(Image.fromarray(np.ascontiguousarray(ramp.T[:, :1].repeat(300, 1)))))
    assert down.shape == (224, 224)


@pytest.mark.parametrize(
    ("size", "fit", "expected"),
    [
        ((400, 200), "pad", Geometry((100, 50), 0, 0)),
        ((200, 400), "pad", Geometry((25, 50), -37, 0)),
        ((400, 100), "pad", Geometry((100, 25), 0, -12)),
        ((7, 900), "squash", Geometry((100, 50), 0, 0)),
    ],
)
def test_bars_and_squashes(size: tuple[int, int], fit: str, expected: Geometry) -> None:
    assert geometry(size, Preprocess(size=(50, 100), fit=fit)) == expected  # type: ignore[arg-type]


def test_the_share_that_is_kept() -> None:
    assert kept_share((256, 256), Preprocess(size=(224, 224), resize=256)) == pytest.approx((224 / 256) ** 2)
    assert kept_share((1000, 500), Preprocess(size=(50, 50))) == pytest.approx(0.5)
    assert kept_share((1000, 10), Preprocess(size=(50, 50), fit="squash")) == 1
    assert kept_share((1000, 10), Preprocess(size=(50, 50), fit="pad")) == 1
