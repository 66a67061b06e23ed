"""Crop: boxes with the distribution of torchvision's RandomResizedCrop, inside the picture always."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp
from torchvision.transforms import v2

from resnets.data.augmentation.crop import crop_box
from resnets.data.augmentation.rows import AUGMENTATIONS, Augmentation
from resnets.data.draws import generator

IMAGENET = AUGMENTATIONS["imagenet"]


def boxes(width: int, height: int, row: Augmentation, count: int) -> np.ndarray:
    return np.array([crop_box(width, height, row, generator(1, 0, "crop", index)) for index in range(count)])


@pytest.mark.parametrize(("width", "height"), [(500, 375), (64, 200), (40, 40)])
@pytest.mark.parametrize("row", [IMAGENET, AUGMENTATIONS["photos"]])
def test_boxes_are_distributed_as_torchvisions(width: int, height: int, row: Augmentation) -> None:
    assert row.crop_area is not None
    ours = boxes(width, height, row, 3_000)
    torch.manual_seed(0)
    theirs_of = v2.RandomResizedCrop(8, scale=row.crop_area, ratio=row.crop_ratio)
    blank = torch.empty(3, height, width)
    found = [theirs_of.make_params([blank]) for _ in range(3_000)]
    theirs = np.array([[box["left"], box["top"], box["width"], box["height"]] for box in found])
    for mine, their in zip(ours.T, theirs.T, strict=True):
        assert ks_2samp(mine, their, method="asymp").pvalue > 1e-3
    assert ks_2samp(ours[:, 2] * ours[:, 3], theirs[:, 2] * theirs[:, 3], method="asymp").pvalue > 1e-3
    assert ks_2samp(ours[:, 2] / ours[:, 3], theirs[:, 2] / theirs[:, 3], method="asymp").pvalue > 1e-3


@pytest.mark.parametrize(("width", "height"), [(1, 1), (2, 1), (100, 2), (3, 900), (7, 5)])
def test_a_box_lies_inside_the_picture_however_thin_that_is(width: int, height: int) -> None:
    for left, top, wide, high in boxes(width, height, IMAGENET, 200).tolist():
        assert 0 <= left < left + wide <= width
        assert 0 <= top < top + high <= height


@pytest.mark.parametrize(
    ("width", "height", "ratio"),
    [(100, 2, (0.9, 1.1)), (3, 900, (0.9, 1.1)), (300, 90, (3 / 4, 4 / 3)), (100, 100, (0.5, 2.0))],
)
def test_where_no_box_fits_it_is_torchvisions_of_the_middle(
    width: int, height: int, ratio: tuple[float, float]
) -> None:
    everything = Augmentation(source="test", crop_area=(1.0, 1.0), crop_ratio=ratio)
    box = v2.RandomResizedCrop(8, scale=(1.0, 1.0), ratio=ratio).make_params([torch.empty(3, height, width)])
    expected = (box["left"], box["top"], box["width"], box["height"])
    assert {tuple(found) for found in boxes(width, height, everything, 20).tolist()} == {expected}


def test_a_row_without_a_crop_keeps_the_whole_picture() -> None:
    assert crop_box(30, 20, AUGMENTATIONS["none"], generator(0, 0, "crop")) == (0, 0, 30, 20)


def test_equal_keys_give_equal_boxes_and_others_give_others() -> None:
    def box(*key: int) -> tuple[int, int, int, int]:
        return crop_box(500, 375, IMAGENET, generator(key[0], key[1], "crop", key[2]))

    assert box(1, 2, 3) == box(1, 2, 3)
    assert len({box(1, 2, 3), box(2, 1, 3), box(1, 3, 2), box(1, 2, 4), box(2, 2, 3)}) == 5
