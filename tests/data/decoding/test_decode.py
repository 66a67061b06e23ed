"""Decode: one policy for every file, and only `BadImage` for what is none."""

from __future__ import annotations

import contextlib
import io
import os
import random
import struct
import sys
import threading
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resnets.data.decoding.decode import decode
from resnets.data.decoding.loading import MAX_ANIMATION
from resnets.data.decoding.orientation import orientation
from resnets.data.errors import BadImage
from resnets.spec.preprocess import FORMATS, Preprocess
from tests.encoded import SIDEWAYS, WIDE_PROFILE, chunk, encoded, photo, png

RGB = Preprocess()
GREY = Preprocess(colour="grey")
EVERY_FORMAT = Preprocess(formats=tuple(FORMATS))


def claimed(width: int, height: int) -> bytes:
    """A PNG whose header claims a size; its pixels are not there."""
    whole = encoded(Image.new("L", (1, 1)))
    header = struct.pack(">2I", width, height) + whole[24:29]
    return whole[:8] + chunk(b"IHDR", header) + whole[33:]


def test_a_plain_picture_is_pillows_to_the_bit(shared_data: Path) -> None:
    photos = sorted((shared_data / "trashnet" / "val").rglob("*.jpg"))[:20]
    photos += sorted((shared_data / "imagenet-sample").glob("*.JPEG"))[:40]
    photos += sorted((shared_data / "photos-cc0-skimage").glob("*.*g"))
    unmanaged = Preprocess(profile="ignore")
    compared = 0
    for path in photos:
        with Image.open(path) as image:
            if image.mode not in ("L", "RGB") or orientation(image.info.get("exif")) != 1:
                continue
            assert np.array_equal(decode(path, unmanaged), image.convert("RGB")), path
            assert np.array_equal(decode(path, replace(unmanaged, colour="grey")), image.convert("L")), path
            if not image.info.keys() & {"icc_profile", "gamma"}:
                assert np.array_equal(decode(path, RGB), image.convert("RGB")), path
            compared += 1
    assert compared > 60


def test_what_is_returned_says_nothing_more_of_its_colours() -> None:
    image = decode(encoded(photo(), "JPEG", icc_profile=WIDE_PROFILE, exif=SIDEWAYS), RGB)
    assert image.info == {}


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
                decode(claimed(width, height), RGB)


def test_what_is_no_allowed_image_is_refused_with_its_reason(tmp_path: Path) -> None:
    jpeg = encoded(Image.new("RGB", (64, 64)), "JPEG")
    for source, sentence in (
        (b"", "it is no readable JPEG or PNG or WEBP image: the file is empty"),
        (b"GIF89a" + b"\0" * 100, "it is GIF, which the preprocess does not name"),
        (encoded(Image.new("L", (2, 2)), "BMP"), "it is BMP, which the preprocess does not name"),
        (b"hello, this is text", "it begins with b'hello, t'"),
        (b"\0\0\0\x20ftypheic", "it is HEIC, which is not read; convert it"),
        (encoded(photo())[:20] + bytes(100), "it begins like PNG and is damaged"),
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


def test_what_a_file_is_is_told_by_its_bytes_and_not_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(encoded(photo(), "JPEG"))
    assert decode(path, RGB).size == (96, 80)


@pytest.mark.skipif(sys.platform == "darwin", reason="its file system takes no names that are not Unicode")
@pytest.mark.parametrize("name", ["größe 图.png", "a#b%20?.png", os.fsdecode(b"\xff\xfe.png")])
def test_a_path_may_be_in_any_writing_and_in_none(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(encoded(photo()))
    assert decode(path, RGB).size == (96, 80)
    path.write_bytes(b"")
    with pytest.raises(BadImage) as refusal:
        decode(path, RGB)
    assert refusal.value.name == str(path)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "TIFF", "MPO"])
def test_the_stated_frame_of_an_animation_is_decoded(kind: str) -> None:
    shades = [Image.new("RGB", (16, 16), (shade, shade, shade)) for shade in (0, 128, 255)]
    exact = {"WEBP": {"lossless": True}}.get(kind, {})
    data = encoded(shades[0], kind, save_all=True, append_images=shades[1:], **exact)
    for frame, shade in enumerate((0, 128, 255)):
        image = decode(data, replace(EVERY_FORMAT, frame=frame))
        assert np.abs(np.asarray(image).astype(int) - shade).max() <= 1
    with pytest.raises(BadImage, match="it has 3 frames; there is no frame 3, counted from 0"):
        decode(data, replace(EVERY_FORMAT, frame=3))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "PPM", "WEBP"])
def test_a_still_picture_has_frame_0_only(kind: str) -> None:
    with pytest.raises(BadImage, match="it has 1 frame; there is no frame 1"):
        decode(encoded(photo(), kind), replace(EVERY_FORMAT, frame=1))


def test_the_picture_of_a_png_for_those_without_animations_is_none_of_its_frames() -> None:
    shades = [Image.new("RGB", (4, 4), (shade, 0, 0)) for shade in (10, 20, 30)]
    data = encoded(shades[0], save_all=True, append_images=shades[1:], default_image=True)
    seen = [decode(data, replace(RGB, frame=frame)).getpixel((0, 0)) for frame in (0, 1)]
    assert seen == [(20, 0, 0), (30, 0, 0)]
    with pytest.raises(BadImage, match="it has 2 frames"):
        decode(data, replace(RGB, frame=2))


def test_a_frame_behind_too_many_pixels_is_refused() -> None:
    frames = [Image.new("L", (2000, 2000), shade) for shade in (0, 1, 2)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode(data, replace(EVERY_FORMAT, frame=2)).size == (2000, 2000)
    many = data[:-1] + data[data.index(b"\x21\xf9", 20) : -1] * (MAX_ANIMATION // 4_000_000 + 1) + b";"
    with pytest.raises(BadImage, match=r"comes after .* pixels"):
        decode(many, replace(EVERY_FORMAT, frame=MAX_ANIMATION // 4_000_000 + 1))


def test_exif_of_png_and_webp_turns_them_as_it_does_jpegs() -> None:
    upright = photo().transpose(Image.Transpose.ROTATE_270)
    for kind, options in (("PNG", {}), ("WEBP", {"lossless": True}), ("TIFF", {}), ("JPEG", {"quality": 100})):
        data = encoded(photo(), kind, exif=SIDEWAYS, **options)
        assert np.abs(np.asarray(decode(data, EVERY_FORMAT)).astype(int) - upright).mean() < 2, kind
        as_stored = decode(data, replace(EVERY_FORMAT, exif=False))
        assert as_stored.size == photo().size, kind
        assert np.abs(np.asarray(as_stored).astype(int) - photo()).mean() < 2, kind


def test_a_png_text_that_unpacks_to_a_gigabyte_is_refused() -> None:
    import zlib

    squeezed = zlib.compress(bytes(1 << 24), 9)
    data = encoded(Image.new("L", (1, 1)))
    bomb = data[:33] + chunk(b"zTXt", b"a\0\0" + squeezed) + data[33:]
    with pytest.raises(BadImage, match="too large"):
        decode(bomb, RGB)


def test_deep_grey_of_a_tiff_is_scaled_by_the_bits_it_states() -> None:
    grey = np.array([[0, 2048, 4095]], np.uint16)
    white_is_zero = bytearray(encoded(Image.fromarray(grey * 16), "TIFF"))
    place = white_is_zero.index(struct.pack("<HHII", 262, 3, 1, 1))
    white_is_zero[place + 8] = 0
    assert np.asarray(decode(bytes(white_is_zero), replace(EVERY_FORMAT, colour="grey"))).tolist() == [[255, 127, 0]]
    twelve = struct.pack("<5B", 0, 0x08, 0x00, 0xFF, 0xF0)  # 0, 2048, 4095 in 12 bits each, high bits first
    header = b"II*\0" + struct.pack("<I", 8)
    tags = ((256, 3), (257, 1), (258, 12), (259, 1), (262, 1), (273, 8 + 2 + 12 * 8 + 4), (278, 1), (279, len(twelve)))
    table = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    image = decode(header + table + bytes(4) + twelve, replace(EVERY_FORMAT, colour="grey"))
    assert np.asarray(image).tolist() == [[0, 128, 255]]


def test_numbers_without_a_known_range_are_refused() -> None:
    for pixels in (np.ones((2, 2), np.float32), np.ones((2, 2), np.int32)):
        with pytest.raises(BadImage, match="no known range"):
            decode(encoded(Image.fromarray(pixels), "TIFF"), EVERY_FORMAT)


def test_a_clear_colour_is_found_in_any_depth() -> None:
    steps = np.arange(16, dtype=np.uint16).reshape(1, 16)
    background = Preprocess(alpha=(1, 2, 3))
    for bits, clear in ((4, 7), (2, 1), (1, 1)):
        data = png(steps % (1 << bits), bits, 0, chunk(b"tRNS", struct.pack(">H", clear)))
        seen = np.asarray(decode(data, background))[0]
        is_clear = (steps[0] % (1 << bits)) == clear
        assert (seen[is_clear] == (1, 2, 3)).all() and (seen[~is_clear, 0] == seen[~is_clear, 1]).all()
    deep = np.full((1, 2, 3), 0x9000, np.uint16)
    deep[0, 0] = (0x1234, 0x5678, 0x9ABC)
    data = png(deep, 16, 2, chunk(b"tRNS", struct.pack(">3H", 0x1234, 0x5678, 0x9ABC)))
    assert np.asarray(decode(data, background))[0].tolist() == [[1, 2, 3], [0x90] * 3]


def test_large_pictures_are_flattened_in_strips_to_the_same_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    clear = photo()
    clear.putalpha(photo().convert("L"))
    for image in (clear, clear.convert("LA"), photo().quantize(50), photo().convert("CMYK")):
        data = encoded(image, "TIFF" if image.mode == "CMYK" else "PNG", icc_profile=WIDE_PROFILE)
        whole = np.asarray(decode(data, EVERY_FORMAT))
        with monkeypatch.context() as patch:
            patch.setattr("resnets.data.decoding.flatten.STRIP", 1000)
            assert np.array_equal(decode(data, EVERY_FORMAT), whole)


def test_damaged_metadata_warns_nobody_in_any_thread() -> None:
    exif = SIDEWAYS.tobytes()[:-6]
    data = encoded(photo(), "TIFF")[:-2]
    before = list(warnings.filters)

    def work() -> None:
        for _ in range(50):
            with contextlib.suppress(BadImage):
                decode(encoded(photo(8, 8), "JPEG", exif=exif), EVERY_FORMAT)
                decode(data, EVERY_FORMAT)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(warnings.filters) == before


def test_an_array_file_of_bytes_is_a_picture() -> None:
    def saved(array: np.ndarray) -> bytes:
        file = io.BytesIO()
        np.save(file, array)
        return file.getvalue()

    pixels = np.asarray(photo())
    assert np.array_equal(decode(saved(pixels), EVERY_FORMAT), pixels)
    assert np.array_equal(decode(saved(pixels[:, :, 0]), replace(EVERY_FORMAT, colour="grey")), pixels[:, :, 0])
    for array in (pixels.astype(np.float32), pixels[:, :, :2], pixels[None], np.array(1, np.uint8)):
        with pytest.raises(BadImage):
            decode(saved(array), EVERY_FORMAT)
    with pytest.raises(BadImage, match="NPY, which the preprocess does not name"):
        decode(saved(pixels), RGB)
