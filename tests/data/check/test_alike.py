"""Alike: copies of one photograph are told from two photographs that only look alike from afar."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter

from resnets.data.check.alike import View, same_photograph, view
from resnets.data.check.facts import facts_of_arrays
from resnets.data.check.hashes import hashes, shrink, shrink_arrays
from resnets.data.source import ArraySource
from resnets.spec.preprocess import Preprocess


def photograph(base: int, detail: int, side: int = 128) -> Image.Image:
    """Soft colours chosen by `base`, with fine detail chosen by `detail`."""
    soft = np.random.default_rng(base).integers(0, 256, (6, 6, 3), np.uint8)
    grain = min(side, 64)
    fine = np.random.default_rng(1000 + detail).normal(0, 18, (grain, grain, 1))
    large = np.asarray(Image.fromarray(soft).resize((grain, grain), Image.Resampling.BICUBIC), np.float32) + fine
    return Image.fromarray(large.clip(0, 255).astype(np.uint8)).resize((side, side), Image.Resampling.BICUBIC)


def seen(image: Image.Image) -> View:
    pixels = np.asarray(image)[None]
    return view(ArraySource(pixels, np.zeros(1, np.int64), "x"), 0, Preprocess())


def hash_of(image: Image.Image) -> int:
    return int(hashes(np.asarray(shrink(image.convert("L"), 32))[None])[0][0])


@pytest.mark.parametrize("side", [32, 128])
def test_two_photographs_of_one_scene_are_not_copies(side: int) -> None:
    one, other = photograph(0, 0, side), photograph(0, 1, side)
    assert np.bitwise_count(np.uint64(hash_of(one) ^ hash_of(other))) <= 10, "the hash alone would call them copies"
    assert not same_photograph(seen(one), seen(other), mirrored=False)
    assert same_photograph(seen(one), seen(one), mirrored=False)


def test_a_copy_of_another_size_is_compared_at_the_smaller_one() -> None:
    image = photograph(0, 0)
    small = image.resize((40, 40), Image.Resampling.LANCZOS)
    assert same_photograph(seen(image), seen(small), mirrored=False)
    assert same_photograph(seen(small), seen(image), mirrored=False)


def test_a_mirrored_copy_is_one_only_when_it_is_asked_for() -> None:
    image = photograph(0, 0)
    mirrored = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    assert same_photograph(seen(image), seen(mirrored), mirrored=True)
    assert not same_photograph(seen(image), seen(mirrored), mirrored=False)


def test_the_same_shapes_in_another_colour_are_another_picture() -> None:
    grey = np.asarray(photograph(3, 3).convert("L"), np.float32) / 255
    red, blue = (np.stack([grey * strength for strength in colour], 2) for colour in ((200, 60, 60), (40, 60, 255)))
    one, other = (Image.fromarray(pixels.astype(np.uint8)) for pixels in (red, blue))
    assert not same_photograph(seen(one), seen(other), mirrored=False)
    assert same_photograph(seen(one), seen(one.convert("L").convert("RGB")), mirrored=False), "a grey copy is a copy"


def test_small_pictures_with_little_in_them_are_not_compared() -> None:
    digit = np.zeros((28, 28, 3), np.uint8)
    digit[4:24, 13:16] = 255
    soft = Image.fromarray(digit).filter(ImageFilter.GaussianBlur(0.5))
    assert not same_photograph(seen(soft), seen(soft), mirrored=False)


def test_the_mirrored_hash_is_the_hash_of_the_mirror_image() -> None:
    pixels = np.stack([np.asarray(photograph(seed, seed)) for seed in range(20)])
    there = facts_of_arrays(ArraySource(pixels, np.zeros(20, np.int64), "x"))
    back = facts_of_arrays(ArraySource(pixels[:, :, ::-1], np.zeros(20, np.int64), "x"))
    assert np.bitwise_count(there["mirrored"] ^ back["hash"]).max() <= 2


def test_pictures_in_memory_and_in_files_are_shrunk_alike() -> None:
    image = photograph(0, 0).convert("L").resize((128, 96))
    of_array = shrink_arrays(np.asarray(image)[None], 32)[0]
    assert np.abs(of_array - np.asarray(shrink(image, 32))).max() <= 1
