"""Picture: one way from what is kept to what a network sees, for files, arrays and bands, whole or in part."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from resnets.data.decoding.picture import as_image, file_pixels, pixels
from resnets.data.decoding.transform import fit
from resnets.data.errors import BadImage
from resnets.net.normalise import normalise
from resnets.spec.preprocess import Preprocess

WIDE = Preprocess(size=(12, 20), resize=24)
NOISE = np.random.default_rng(0).integers(0, 256, (50, 90, 3), dtype=np.uint8)


def part(width: int, height: int) -> tuple[int, int, int, int]:
    """A part that shows which of four numbers is which; it is told of 90 x 50."""
    assert (width, height) == (90, 50)
    return 40, 7, 37, 11


def png(picture: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("fitted", ["crop", "pad", "squash"])
@pytest.mark.parametrize("resize", [None, 30])
def test_a_part_fills_the_size_whatever_the_fit(fitted: str, resize: int | None) -> None:
    preprocess = Preprocess(size=(12, 20), fit=fitted, resize=resize if fitted == "crop" else None)  # type: ignore[arg-type]
    cut = Image.fromarray(NOISE[7:18, 40:77]).resize((20, 12), Image.Resampling.BILINEAR)
    for raw in (NOISE, png(NOISE)):
        assert np.array_equal(pixels(raw, preprocess, part), np.asarray(cut).transpose(2, 0, 1))


def test_bands_are_cut_and_fitted_as_colours_are() -> None:
    bands = replace(WIDE, colour="bands", mean=(0.5,) * 3, std=(0.5,) * 3)
    for crop in (None, part):
        assert np.array_equal(pixels(NOISE, bands, crop), pixels(NOISE, WIDE, crop))
    file = io.BytesIO()
    np.save(file, NOISE)
    stored = replace(bands, formats=("NPY",))
    assert np.array_equal(pixels(file.getvalue(), stored, part), pixels(NOISE, WIDE, part))


@pytest.mark.parametrize("decoding", ["exact", "fast"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("colour", ["grey", "rgb", "bgr"])
def test_arrays_and_files_of_one_picture_are_one(channels: int, colour: str, decoding: str) -> None:
    preprocess = replace(WIDE, colour=colour, decoding=decoding)  # type: ignore[arg-type]
    picture = NOISE[:, :, :channels]
    file = png(picture[:, :, 0] if channels == 1 else picture)
    for crop in (None, part):
        seen = pixels(np.ascontiguousarray(picture), preprocess, crop)
        assert seen.shape == (preprocess.channels, 12, 20) and seen.dtype == np.uint8
        assert np.array_equal(seen, pixels(file, preprocess, crop))


def test_a_file_is_named_where_it_is_bad(tmp_path: Path) -> None:
    (tmp_path / "good.png").write_bytes(png(NOISE))
    assert np.array_equal(file_pixels(tmp_path / "good.png", WIDE), fit(as_image(NOISE), WIDE))
    (tmp_path / "bad.png").write_bytes(b"no picture")
    for name, reason in (("bad.png", "it is no readable JPEG"), ("absent.png", "")):
        with pytest.raises(BadImage) as refusal:
            file_pixels(tmp_path / name, WIDE)
        assert refusal.value.name == str(tmp_path / name)
        assert refusal.value.reason.startswith(reason)


def test_bars_are_in_the_mean_colour_whatever_the_order_and_type_of_the_numbers() -> None:
    pad = Preprocess(size=(8, 8), fit="pad", mean=(0.1, 0.5, 0.9))
    thin = np.zeros((100, 1, 3), np.uint8)
    for fine, colour, bar in (
        (False, "rgb", [26, 128, 230]),
        (False, "bgr", [230, 128, 26]),  # red first, as pictures are until they are numbers
        (False, "bands", [26, 128, 230]),
        (True, "bands", [25.5, 127.5, 229.5]),
    ):
        raw = thin.astype(np.float32) if fine else thin
        seen = pixels(raw, replace(pad, colour=colour))  # type: ignore[arg-type]
        assert seen[:, 0, 0].tolist() == pytest.approx(bar)
        assert (seen == 0).any()  # the picture is one pixel wide at least
        assert (pixels(raw.swapaxes(0, 1), replace(pad, colour=colour)) == 0).any()  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [torch.uint8, torch.float32])
def test_numbers_are_made_beside_the_pixels(kind: torch.dtype) -> None:
    batch = torch.full((2, 3, 4, 4), 51, dtype=kind)
    assert torch.allclose(normalise(batch, Preprocess()), torch.tensor(0.2))
    assert (batch == 51).all()
