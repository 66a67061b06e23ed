"""Profile: colours in sRGB, whatever a picture says they are in, and no change where they are in it already."""

from __future__ import annotations

import io
import random
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageCms

from resnets.data.decoding.decode import decode
from resnets.data.decoding.profile import _made, _primaries, profile_of, to_srgb
from resnets.spec.preprocess import Preprocess
from tests.encoded import SRGB, WIDE, WIDE_PROFILE, encoded, grey_profile, photo, with_gamma

POLICY = Preprocess(formats=("JPEG", "PNG", "TIFF", "WEBP"))


def pixels(data: bytes, **changes: object) -> np.ndarray:
    return np.asarray(decode(data, replace(POLICY, **changes))).astype(int)  # type: ignore[arg-type]


def test_a_made_profile_of_srgb_has_the_primaries_of_littlecms_own() -> None:
    own = ImageCms.createProfile("sRGB")
    for column, theirs in zip(
        _primaries((0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)).T,
        (own.red_colorant, own.green_colorant, own.blue_colorant),  # type: ignore[attr-defined]
        strict=True,
    ):
        assert column == pytest.approx(theirs[0], abs=2e-3)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_profile_is_applied_unless_it_is_to_be_ignored(kind: str) -> None:
    exact = {"WEBP": {"lossless": True}}.get(kind, {})
    plain, managed = encoded(photo(), kind, **exact), encoded(photo(), kind, icc_profile=WIDE_PROFILE, **exact)
    assert np.array_equal(pixels(managed, profile="ignore"), pixels(plain))
    moved = np.abs(pixels(managed) - pixels(plain))
    assert moved.mean() > 3
    with Image.open(io.BytesIO(plain)) as image:
        theirs = ImageCms.profileToProfile(
            image.convert("RGB"),
            ImageCms.ImageCmsProfile(io.BytesIO(WIDE_PROFILE)),
            ImageCms.createProfile("sRGB"),
        )
    assert np.array_equal(pixels(managed), np.asarray(theirs))


def test_gamma_is_an_exponent_in_the_numbers_of_srgb() -> None:
    light = (np.arange(256) / 255) ** (1 / 0.6)
    expected = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055) * 255
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    seen = pixels(with_gamma(encoded(ramp), 0.6))[0, :, 0]
    assert np.abs(seen - expected).max() < 1.5
    assert np.array_equal(pixels(with_gamma(encoded(ramp), 0.6), profile="ignore")[0, :, 0], np.arange(256))


def test_srgb_is_left_as_it_is_to_the_bit() -> None:
    for image in (photo(), photo().convert("L")):
        assert np.array_equal(pixels(encoded(image, icc_profile=SRGB)), pixels(encoded(image)))
        assert profile_of(Image.open(io.BytesIO(encoded(image, icc_profile=SRGB))), "RGB") is None


def test_grey_may_have_a_profile_of_grey_or_of_colours() -> None:
    grey = photo().convert("L")
    for profile in (grey_profile(1.0), WIDE_PROFILE):
        seen = pixels(encoded(grey, icc_profile=profile))
        assert (seen.max(axis=2) - seen.min(axis=2)).max() <= 1
    assert pixels(encoded(grey, icc_profile=grey_profile(1.0))).mean() > pixels(encoded(grey)).mean() + 20
    assert pixels(encoded(grey, icc_profile=grey_profile(1.0)), colour="grey").ndim == 2


def test_transparency_is_laid_on_a_colour_that_is_in_srgb() -> None:
    clear = photo()
    clear.putalpha(0)
    assert (pixels(encoded(clear, icc_profile=WIDE_PROFILE), alpha=(9, 200, 30)) == (9, 200, 30)).all()


@pytest.mark.parametrize(
    "profile",
    [
        b"", b"x", WIDE_PROFILE[:100], WIDE_PROFILE[:130], bytes(1000), grey_profile(1.0),
        WIDE_PROFILE + bytes(5 << 20), WIDE_PROFILE.replace(b"mntr", b"link"), WIDE_PROFILE.replace(b"RGB ", b"CMYK"),
        WIDE_PROFILE.replace(b"rTRC", b"xxxx"),
    ],
    ids=["empty", "a byte", "cut", "cut later", "zeros", "of grey", "too long", "a link", "of CMYK", "without a curve"],
)  # fmt: skip
def test_a_profile_that_cannot_be_used_is_ignored(profile: bytes) -> None:
    plain = encoded(photo(), "TIFF")
    assert np.array_equal(pixels(encoded(photo(), "TIFF", icc_profile=profile)), pixels(plain))


def test_a_damaged_profile_is_applied_or_ignored_and_nothing_else() -> None:
    chance = random.Random(0)
    for _ in range(300):
        damaged = bytearray(WIDE_PROFILE)
        for _ in range(chance.randrange(1, 8)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        image = photo(8, 8)
        image.info["icc_profile"] = bytes(damaged)
        for kind in ("RGB", "L", "CMYK"):
            usable = profile_of(image, kind)  # type: ignore[arg-type]
            if usable:
                assert to_srgb(image.convert(kind), usable).mode == "RGB"


def test_cmyk_with_a_profile_of_other_colours_is_converted_as_without_one() -> None:
    cmyk = photo().convert("CMYK")
    assert np.array_equal(pixels(encoded(cmyk, "JPEG", icc_profile=WIDE_PROFILE)), pixels(encoded(cmyk, "JPEG")))


def test_primaries_that_span_no_colours_are_ignored() -> None:
    plain = encoded(photo())
    for primaries in ((0.3,) * 8, (0.3, 0.0) * 4, (4e4,) * 8):
        assert np.array_equal(pixels(with_gamma(plain, 0.5, primaries)), pixels(plain))
    assert _made(0.5, WIDE)[36:40] == b"acsp"
