"""Augment: each function does what it says, at random, and the same for the same generator."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from resnets.data.augment import (
    AUGMENTATIONS,
    Augmentation,
    affine,
    augment,
    flip,
    pad_crop,
    random_resized_crop,
)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(count: int = 64, channels: int = 3, side: int = 12) -> torch.Tensor:
    return torch.randint(1, 256, (count, channels, side, side), dtype=torch.uint8, generator=seeded(9))


def test_about_half_of_the_pictures_are_mirrored_and_the_others_left() -> None:
    batch = pictures(400)
    flipped = flip(batch, seeded())
    is_same = (flipped == batch).flatten(1).all(1)
    is_mirrored = (flipped == batch.flip(3)).flatten(1).all(1)
    assert (is_same ^ is_mirrored).all()
    assert 150 < int(is_mirrored.sum()) < 250


def test_a_padded_crop_is_a_window_of_the_padded_picture() -> None:
    batch = pictures(300)
    cropped = pad_crop(batch, 4, seeded())
    padded = functional.pad(batch, (4, 4, 4, 4))
    found = set()
    for picture, window in zip(padded, cropped, strict=True):
        places = [
            (top, left)
            for top in range(9)
            for left in range(9)
            if torch.equal(picture[:, top : top + 12, left : left + 12], window)
        ]
        assert len(places) == 1
        found.add(places[0])
    assert len(found) > 70  # of 81: every start is possible
    assert cropped.is_contiguous()


def test_an_affine_of_nothing_leaves_the_picture() -> None:
    batch = pictures().float()
    same = affine(batch, 0, 0, (1.0, 1.0), 0, seeded())
    assert torch.allclose(same, batch, atol=1e-2)


def test_an_affine_is_torchs_affine_grid_of_the_same_draws() -> None:
    batch = pictures(5, 1, 10)[:, :, :, :7].float()
    ours = affine(batch, 20, 0.1, (0.8, 1.2), 10, seeded(3))
    draws = torch.rand(5, 5, generator=seeded(3))
    theta = []
    for turn, lean, size, across, down in draws.T.tolist():
        angle, slant = math.radians(20 * (2 * turn - 1)), math.tan(math.radians(10 * (2 * lean - 1)))
        rotate = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        linear = rotate @ torch.tensor([[1.0, slant], [0.0, 1.0]]) / (0.8 + 0.4 * size)
        stretch = torch.diag(torch.tensor([7.0, 10.0]))  # from -1..1 to pixels, which are square
        move = torch.tensor([[0.2 * (2 * across - 1)], [0.2 * (2 * down - 1)]])
        theta.append(torch.cat([stretch.inverse() @ linear @ stretch, move], dim=1))
    grid = functional.affine_grid(torch.stack(theta), [5, 1, 10, 7], align_corners=False)
    theirs = functional.grid_sample(batch, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    assert torch.allclose(ours, theirs, atol=2e-2)


def test_every_picture_of_a_batch_gets_its_own_draw() -> None:
    batch = pictures(1).repeat(8, 1, 1, 1)
    for row in (AUGMENTATIONS["mnist"], AUGMENTATIONS["cifar"]):
        changed = augment(batch, row, seeded())
        assert len({picture.numpy().tobytes() for picture in changed}) == 8


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_a_row_gives_the_same_for_the_same_seed_and_keeps_the_shape(name: str) -> None:
    batch = pictures()
    first, second = (augment(batch, AUGMENTATIONS[name], seeded(5)) for _ in range(2))
    assert torch.equal(first, second)
    assert first.shape == batch.shape
    assert first.min() >= 0
    assert first.max() <= 255
    assert AUGMENTATIONS[name].source


def test_none_changes_nothing() -> None:
    batch = pictures()
    assert torch.equal(augment(batch, AUGMENTATIONS["none"], seeded()), batch)


def test_a_random_crop_keeps_the_stated_share_and_ratio_or_all_that_fits() -> None:
    image = Image.fromarray(np.arange(60 * 80, dtype=np.uint16).reshape(60, 80).astype(np.uint8))
    row = Augmentation(source="test", crop_area=(0.08, 1.0))
    generator, shares = seeded(), []
    for _ in range(300):
        crop = random_resized_crop(image, row, generator)
        shares.append(crop.width * crop.height / (60 * 80))
        assert 0.72 < crop.width / crop.height < 1.4
    assert 0.07 < min(shares) < 0.15
    assert max(shares) > 0.85
    thin = random_resized_crop(Image.new("L", (100, 2)), Augmentation(source="test", crop_area=(1.0, 1.0)), generator)
    assert thin.size == (3, 2)
    assert random_resized_crop(image, AUGMENTATIONS["none"], generator) is image


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"pad": -1}, "pad=-1 is not possible"),
        ({"scale": (1.2, 0.8)}, "scale=(1.2, 0.8) is not possible; allowed: (lowest, highest), above 0"),
        ({"crop_area": (0.1, 1.5)}, "crop_area=(0.1, 1.5) is not possible; allowed: shares up to 1"),
        ({"source": ""}, "say where the numbers come from"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(fields: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError) as refusal:
        Augmentation(**({"source": "test"} | fields))  # type: ignore[arg-type]
    assert sentence in str(refusal.value)
