"""Transform: torchvision's resize and crop to the bit, and numbers as the preprocess states them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from resnets.data.decoding.colour import to_channels, to_colour
from resnets.data.decoding.transform import fit, is_identity
from resnets.data.errors import BadImage
from resnets.net.normalise import normalise
from resnets.spec.preprocess import IMAGENET, Preprocess

SIZES = [(300, 400), (401, 299), (256, 256), (224, 640), (225, 1000), (30, 40), (257, 258), (1, 1)]


def noise(height: int, width: int, channels: int = 3) -> Image.Image:
    pixels = np.random.default_rng(height * width).integers(0, 256, (height, width, channels), dtype=np.uint8)
    return Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "nearest"])
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_a_crop_is_torchvisions_resize_and_centre_crop(height: int, width: int, interpolation: str) -> None:
    from torchvision.transforms import CenterCrop, InterpolationMode, Resize

    image = noise(height, width)
    for resize, size in ((256, (224, 224)), (97, (96, 64)), (33, (32, 33))):
        preprocess = replace(IMAGENET, resize=resize, size=size, interpolation=interpolation)
        theirs = CenterCrop(size)(Resize(resize, InterpolationMode(interpolation))(image))
        assert np.array_equal(fit(image, preprocess), np.asarray(theirs).transpose(2, 0, 1))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_without_antialias_a_resize_is_torchvisions_on_a_tensor(interpolation: str) -> None:
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms.v2.functional import resize

    image = noise(150, 200)
    preprocess = Preprocess(size=(64, 80), fit="squash", interpolation=interpolation, antialias=False)
    tensor = torch.from_numpy(np.array(image)).permute(2, 0, 1).float()
    theirs = resize(tensor, [64, 80], InterpolationMode(interpolation), antialias=False)
    assert np.array_equal(fit(image, preprocess), theirs.round().clamp(0, 255).numpy())
    grey = replace(preprocess, colour="grey")
    assert fit(image, grey).shape == (1, 64, 80)


def test_a_pad_keeps_the_whole_picture_on_bars_of_the_mean_colour() -> None:
    image = noise(40, 20)
    padded = fit(image, replace(IMAGENET, fit="pad", resize=None, size=(40, 60)))
    assert np.array_equal(padded[:, :, 20:40], np.asarray(image).transpose(2, 0, 1))
    assert padded[:, 0, 0].tolist() == [124, 116, 104]
    assert fit(image, Preprocess(size=(8, 8), fit="pad", colour="grey", mean=(0.5,))).shape == (1, 8, 8)
    thin = fit(noise(1, 1000), Preprocess(size=(8, 8), fit="pad", mean=(1.0,)))
    assert (thin[:, 0] == 255).all()


def test_a_squash_is_one_resize_of_both_sides() -> None:
    image = noise(50, 70)
    squashed = fit(image, Preprocess(size=(20, 30), fit="squash"))
    assert np.array_equal(squashed.transpose(1, 2, 0), np.asarray(image.resize((30, 20), Image.Resampling.BILINEAR)))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("colour", ["grey", "rgb", "bgr"])
@pytest.mark.parametrize("how", ["crop", "pad", "squash"])
def test_every_fit_gives_the_size_and_channels_it_states(channels: int, colour: str, how: str) -> None:
    preprocess = Preprocess(size=(9, 13), fit=how, colour=colour)  # type: ignore[arg-type]
    for height, width in ((5, 5), (9, 13), (100, 7)):
        pixels = fit(noise(height, width, channels), preprocess)
        assert pixels.shape == (preprocess.channels, 9, 13)
        assert pixels.dtype == np.uint8


def test_where_nothing_is_to_do_pixels_stay_as_they_are() -> None:
    for preprocess in (
        Preprocess(size=(28, 28)),
        Preprocess(size=(28, 20), fit="squash"),
        Preprocess(size=(28, 20), fit="pad"),
    ):
        image = noise(*preprocess.size)
        assert is_identity(preprocess.size, preprocess)
        assert np.array_equal(fit(image, preprocess), np.asarray(image).transpose(2, 0, 1))
    assert not is_identity((28, 20), Preprocess(size=(28, 20)))
    assert not is_identity((32, 32), Preprocess(size=(32, 32), resize=36))


def test_a_picture_too_long_and_thin_is_bad() -> None:
    with pytest.raises(BadImage, match="1 x 90000 would become 256 x 23040000 pixels"):
        fit(Image.new("L", (1, 90_000)), IMAGENET)


def test_normalise_is_torchvisions() -> None:
    from torchvision.transforms.functional import normalize, to_tensor

    batch = torch.randint(0, 256, (2, 3, 5, 7), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    before = batch.clone()
    scaled = torch.stack([to_tensor(picture.permute(1, 2, 0).numpy()) for picture in batch])
    theirs = normalize(scaled, list(IMAGENET.mean), list(IMAGENET.std))
    assert torch.equal(normalise(batch, IMAGENET), theirs)
    assert torch.equal(normalise(batch.float(), IMAGENET), theirs)
    assert torch.equal(batch, before)


def test_bgr_turns_the_channels_round_and_its_mean_is_blue_first() -> None:
    batch = torch.tensor([10, 20, 30], dtype=torch.uint8).view(1, 3, 1, 1)
    preprocess = Preprocess(colour="bgr", mean=(30 / 255, 0, 0), std=(1 / 255,))
    assert normalise(batch, preprocess).flatten().tolist() == pytest.approx([0, 20, 10], abs=1e-4)


def test_colour_of_a_batch_is_pillows_colour_of_a_picture(shared_data: Path) -> None:
    photo = Image.open(shared_data / "photos-cc0-skimage" / "chelsea.png").convert("RGB")
    batch = torch.from_numpy(np.array(photo)).permute(2, 0, 1)[None]
    grey = to_channels(batch, 1)
    assert np.array_equal(grey[0, 0].numpy(), np.asarray(to_colour(photo, Preprocess(colour="grey"))))
    assert torch.equal(to_channels(grey, 3), grey.repeat(1, 3, 1, 1))
