"""Erase: torchvision's RandomErasing, drawn by us, in the colour that normalisation makes 0."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp
from torchvision.transforms import v2

from resnets.data.augmentation.erase import DRAWS, erase, erase_box, mean_colour
from resnets.data.augmentation.rows import Augmentation
from resnets.data.draws import uniforms
from resnets.net.normalise import normalise
from resnets.spec.preprocess import IMAGENET, Preprocess

ALWAYS = Augmentation(source="test", erase=1.0)
MOSTLY_TOO_LARGE = Augmentation(source="test", erase=1.0, erase_area=(0.5, 1.0), erase_ratio=(0.2, 5.0))


def drawn(count: int) -> np.ndarray:
    return uniforms(4, 0, "pixels", np.arange(count), DRAWS)


@pytest.mark.parametrize(
    ("height", "width", "row"), [(224, 224, ALWAYS), (40, 25, ALWAYS), (3, 3, ALWAYS), (20, 30, MOSTLY_TOO_LARGE)]
)
def test_boxes_are_distributed_as_torchvisions(height: int, width: int, row: Augmentation) -> None:
    ours = [erase_box(height, width, row, draws) for draws in drawn(3_000).tolist()]
    torch.manual_seed(0)
    theirs_of = v2.RandomErasing(p=1.0, scale=row.erase_area, ratio=row.erase_ratio)
    blank = torch.empty(3, height, width)
    params = [theirs_of.make_params([blank]) for _ in range(3_000)]
    theirs = [tuple(box[side] for side in "ijhw") for box in params if box["v"] is not None]
    mine = [box for box in ours if box is not None]
    assert abs(len(mine) - len(theirs)) < 150
    assert all(box[2] < height and box[3] < width for box in mine)
    for side in range(4):
        assert ks_2samp([box[side] for box in mine], [box[side] for box in theirs], method="asymp").pvalue > 1e-3


def test_pictures_are_erased_with_the_rows_probability() -> None:
    row = Augmentation(source="test", erase=0.1)
    erased = sum(erase_box(64, 64, row, draws) is not None for draws in drawn(4_000).tolist())
    assert 330 < erased < 470  # 400, and 3.7 deviations either way


@pytest.mark.parametrize("colour", ["rgb", "bgr"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.uint8, 0.01), (torch.float32, 1e-6)])
def test_what_is_erased_is_zero_after_normalisation(colour: str, dtype: torch.dtype, tolerance: float) -> None:
    preprocess = Preprocess(size=(20, 20), colour=colour, mean=IMAGENET.mean, std=IMAGENET.std)  # type: ignore[arg-type]
    batch = torch.zeros(30, 3, 20, 20, dtype=dtype)
    draws = drawn(30)
    done = normalise(erase(batch, ALWAYS, preprocess, draws), preprocess)
    left = normalise(batch, preprocess)
    for picture, before, numbers in zip(done, left, draws.tolist(), strict=True):
        box = erase_box(20, 20, ALWAYS, numbers)
        assert box is not None
        top, start, high, wide = box
        assert picture[:, top : top + high, start : start + wide].abs().max() < tolerance
        before[:, top : top + high, start : start + wide] = picture[:, top : top + high, start : start + wide]
        assert torch.equal(before, picture)
    assert not batch.any()


def test_one_mean_is_the_colour_of_every_channel() -> None:
    preprocess = Preprocess(size=(8, 8), colour="bands", mean=(0.5, 0.25), std=(0.2, 0.2))
    assert mean_colour(preprocess, 2).tolist() == [127.5, 63.75]
    assert mean_colour(Preprocess(mean=(0.5,)), 3).tolist() == [127.5] * 3


def test_channels_that_share_their_memory_may_be_erased() -> None:
    grey_as_colour = torch.full((5, 1, 20, 20), 9, dtype=torch.uint8).expand(-1, 3, -1, -1)
    preprocess = Preprocess(size=(20, 20), mean=(0.2, 0.4, 0.6), std=(1.0, 1.0, 1.0))
    done = erase(grey_as_colour, ALWAYS, preprocess, drawn(5))
    assert {tuple(pixel) for pixel in done.permute(0, 2, 3, 1).reshape(-1, 3).tolist()} == {(9, 9, 9), (51, 102, 153)}
    assert (grey_as_colour == 9).all()
