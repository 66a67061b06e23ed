"""Decode: one policy for every file, and only `BadImage` for what is none."""

from __future__ import annotations

import contextlib
import csv
import io
import random
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resnets.data.decode import decode
from resnets.data.errors import BadImage
from resnets.data.orientation import orientation
from resnets.spec.preprocess import FORMATS, Preprocess

RGB = Preprocess()
GREY = Preprocess(colour="grey")
EVERY_FORMAT = Preprocess(formats=tuple(FORMATS))


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png(width: int, height: int) -> bytes:
    """A PNG whose header claims a size; its pixels are not there."""
    data = bytearray(encoded(Image.new("L", (1, 1))))
    data[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    import zlib

    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    return bytes(data)


@pytest.mark.parametrize("preprocess", [RGB, GREY, EVERY_FORMAT], ids=["rgb", "grey", "every format"])
def test_odd_images_give_a_picture_or_a_bad_image(shared_data: Path, preprocess: Preprocess) -> None:
    rows = list(csv.DictReader((shared_data / "odd-images" / "MANIFEST.csv").read_text().splitlines()))
    assert len(rows) == 454
    decoded = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as a program runs; the suite itself makes them errors
        for row in rows:
            path = shared_data / "odd-images" / row["path"]
            try:
                image = decode(path, preprocess)
            except BadImage as error:
                assert error.name == str(path)
                readable = row["convert_rgb"] == "ok" and row["mode"] not in ("F", "I")
                # Pillow writes MPO for a JPEG that holds several pictures.
                if readable and row["format"] in (*preprocess.formats, "MPO"):
                    assert row["mode"] == "LAB" or "truncated_end" in row["path"], (row["path"], error.reason)
                continue
            decoded += 1
            assert image.mode == ("L" if preprocess.colour == "grey" else "RGB")
            turned = row["exif_orientation"] in ("5", "6", "7", "8")
            width, height = map(int, row["size"].split("x"))
            assert image.size == ((height, width) if turned else (width, height))
    assert decoded >= 260


def test_odd_images_raise_only_bad_image_where_warnings_are_errors(shared_data: Path) -> None:
    for path in sorted((shared_data / "odd-images" / "pillow").rglob("*.*")):
        with contextlib.suppress(BadImage):
            decode(path, EVERY_FORMAT)


def test_all_orientations_look_alike(shared_data: Path) -> None:
    folder = shared_data / "exif-orientation"
    whole = [decode(folder / f"Landscape_{n}.jpg", RGB) for n in range(9)]
    pictures = [np.asarray(image.resize((90, 60))).astype(int) for image in whole]
    for image, picture in zip(whole, pictures, strict=True):
        assert image.size == whole[0].size
        assert np.abs(picture - pictures[0]).mean() < 2  # each was compressed on its own
    sideways = decode(folder / "Landscape_6.jpg", Preprocess(exif=False))
    assert sideways.size == whole[0].size[::-1]


def test_orientation_is_read_from_damaged_exif_without_a_word() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = exif.tobytes()
    assert orientation(data) == 6
    chance = random.Random(0)
    for _ in range(2000):
        damaged = bytearray(data[: chance.randrange(len(data) + 1)])
        for _ in range(3 * bool(damaged)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        assert 1 <= orientation(bytes(damaged)) <= 8
    assert [orientation(value) for value in (None, b"", "text", b"Exif\0\0XX")] == [1, 1, 1, 1]


def test_transparency_is_laid_on_the_stated_colour() -> None:
    clear = Image.new("RGBA", (2, 1), (255, 0, 0, 0))
    clear.putpixel((1, 0), (255, 0, 0, 128))
    background = Preprocess(alpha=(0, 0, 255))
    image = decode(encoded(clear), background)
    assert [image.getpixel((x, 0)) for x in (0, 1)] == [(0, 0, 255), (128, 0, 127)]
    palette = Image.new("P", (1, 1), 3)
    palette.putpalette([9] * 768)
    assert decode(encoded(palette, transparency=3), background).getpixel((0, 0)) == (0, 0, 255)
    assert decode(encoded(palette), background).getpixel((0, 0)) == (9, 9, 9)
    assert decode(encoded(Image.new("LA", (1, 1), (0, 0))), GREY).getpixel((0, 0)) == 255


def test_sixteen_bits_of_grey_are_scaled_and_not_cut_off() -> None:
    grey = np.array([[0, 255, 256, 32768, 65535]], np.uint16)
    image = decode(encoded(Image.fromarray(grey)), GREY)
    assert np.asarray(image).tolist() == [[0, 1, 1, 128, 255]]
    assert decode(encoded(Image.fromarray(grey)), RGB).getpixel((4, 0)) == (255, 255, 255)


def test_a_clear_grey_of_sixteen_bits_shows_the_background(shared_data: Path) -> None:
    image = decode(shared_data / "odd-images" / "pngsuite" / "tbwn0g16.png", Preprocess(alpha=(1, 2, 3)))
    assert image.getpixel((0, 0)) == (1, 2, 3)


def test_cmyk_and_one_bit_and_grey_become_what_the_network_sees() -> None:
    cmyk = decode(encoded(Image.new("CMYK", (4, 4), (0, 255, 255, 0)), "JPEG"), RGB)
    red, green, blue = cmyk.getpixel((0, 0))  # type: ignore[misc]
    assert red > 250 and green < 5 and blue < 5
    assert decode(encoded(Image.new("1", (1, 1), 1)), RGB).getpixel((0, 0)) == (255, 255, 255)
    assert decode(encoded(Image.new("RGB", (1, 1), (255, 0, 0))), GREY).getpixel((0, 0)) == 76


def test_a_picture_with_too_many_pixels_is_refused_before_it_is_decoded() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for width, height in ((10_000, 9_000), (20_000, 20_000), (2**31 - 1, 2**31 - 1)):
            with pytest.raises(BadImage, match="pixels"):
                decode(png(width, height), RGB)


def test_what_is_no_allowed_image_is_refused_with_its_reason(tmp_path: Path) -> None:
    jpeg = encoded(Image.new("RGB", (64, 64)), "JPEG")
    for source, sentence in (
        (b"", "it is no readable JPEG or PNG or WEBP image"),
        (b"GIF89a" + b"\0" * 100, "it is no readable"),
        (encoded(Image.new("L", (2, 2)), "BMP"), "it is no readable JPEG or PNG or WEBP image"),
        (jpeg[:-100], "runcated"),
        (tmp_path / "absent.jpg", "there is no file"),
        (tmp_path, "is a folder"),
    ):
        with pytest.raises(BadImage) as refusal:
            decode(source, RGB)
        assert sentence in refusal.value.reason


def test_damaged_files_give_a_picture_or_a_bad_image() -> None:
    chance = random.Random(0)
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 24, 4), dtype=np.uint8))
    for kind in ("PNG", "WEBP", "JPEG"):
        good = encoded(noise.convert("RGB") if kind == "JPEG" else noise, kind)
        for _ in range(300):
            data = bytearray(good[: chance.randrange(1, len(good) + 1)] if chance.random() < 0.3 else good)
            for _ in range(chance.randrange(1, 6)):
                data[chance.randrange(len(data))] = chance.randrange(256)
            with contextlib.suppress(BadImage):
                decode(bytes(data), RGB)
