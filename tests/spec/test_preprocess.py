"""Preprocess: what it allows, what it refuses, and that it survives JSON."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from resnets.spec.preprocess import IMAGENET, Preprocess

REFUSALS = [
    ({"size": (0, 224)}, "size=(0, 224) is not possible; allowed: (height, width), whole numbers from 1"),
    ({"size": [224, 224]}, "size=[224, 224] is not possible"),
    ({"size": (224.0, 224)}, "size=(224.0, 224) is not possible"),
    ({"size": 224}, "size=224 is not possible"),
    ({"fit": "stretch"}, "fit='stretch' is not possible; allowed: one of 'crop', 'pad', 'squash'"),
    ({"resize": 100}, "resize=100 is not possible; allowed: None, or a whole number from 224"),
    ({"fit": "pad", "resize": 256}, "only fit='crop' resizes first"),
    ({"interpolation": "lanczos"}, "interpolation='lanczos' is not possible"),
    ({"antialias": 1}, "antialias=1 is not possible; allowed: True or False"),
    ({"colour": "gray"}, "colour='gray' is not possible; allowed: one of 'rgb', 'bgr', 'grey', 'bands'"),
    ({"mean": (123.7, 116.3, 103.5)}, "divide those made for 0..255 by 255"),
    ({"mean": (0.5, 0.5)}, "a tuple of 1 number or 3 numbers for colour='rgb'"),
    ({"colour": "grey", "mean": (0.5, 0.5, 0.5)}, "a tuple of 1 number for colour='grey'"),
    ({"mean": (float("nan"),)}, "mean=(nan,) is not possible"),
    ({"std": (0.0,)}, "std=(0.0,) is not possible; allowed: numbers from above 0 to 1"),
    ({"alpha": (0, 0, 256)}, "alpha=(0, 0, 256) is not possible"),
    ({"formats": ()}, "formats=() is not possible"),
    ({"formats": ("JPG",)}, "Did you mean 'JPEG'?"),
    ({"formats": ("PNG", "PNG")}, "each format once"),
    ({"sixteen_bit": "clip"}, "sixteen_bit='clip' is not possible; allowed: one of 'scale'"),
]


@pytest.mark.parametrize(("fields", "sentence"), REFUSALS, ids=lambda value: str(value)[:40])
def test_a_field_with_an_impossible_value_is_refused_by_name(fields: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError) as refusal:
        Preprocess(**fields)  # type: ignore[arg-type]
    assert sentence in str(refusal.value)


def test_a_preprocess_is_the_same_after_json_and_back() -> None:
    for preprocess in (IMAGENET, Preprocess(size=(28, 20), fit="squash", colour="grey", mean=(0,), std=(1,))):
        again = Preprocess.from_dict(json.loads(json.dumps(preprocess.to_dict())))
        assert again == preprocess
        assert hash(again) == hash(preprocess)


def test_equal_preprocesses_give_equal_json() -> None:
    whole, real = Preprocess(mean=(0,), std=(1,)), Preprocess(mean=(0.0,), std=(1.0,))
    assert json.dumps(whole.to_dict()) == json.dumps(real.to_dict())


def test_an_unknown_field_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ValueError, match=r"'color' is no field of a preprocess\. Did you mean 'colour'\?"):
        Preprocess.from_dict({"color": "rgb"})


def test_grey_has_one_channel_and_colour_three() -> None:
    assert [Preprocess(colour=colour).channels for colour in ("grey", "rgb", "bgr")] == [1, 3, 3]


def test_bands_has_a_channel_for_each_mean() -> None:
    assert Preprocess(colour="bands", mean=(0.1, 0.2, 0.3, 0.4), std=(0.2,)).channels == 4
    with pytest.raises(ValueError, match="a tuple of 1 number or 4 numbers for colour='bands'"):
        Preprocess(colour="bands", mean=(0.1, 0.2, 0.3, 0.4), std=(0.2, 0.2, 0.2))


def test_without_a_resize_a_crop_covers_the_whole_size() -> None:
    assert Preprocess(size=(224, 320)).shorter_side == 320
    assert IMAGENET.shorter_side == 256
    assert replace(IMAGENET, resize=None).shorter_side == 224
