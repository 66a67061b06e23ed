"""Making: what comes of an order is a function of seed, epoch and picture, whatever else is in the order."""

from __future__ import annotations

import pickle
from functools import partial

import numpy as np
import pytest
import torch

from resnets.data.augmentation.augment import augment
from resnets.data.augmentation.crop import crop_box
from resnets.data.augmentation.rows import Augmentation
from resnets.data.decoding.picture import pixels
from resnets.data.draws import generator
from resnets.data.errors import BadImage
from resnets.data.making import Maker, Order
from resnets.data.source import ArraySource
from resnets.spec.preprocess import Preprocess
from tests import tiny

SMALL = Preprocess(size=(8, 8), mean=(0.5,), std=(0.25,))
CROP = Augmentation(source="test", crop_area=(0.1, 0.6))
FLIP = Augmentation(source="test", flip=True, brightness=0.5)


class Spoilt(ArraySource):
    """Pictures of which every third, from number 1 on, is bad."""

    def raw(self, index: int) -> np.ndarray:
        if index % 3 == 1:
            raise BadImage("somewhere", "spoilt")
        return super().raw(index)


def source(count: int = 12, side: int = 20) -> ArraySource:
    chance = np.random.default_rng(1)
    labels = np.arange(count) % 3
    return Spoilt(chance.integers(0, 256, (count, side, side, 3), dtype=np.uint8), labels, "train")


def test_each_picture_is_cut_by_its_own_chance() -> None:
    made = Maker(source(), SMALL, CROP, 7).make(Order(3, np.array([9, 0, 5])))
    assert made.pictures is not None
    for place, index in enumerate((9, 0, 5)):
        crop = partial(crop_box, row=CROP, draw=generator(7, 3, "crop", index))
        assert np.array_equal(made.pictures[place].numpy(), pixels(source().raw(index), SMALL, crop))


@pytest.mark.parametrize("row", [CROP, FLIP])
def test_bad_pictures_and_neighbours_change_nothing_about_a_good_one(row: Augmentation) -> None:
    maker = Maker(source(), SMALL, row, 5)
    indices = np.array([4, 11, 1, 8, 0, 7, 2])
    made = maker.make(Order(2, indices))
    assert made.pictures is not None
    assert made.places.tolist() == [1, 3, 4, 6]
    assert made.bad == ((4, "spoilt"), (1, "spoilt"), (7, "spoilt"))
    for picture, place in zip(made.pictures, made.places, strict=True):
        alone = maker.make(Order(2, indices[place : place + 1])).pictures
        assert alone is not None and torch.equal(picture, alone[0])


def test_pictures_are_augmented_as_the_orders_pictures_in_its_epoch() -> None:
    made = Maker(source(side=8), SMALL, FLIP, 5).make(Order(2, np.array([3, 6])))
    plain = torch.from_numpy(np.stack([source(side=8).raw(k).transpose(2, 0, 1) for k in (3, 6)]))
    expected = augment(plain, FLIP, SMALL, seed=5, epoch=2, indices=np.array([3, 6]))
    assert made.pictures is not None and torch.equal(made.pictures, expected)
    assert not torch.equal(expected, augment(plain, FLIP, SMALL, seed=5, epoch=3, indices=np.array([3, 6])))


def test_an_order_without_a_good_picture_gives_none_and_says_why() -> None:
    made = Maker(source(), SMALL, None, 0).make(Order(0, np.array([10, 1])))
    assert made.pictures is None
    assert (made.places.tolist(), made.bad) == ([], ((10, "spoilt"), (1, "spoilt")))
    empty = Maker(source(), SMALL, None, 0).make(Order(0, np.array([], np.int64)))
    assert (empty.pictures, empty.bad) == (None, ())


def test_grey_pictures_get_the_channels_of_the_network() -> None:
    made = Maker(tiny.array(4, channels=1), SMALL, FLIP, 0).make(Order(0, np.arange(4)))
    assert made.pictures is not None and made.pictures.shape == (4, 3, 8, 8)


def test_a_maker_is_sent_to_a_process_whole() -> None:
    maker = Maker(tiny.array(6), SMALL, CROP, 3)
    first, second = (m.make(Order(1, np.arange(6))).pictures for m in (maker, pickle.loads(pickle.dumps(maker))))
    assert first is not None and second is not None and torch.equal(first, second)
    asked = maker[Order(1, np.arange(6))].pictures  # as a DataLoader asks
    assert len(maker) == 6 and asked is not None and torch.equal(asked, first)
