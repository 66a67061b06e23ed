"""Augment: each function does what it says, by the draws of the picture alone."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from resnets.data.augmentation.augment import STAGES, Stage, affine, augment, flip, pad_crop, quarter_turn
from resnets.data.augmentation.crop import crop_box
from resnets.data.augmentation.erase import erase_box
from resnets.data.augmentation.mix import mixing
from resnets.data.augmentation.policy import chosen
from resnets.data.augmentation.rows import AUGMENTATIONS, BOUNDS, Augmentation, check_channels, check_row
from resnets.data.draws import generator, uniforms
from resnets.spec.preprocess import Preprocess

SMALL = Preprocess(size=(12, 12))

EVERYTHING = Augmentation(
    source="test",
    pad=2,
    flip=True,
    vertical_flip=True,
    quarter_turns=True,
    policy="rand",
    brightness=0.4,
    contrast=0.4,
    saturation=0.4,
    hue=0.1,
    degrees=10,
    translate=0.1,
    scale=(0.9, 1.1),
    shear=5,
    erase=0.5,
)

ONE_BY_ONE = {
    **{name: AUGMENTATIONS[name] for name in AUGMENTATIONS if name != "none"},
    "everything": EVERYTHING,
    "vertical": Augmentation(source="test", vertical_flip=True),
    "turns": Augmentation(source="test", quarter_turns=True),
    "jitter": Augmentation(source="test", brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1),
    "erase": Augmentation(source="test", erase=1.0),
}


def pictures(count: int = 64, channels: int = 3, side: int = 12) -> torch.Tensor:
    generator = torch.Generator().manual_seed(9)
    return torch.randint(1, 256, (count, channels, side, side), dtype=torch.uint8, generator=generator)


def chance(count: int, columns: int) -> np.ndarray:
    return np.random.default_rng(5).random((count, columns))


def done(row: Augmentation, batch: torch.Tensor, indices: np.ndarray, seed: int = 3, epoch: int = 2) -> torch.Tensor:
    return augment(batch, row, SMALL, seed=seed, epoch=epoch, indices=indices)


@pytest.mark.parametrize("axis", [2, 3])
def test_about_half_of_the_pictures_are_mirrored_and_the_others_left(axis: int) -> None:
    batch = pictures(4_000, 1, 6)
    flipped = flip(batch, axis, chance(4_000, 1))
    is_same = (flipped == batch).flatten(1).all(1)
    is_mirrored = (flipped == batch.flip(axis)).flatten(1).all(1)
    assert (is_same ^ is_mirrored).all()
    assert 1_880 < int(is_mirrored.sum()) < 2_120


def test_each_quarter_turn_is_as_likely_as_the_others() -> None:
    batch = pictures(800)
    turned = quarter_turn(batch, chance(800, 1))
    counts = [int((turned == batch.rot90(turns, (2, 3))).flatten(1).all(1).sum()) for turns in range(4)]
    assert sum(counts) == 800
    assert min(counts) > 150


def test_a_padded_crop_is_a_window_of_the_padded_picture() -> None:
    batch = pictures(900)
    cropped = pad_crop(batch, 4, chance(900, 2))
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
    assert len(found) == 81  # every start is possible


def test_an_affine_of_nothing_leaves_the_picture() -> None:
    batch = pictures().float()
    same = affine(batch, AUGMENTATIONS["none"], chance(64, 5))
    assert torch.allclose(same, batch, atol=1e-2)


def test_an_affine_is_torchs_affine_grid_of_the_same_draws() -> None:
    batch = pictures(5, 1, 10)[:, :, :, :7].float()
    draws = chance(5, 5)
    row = Augmentation(source="test", degrees=20, translate=0.1, scale=(0.8, 1.2), shear=10)
    theta = []
    for turn, lean, size, across, down in draws.tolist():
        angle, slant = math.radians(20 * (2 * turn - 1)), math.tan(math.radians(10 * (2 * lean - 1)))
        rotate = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        linear = rotate @ torch.tensor([[1.0, slant], [0.0, 1.0]]) / (0.8 + 0.4 * size)
        stretch = torch.diag(torch.tensor([7.0, 10.0]))  # from -1..1 to pixels, which are square
        move = torch.tensor([[0.2 * (2 * across - 1)], [0.2 * (2 * down - 1)]])
        theta.append(torch.cat([stretch.inverse() @ linear @ stretch, move], dim=1))
    grid = functional.affine_grid(torch.stack(theta), [5, 1, 10, 7], align_corners=False)
    theirs = functional.grid_sample(batch, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    assert torch.allclose(affine(batch, row, draws), theirs, atol=2e-2)


@pytest.mark.parametrize("name", ONE_BY_ONE)
def test_a_picture_changes_by_its_seed_epoch_and_index_whatever_its_company(name: str) -> None:
    row, indices = ONE_BY_ONE[name], np.arange(1_000, 1_037)
    batch = pictures(37)
    whole = done(row, batch, indices)
    assert whole.shape == batch.shape
    assert whole.min() >= 0
    assert whole.max() < 255.001  # between pixels, float32 rounds
    assert torch.equal(batch, pictures(37))  # what was given is not changed
    order = np.random.default_rng(0).permutation(37)
    assert torch.equal(done(row, batch[order], indices[order]), whole[order])
    for start, stop in ((0, 1), (1, 3), (3, 20), (20, 37)):
        assert torch.equal(done(row, batch[start:stop], indices[start:stop]), whole[start:stop])


@pytest.mark.parametrize("name", ONE_BY_ONE)
def test_another_seed_epoch_or_index_is_another_change(name: str) -> None:
    row, batch = ONE_BY_ONE[name], pictures(1).repeat(40, 1, 1, 1)
    here = done(row, batch, np.arange(40))
    assert len({picture.numpy().tobytes() for picture in here}) >= 2
    for other in (
        done(row, batch, np.arange(40), seed=4),
        done(row, batch, np.arange(40), epoch=3),
        done(row, batch, np.arange(40, 80)),
        done(row, batch, np.arange(40), seed=2, epoch=3),
    ):
        assert not torch.equal(here, other)


def test_a_stage_draws_the_same_whatever_other_stages_do() -> None:
    batch, indices = pictures(50), np.arange(50)
    flipped = done(Augmentation(source="test", flip=True), batch, indices)
    erased = done(Augmentation(source="test", erase=1.0), batch, indices)
    both = done(Augmentation(source="test", flip=True, erase=1.0), batch, indices)
    assert torch.equal(both == 0, (erased == 0) | (both == 0))
    assert torch.equal(both, torch.where(erased == 0, erased, flipped))


def test_no_two_stages_share_a_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[np.ndarray] = []

    def watched(stage: Stage) -> Stage:
        def change(batch: torch.Tensor, row: Augmentation, preprocess: Preprocess, draws: np.ndarray) -> torch.Tensor:
            given.append(draws)
            return stage.change(batch, row, preprocess, draws)

        return dataclasses.replace(stage, change=change)

    monkeypatch.setattr("resnets.data.augmentation.augment.STAGES", tuple(map(watched, STAGES)))
    done(EVERYTHING, pictures(3), np.arange(3))
    assert [draws.shape for draws in given] == [(3, stage.draws) for stage in STAGES]
    assert len(np.unique(np.concatenate(given, 1))) == 3 * 99


@pytest.mark.parametrize("name", ["everything", "mnist"])
def test_the_number_of_threads_changes_nothing(name: str) -> None:
    large = Preprocess(size=(300, 300))
    batch, before, found = pictures(2, 3, 300), torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(augment(batch, ONE_BY_ONE[name], large, seed=0, epoch=0, indices=np.arange(2)))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


def test_draws_are_even_over_indices_and_a_neighbour_says_nothing_of_the_next() -> None:
    columns, count = sum(stage.draws for stage in STAGES), 4_000
    draws = uniforms(7, 1, "pixels", np.arange(count), columns)
    assert len(np.unique(draws)) == draws.size
    bins = np.stack([np.histogram(column, 10, (0, 1))[0] for column in draws.T])
    chi = ((bins - count / 10) ** 2 / (count / 10)).sum(1)  # 9 degrees of freedom: above 36 once in 25,000
    assert chi.max() < 36
    centred = (draws - 0.5) * math.sqrt(12)
    between_neighbours = (centred[1:] * centred[:-1]).mean(0)
    between_columns = centred.T @ centred / count - np.eye(columns) * (centred**2).mean(0)
    between_epochs = (centred * (uniforms(7, 2, "pixels", np.arange(count), columns) - 0.5)).mean(0) * math.sqrt(12)
    for correlation in (between_neighbours, between_columns, between_epochs):
        assert np.abs(correlation).max() < 5 / math.sqrt(count)


def test_a_seed_means_today_what_it_meant_when_this_was_written() -> None:
    starts = list(itertools.accumulate((stage.draws for stage in STAGES), initial=0))
    assert starts == [0, 2, 3, 4, 5, 45, 53, 58, 99]  # pad, flips, turns, policy, jitter, moves, erasing
    trivial, draws = AUGMENTATIONS["trivial"], uniforms(5, 1, "pixels", np.array([9]), 99)[0].tolist()
    assert crop_box(500, 375, trivial, generator(5, 1, "crop", 9)) == (63, 1, 295, 305)
    assert chosen(trivial, 224, 224, draws[5:45]) == [("Solarize", pytest.approx(0.0666667))]
    assert erase_box(224, 224, Augmentation(source="test", erase=1.0), draws[58:]) == (47, 59, 164, 79)
    today = mixing(trivial, 5, 1, 9)
    assert today is not None
    assert today.share == pytest.approx(0.7181399529976601)
    assert today.centre == pytest.approx((0.5051702606726911, 0.9466994921230283))


def test_none_changes_nothing() -> None:
    batch = pictures()
    assert torch.equal(done(AUGMENTATIONS["none"], batch, np.arange(64)), batch)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_only_a_row_that_moves_makes_fractions(name: str) -> None:
    row = AUGMENTATIONS[name]
    assert done(row, pictures(4), np.arange(4)).dtype == (torch.float32 if row.moves else torch.uint8)


def test_grey_pictures_take_every_row() -> None:
    grey, batch = Preprocess(size=(12, 12), colour="grey"), pictures(6, 1)
    for row in ONE_BY_ONE.values():
        assert augment(batch, row, grey, seed=0, epoch=0, indices=np.arange(6)).shape == batch.shape


def test_bands_take_what_is_not_colour() -> None:
    bands = Preprocess(size=(12, 12), colour="bands", mean=(0.1, 0.2, 0.3, 0.4, 0.5), std=(1.0,) * 5)
    row = dataclasses.replace(EVERYTHING, policy=None, brightness=0, contrast=0, saturation=0, hue=0)
    batch = pictures(6, 5)
    assert augment(batch, row, bands, seed=0, epoch=0, indices=np.arange(6)).shape == batch.shape
    with pytest.raises(ValueError, match=r"^policy='trivial' changes colours, and bands are none; allowed with"):
        augment(batch, AUGMENTATIONS["trivial"], bands, seed=0, epoch=0, indices=np.arange(6))


def test_colours_of_two_channels_are_refused_before_any_picture_is_read() -> None:
    with pytest.raises(ValueError, match=r"^brightness=0.4, hue=0.1 changes colours .* and these have 2 channels; "):
        check_channels(Augmentation(source="test", brightness=0.4, hue=0.1), 2)
    for row in AUGMENTATIONS.values():
        check_channels(row, 3)
        check_channels(row, 1)


def test_quarter_turns_of_oblongs_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^quarter_turns=True needs square pictures, and these are 12 x 16; allowed"):
        check_row(AUGMENTATIONS["overhead"], Preprocess(size=(12, 16)))


def test_pictures_without_an_index_each_are_refused() -> None:
    with pytest.raises(ValueError, match="3 indices do not name 4 pictures"):
        done(AUGMENTATIONS["cifar"], pictures(4), np.arange(3))


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"pad": -1}, "pad=-1 is not possible; allowed: whole numbers from 0 to 1024"),
        ({"pad": 1.5}, "pad=1.5 is not possible; allowed: whole numbers from 0 to 1024"),
        ({"scale": (1.2, 0.8)}, "scale=(1.2, 0.8) is not possible; allowed: (lowest, highest), above 0"),
        ({"scale": (1.0,)}, "scale=(1.0,) is not possible; allowed: (lowest, highest), above 0"),
        ({"crop_area": (0.1, 1.5)}, "crop_area=(0.1, 1.5) is not possible; allowed: shares up to 1"),
        ({"erase_area": (0, 0.3)}, "erase_area=(0, 0.3) is not possible; allowed: (lowest, highest), above 0"),
        ({"erase_ratio": None}, "erase_ratio=None is not possible; allowed: (lowest, highest), above 0"),
        ({"policy": "auto"}, "policy='auto' is not possible; allowed: None, 'trivial', 'rand'"),
        ({"magnitude": 31}, "magnitude=31 is not possible; allowed: whole numbers from 0 to 30"),
        ({"hue": 0.6}, "hue=0.6 is not possible; allowed: from 0 to 0.5"),
        ({"mixup": float("nan")}, "mixup=nan is not possible; allowed: from 0 to 100"),
        ({"flip": 0.5}, "flip=0.5 is not possible; allowed: True or False"),
        ({"source": ""}, "say where the numbers come from"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(fields: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError) as refusal:
        Augmentation(**({"source": "test"} | fields))  # type: ignore[arg-type]
    assert sentence in str(refusal.value)


def test_every_number_has_bounds_and_every_row_a_source() -> None:
    numbers = {field.name for field in dataclasses.fields(Augmentation) if field.type in ("int", "float")}
    assert numbers == set(BOUNDS)
    assert all(row.source for row in AUGMENTATIONS.values())
