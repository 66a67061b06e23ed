"""Bands: any number of channels, none lost, none turned into a colour."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from resnets.data.decoding.decode import decode, decode_bands
from resnets.data.decoding.transform import fit
from resnets.data.errors import BadImage
from resnets.spec.preprocess import FORMATS, Preprocess
from tests.encoded import SIDEWAYS, encoded, photo, png

Array = np.ndarray[Any, Any]


def policy(channels: int, **changes: Any) -> Preprocess:
    return Preprocess(colour="bands", mean=(0.5,) * channels, formats=tuple(FORMATS), **changes)


def numbers(dtype: str, height: int = 40, width: int = 52, channels: int = 5) -> Array:
    chance = np.random.default_rng(0)
    if np.dtype(dtype).kind == "f":
        return chance.random((height, width, channels)).astype(dtype)
    return chance.integers(0, np.iinfo(dtype).max, (height, width, channels), endpoint=True).astype(dtype)


def npy(array: Array) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def packbits(data: bytes) -> bytes:
    return b"".join(bytes([len(data[n : n + 128]) - 1]) + data[n : n + 128] for n in range(0, len(data), 128))


PACKINGS: dict[int, Callable[[bytes], bytes]] = {1: bytes, 8: zlib.compress, 32946: zlib.compress, 32773: packbits}


def tiff(
    bands: Array, packing: int = 1, *, planar: bool = False, tile: int = 0, order: str = "<", predictor: int = 1,
    big: bool = False, more: dict[int, int] | None = None, page_after: bool = False,
) -> bytes:  # fmt: skip
    """A TIFF of (H, W, C) numbers, written by hand."""
    height, width, count = bands.shape
    planes = [bands[:, :, n : n + 1] for n in range(count)] if planar else [bands]
    pieces = []
    for plane in planes:
        tall, wide = (tile, tile) if tile else (16, width)
        for top in range(0, height, tall):
            for left in range(0, width, wide):
                piece = plane[top : top + tall, left : left + wide]
                if tile:
                    piece = np.pad(piece, ((0, tall - piece.shape[0]), (0, wide - piece.shape[1]), (0, 0)))
                if predictor == 2:
                    piece = np.diff(piece, axis=1, prepend=np.zeros_like(piece[:, :1]))
                pieces.append(PACKINGS[packing](piece.astype(piece.dtype.newbyteorder(order)).tobytes()))
    kind = {"u": 1, "i": 2, "f": 3, "c": 6}[bands.dtype.kind]
    bits = bands.dtype.itemsize * 8
    start = 16 if big else 8
    places = list(np.cumsum([start] + [len(piece) for piece in pieces[:-1]]))
    tags: dict[int, list[int]] = {
        256: [width], 257: [height], 258: [bits] * count, 259: [packing], 262: [1], 277: [count],
        284: [2 if planar else 1], 317: [predictor], 339: [kind] * count,
    }  # fmt: skip
    sizes = [len(piece) for piece in pieces]
    tags |= {322: [tile], 323: [tile], 324: places, 325: sizes} if tile else {273: places, 278: [16], 279: sizes}
    tags |= {tag: [value] for tag, value in (more or {}).items()}
    at = start + sum(sizes)
    word, entry, inline = ("Q", "HHQ", 8) if big else ("I", "HHI", 4)
    behind = at + (8 if big else 2) + len(tags) * (12 + 2 * inline - 4 + (4 if big else 0) - (4 if big else 0)) + inline
    behind = (
        at
        + struct.calcsize(order + ("Q" if big else "H"))
        + len(tags) * (struct.calcsize(order + entry) + inline)
        + inline
    )
    table, arrays = struct.pack(order + ("Q" if big else "H"), len(tags)), b""
    for tag, values in sorted(tags.items()):
        packed = struct.pack(f"{order}{len(values)}I", *values)
        inside = (
            packed.ljust(inline, b"\0") if len(packed) <= inline else struct.pack(order + word, behind + len(arrays))
        )
        arrays += b"" if len(packed) <= inline else packed
        table += struct.pack(order + entry, tag, 4, len(values)) + inside
    mark = {"<": b"II", ">": b"MM"}[order]
    head = struct.pack(order + "HHHQ", 43, 8, 0, at) if big else struct.pack(order + "HI", 42, at)
    return mark + head + b"".join(pieces) + table + struct.pack(order + word, at if page_after else 0) + arrays


@pytest.mark.parametrize("dtype", ["uint8", "uint16", ">u2", "float32", "float64", "float16", ">f4"])
def test_numbers_are_kept_or_become_floats_up_to_255(dtype: str) -> None:
    array = numbers(dtype)
    bands = decode_bands(npy(array), policy(5))
    scale = {"u": 1 / 257 if array.dtype.itemsize == 2 else 1, "f": 255}[array.dtype.kind]
    assert bands.dtype == (np.uint8 if array.dtype == np.uint8 else np.float32)
    assert bands == pytest.approx(array.astype(np.float64) * scale, rel=1e-6)
    assert np.array_equal(decode_bands(npy(np.asfortranarray(array)), policy(5)), bands)
    assert np.array_equal(decode_bands(npy(array[:, :, 0]), policy(1)), bands[:, :, :1])
    bands[0, 0, 0] = 0  # it may be written to


def test_no_bit_of_sixteen_is_lost() -> None:
    array = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    for data in (npy(array), encoded(Image.fromarray(array)), encoded(Image.fromarray(array), "TIFF")):
        assert len(np.unique(decode_bands(data, policy(1)))) == 65536


@pytest.mark.parametrize(
    ("array", "channels", "sentence"),
    [
        (np.zeros((4, 5, 3), np.uint8), 4, "it has 3 bands and the network takes 4"),
        (np.zeros((4, 50, 60), np.uint8), 4, r"save it with the bands last: numpy.moveaxis\(array, 0, -1\)"),
        (np.zeros((2, 4, 5, 3), np.uint8), 3, r"allowed: \(H, W, bands\)"),
        (np.zeros((0, 5, 3), np.uint8), 3, "at least one pixel"),
        (np.zeros((4, 5, 3), bool), 3, "its numbers are bool"),
        (np.zeros((4, 5, 3), np.int16), 3, "its numbers are int16"),
        (np.zeros((4, 5, 3), np.uint32), 3, "its numbers are uint32"),
        (np.zeros((4, 5, 3), np.complex64), 3, "its numbers are complex64"),
        (np.full((4, 5, 3), 200.0), 3, "go from 200 to 200; floats must lie from 0 to 1"),
        (np.full((4, 5, 3), -0.1), 3, "floats must lie from 0 to 1"),
        (np.full((4, 5, 3), np.nan), 3, "floats must lie from 0 to 1"),
        (np.full((4, 5, 3), np.inf), 3, "floats must lie from 0 to 1"),
    ],
)
def test_an_array_that_is_no_picture_of_these_bands_is_refused(array: Array, channels: int, sentence: str) -> None:
    with pytest.raises(BadImage, match=sentence):
        decode_bands(npy(array), policy(channels))


def test_an_array_file_is_never_executed_and_its_size_is_checked_before_it_is_read() -> None:
    file = io.BytesIO()
    np.save(file, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    good = npy(np.zeros((4, 5, 3), np.uint8))
    huge = good.replace(b"(4, 5, 3), ", b"(4, 5, 99999999), ")
    for data in (file.getvalue(), good[:-1], good + b"x", huge, good[:20], good.replace(b"(4, 5", b"(-4,-5")):
        with pytest.raises(BadImage):
            decode_bands(data, policy(3))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("tile", [0, 16])
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_tiff_of_five_bands_is_read(dtype: str, packing: int, planar: bool, tile: int, order: str) -> None:
    array = numbers(dtype)
    expected = decode_bands(npy(array), policy(5))
    predictors = (1, 2) if array.dtype.kind == "u" and packing == 8 else (1,)
    for predictor in predictors:
        for big in (False, True):
            data = tiff(array, packing, planar=planar, tile=tile, order=order, predictor=predictor, big=big)
            assert np.array_equal(decode_bands(data, policy(5)), expected)


def test_pillow_reads_our_handmade_tiffs_too() -> None:
    array = numbers("uint8", channels=3)
    data = tiff(array, 8, tile=16, predictor=2, more={262: 2})
    assert np.array_equal(decode(data, Preprocess(formats=("TIFF",))), array)


def test_a_tiff_packed_with_lzw_is_read() -> None:
    image = photo()
    assert np.array_equal(decode_bands(encoded(image, "TIFF", compression="tiff_lzw"), policy(3)), image)


@pytest.mark.parametrize(
    ("data", "channels", "sentence"),
    [
        (tiff(numbers("uint8")), 4, "it has 5 bands, and the network takes 4"),
        (tiff(numbers("uint8", channels=1), page_after=True), 3, "pages of one band each are not read as bands"),
        (tiff(numbers("int16")), 5, "signed numbers of 16 bits"),
        (tiff(numbers("uint32")), 5, "whole numbers of 32 bits"),
        (tiff(numbers("float32"), predictor=3), 5, "its predictor is 3"),
        (tiff(numbers("uint8"))[:3000], 5, "error: "),
        (tiff(numbers("uint8"), more={256: 70_000, 257: 70_000}), 5, "70000 x 70000 pixels"),
        (tiff(numbers("uint8"), more={256: 8_000, 257: 8_000}), 5, "unpack to 320,000,000 bytes"),
        (tiff(numbers("uint8"), more={257: 0}), 5, "52 x 0 pixels"),
    ],
)
def test_a_tiff_that_is_none_of_these_bands_is_refused(data: bytes, channels: int, sentence: str) -> None:
    with pytest.raises(BadImage, match=sentence):
        decode_bands(data, policy(channels))


def test_the_stated_page_of_a_tiff_is_read() -> None:
    pages = [Image.fromarray(numbers("uint8", channels=3) // divisor) for divisor in (1, 2)]
    data = encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    for frame, page in enumerate(pages):
        assert np.array_equal(decode_bands(data, policy(3, frame=frame)), page)
    with pytest.raises(BadImage, match="it has 2 frames; there is no frame 2"):
        decode_bands(data, policy(3, frame=2))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_tiff_is_turned_as_pillow_turns_it(orientation: int) -> None:
    data = tiff(numbers("uint8", channels=3), more={262: 2, 274: orientation})
    assert np.array_equal(decode_bands(data, policy(3)), decode(data, Preprocess(formats=("TIFF",))))
    stored = decode(data, Preprocess(formats=("TIFF",), exif=False))
    assert np.array_equal(decode_bands(data, policy(3, exif=False)), stored)
    assert np.array_equal(stored, numbers("uint8", channels=3))


def test_a_picture_of_just_so_many_channels_is_its_bands() -> None:
    clear = photo()
    clear.putalpha(photo().convert("L"))
    for image in (clear, clear.convert("LA"), clear.convert("RGB"), clear.convert("L")):
        count = len(image.getbands())
        expected = np.asarray(image).reshape(80, 96, count)
        assert np.array_equal(decode_bands(encoded(image), policy(count)), expected)
        with pytest.raises(BadImage, match="and the network takes 7"):
            decode_bands(encoded(image), policy(7))
    turned = decode_bands(encoded(photo(), exif=SIDEWAYS), policy(3))
    assert turned.shape == (96, 80, 3)
    with pytest.raises(BadImage, match="a palette, no bands"):
        decode_bands(encoded(photo().quantize(9)), policy(1))
    with pytest.raises(BadImage, match="16 bits a band, of which 8 would be lost"):
        decode_bands(png(np.zeros((4, 4, 3), np.uint16), 16, 2), policy(3))


def test_bands_of_a_format_that_is_not_named_are_refused() -> None:
    for data in (npy(numbers("uint8")), tiff(numbers("uint8"))):
        with pytest.raises(BadImage, match="which the preprocess does not name"):
            decode_bands(data, replace(policy(5), formats=("PNG",)))
    with pytest.raises(BadImage, match="the network takes 5 bands"):
        decode(npy(numbers("uint8")), policy(5))


def test_damaged_files_of_bands_give_bands_or_a_bad_image() -> None:
    chance = random.Random(0)
    array = numbers("uint16", 8, 8, 3)
    goods = [npy(array), tiff(array, 8), tiff(array, 1, tile=16), tiff(array, 8, planar=True, big=True)]
    refused = 0
    for _ in range(1500):
        data = bytearray(chance.choice(goods))
        for _ in range(chance.randrange(1, 5)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            assert decode_bands(bytes(data[: chance.choice((None, len(data) // 2))]), policy(3)).shape[2] == 3
        except BadImage:
            refused += 1
    assert 300 < refused < 1500


@pytest.mark.parametrize("how", ["crop", "pad", "squash"])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "nearest"])
@pytest.mark.parametrize("antialias", [True, False])
def test_bands_are_resized_as_a_picture_of_these_channels(how: Any, interpolation: Any, antialias: bool) -> None:
    image = photo()
    preprocess = Preprocess(
        size=(30, 41), fit=how, interpolation=interpolation, antialias=antialias, mean=(0.1, 0.5, 0.9)
    )
    picture = fit(image, preprocess)
    bands = replace(preprocess, colour="bands")
    assert np.array_equal(fit(np.asarray(image), bands), picture)
    fine = fit(np.asarray(image).astype(np.float32), bands)
    assert fine.dtype == np.float32 and fine.flags.c_contiguous
    assert fine.min() >= 0 and fine.max() <= 255
    assert np.abs(fine - picture).max() <= 1.01


def test_bands_of_another_number_or_type_are_not_resized() -> None:
    for bands in (np.zeros((4, 4, 2), np.uint8), np.zeros((4, 4, 3)), np.zeros((4, 4), np.uint8)):
        with pytest.raises(BadImage, match=r"allowed: uint8 or float32 \(H, W, 3\)"):
            fit(bands, policy(3))
