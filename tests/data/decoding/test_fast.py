"""Fast decoding: near the reference path on real photographs, and never another verdict on a file."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from resnets.data.decoding import fast, loading, transform
from resnets.data.decoding.fast import fast_pixels
from resnets.data.decoding.picture import pixels
from resnets.data.errors import BadImage
from resnets.spec.preprocess import IMAGENET, Preprocess
from tests.encoded import WIDE_PROFILE, grey_profile

SMALL = Preprocess(size=(32, 48), resize=50)


def jpeg(size: tuple[int, int] = (320, 240), mode: str = "RGB", **options: object) -> bytes:
    """A smooth picture: a ramp across, another down, and a third both ways."""
    across, down = np.meshgrid(np.linspace(0, 255, size[0]), np.linspace(0, 255, size[1]))
    picture = Image.fromarray(np.stack([across, down, (across + down) / 2], 2).astype(np.uint8)).convert(mode)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=95, **options)
    return file.getvalue()


def simplejpeg() -> ModuleType | None:
    return pytest.importorskip("simplejpeg", reason="the extra fast-jpeg is not installed")


@pytest.fixture(params=[lambda: None, simplejpeg], ids=["pillow", "simplejpeg"])
def turbo(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    module = request.param()
    monkeypatch.setattr(fast, "_simplejpeg", lambda: module)


def middle(width: int, height: int) -> tuple[int, int, int, int]:
    return width // 8, height // 4, width // 2, height // 2


def distance(data: bytes, preprocess: Preprocess, crop: Callable[..., tuple[int, int, int, int]] | None) -> float:
    near, far = (pixels(data, replace(preprocess, decoding=how), crop) for how in ("fast", "exact"))
    assert near.shape == far.shape and near.dtype == far.dtype == np.uint8
    return float(np.abs(near.astype(int) - far.astype(int)).mean())


@pytest.mark.usefixtures("turbo")
@pytest.mark.parametrize("crop", [None, middle])
@pytest.mark.parametrize("colour", ["rgb", "grey"])
@pytest.mark.parametrize("fit", ["crop", "pad", "squash"])
@pytest.mark.parametrize("size", [(320, 240), (240, 1000), (30, 20), (4000, 500)])
def test_smooth_pictures_come_out_the_same_at_every_scale(
    size: tuple[int, int], fit: str, colour: str, crop: Callable[..., tuple[int, int, int, int]] | None
) -> None:
    preprocess = Preprocess(size=(32, 48), fit=fit, colour=colour)  # type: ignore[arg-type]
    assert distance(jpeg(size), preprocess, crop) < 1.5


@pytest.mark.usefixtures("turbo")
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_as_the_reference_turns_it(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = jpeg((640, 400), exif=exif)
    assert distance(data, SMALL, None) < 1.5
    assert distance(data, SMALL, middle) < 1.5
    assert distance(data, replace(SMALL, exif=False), middle) < 1.5


@pytest.mark.usefixtures("turbo")
def test_real_photographs_stay_within_a_few_of_255(shared_data: Path) -> None:
    photos = sorted((shared_data / "imagenet-sample").glob("*.JPEG"))[:40]
    distances = [distance(photo.read_bytes(), IMAGENET, None) for photo in photos]
    assert np.median(distances) < 0.1
    assert max(distances) < 6


def test_a_jpeg_is_only_scaled_down_where_it_has_pixels_to_spare(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    decode = fast._Jpeg.decode
    monkeypatch.setattr(fast._Jpeg, "decode", lambda self, scale: asked.append(scale) or decode(self, scale))
    square = Preprocess(size=(100, 100))
    for side in (199, 200, 399, 400, 800, 5000):
        fast_pixels(jpeg((side, side)), square)
    fast_pixels(jpeg((800, 800)), square, middle)
    assert asked == [1, 2, 2, 4, 8, 8, 4]


@pytest.mark.parametrize("mode", ["CMYK", "L"])
def test_other_colours_are_read_as_the_reference_reads_them(mode: str) -> None:
    assert distance(jpeg(mode=mode), Preprocess(size=(60, 60)), None) < 1.5


def test_what_is_no_jpeg_is_decoded_by_the_reference(tmp_path: Path) -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 4), dtype=np.uint8))
    picture.save(tmp_path / "1.png")
    data = (tmp_path / "1.png").read_bytes()
    preprocess = Preprocess(size=(30, 30), fit="pad", alpha=(9, 8, 7))
    assert distance(data, preprocess, None) == 0


@pytest.mark.usefixtures("turbo")
@pytest.mark.parametrize("damage", ["short", "empty", "header", "middle", "format", "frame"])
def test_a_file_is_refused_by_both_or_by_neither(damage: str) -> None:
    data, preprocess = jpeg(), SMALL
    if damage == "short":
        data = data[: len(data) // 2]
    elif damage == "empty":
        data = b""
    elif damage == "header":
        data = data[:100]
    elif damage == "middle":
        data = data[:3000] + bytes(200) + data[3200:]
    elif damage == "format":
        preprocess = replace(preprocess, formats=("PNG",))
    else:
        preprocess = replace(preprocess, frame=1)
    verdicts = []
    for decoding in ("exact", "fast"):
        try:
            pixels(data, replace(preprocess, decoding=decoding))
            verdicts.append("read")
        except BadImage as error:
            verdicts.append(error.reason)
    assert verdicts[0] == verdicts[1]
    assert (verdicts[0] == "read") == (damage == "middle")


def test_exact_decoding_is_pillows_and_torchvisions_to_the_bit(shared_data: Path) -> None:
    from torchvision.transforms import v2

    steps = v2.Compose([v2.Resize(256), v2.CenterCrop(224), v2.PILToTensor()])
    for photo in sorted((shared_data / "imagenet-sample").glob("*.JPEG"))[:10]:
        reference = steps(Image.open(photo).convert("RGB")).numpy()
        assert np.array_equal(pixels(photo.read_bytes(), IMAGENET), reference)


def test_an_exact_crop_is_torchvisions_resized_crop_to_the_bit(shared_data: Path) -> None:
    from torchvision.transforms.v2 import functional

    photo = shared_data / "photos-cc0-skimage" / "rocket.jpg"
    image = Image.open(photo).convert("RGB")
    left, top, width, height = middle(*image.size)
    resized = functional.resized_crop(image, top, left, height, width, [224, 224])
    exact = pixels(photo.read_bytes(), IMAGENET, middle)
    assert np.array_equal(exact, np.asarray(resized).transpose(2, 0, 1))


@pytest.mark.usefixtures("turbo")
@pytest.mark.parametrize("fit", ["crop", "squash"])
@pytest.mark.parametrize(("interpolation", "antialias"), [("bicubic", True), ("nearest", True), ("bilinear", False)])
def test_filters_are_those_of_the_preprocess(fit: str, interpolation: str, antialias: bool) -> None:
    """On noise, where each filter gives other numbers; an array is not scaled while it is decoded."""
    noise = np.random.default_rng(1).integers(0, 256, (70, 90, 3), dtype=np.uint8)
    kind = {"fit": fit, "interpolation": interpolation, "antialias": antialias}
    preprocess = Preprocess(size=(32, 48), **kind)  # type: ignore[arg-type]
    for crop in (None, middle):
        near, far = (pixels(noise, replace(preprocess, decoding=how), crop) for how in ("fast", "exact"))
        assert np.abs(near.astype(int) - far).mean() < 1  # another filter is 10 or more away
    assert distance(jpeg((70, 90)), preprocess, None) < 1.5


@pytest.mark.parametrize("shape", [(8, 8, 3), (20, 30, 3), (20, 30, 1)])
def test_pixels_that_may_not_be_written_to_are_read(shape: tuple[int, ...]) -> None:
    """Such as a pack's, which are a view of the file; torch warns of them, and warnings are errors here."""
    picture = np.random.default_rng(2).integers(0, 256, shape, dtype=np.uint8)
    picture.flags.writeable = False
    preprocess = Preprocess(size=(8, 8), decoding="fast", colour="grey" if shape[2] == 1 else "rgb")
    assert fast_pixels(picture, preprocess).shape == (preprocess.channels, 8, 8)


def scales(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The scales at which JPEGs will have been decoded."""
    asked: list[int] = []
    decode = fast._Jpeg.decode
    monkeypatch.setattr(fast._Jpeg, "decode", lambda self, scale: asked.append(scale) or decode(self, scale))
    return asked


def test_both_sides_must_have_pixels_to_spare(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, squash = scales(monkeypatch), Preprocess(size=(50, 100), fit="squash")
    for size in ((800, 99), (800, 100), (199, 400), (200, 400)):
        fast_pixels(jpeg(size), squash)
    assert asked == [1, 2, 1, 2]


@pytest.mark.usefixtures("turbo")
@pytest.mark.parametrize("place", range(0, 57, 4))
def test_a_part_that_becomes_one_pixel_is_never_none(place: int) -> None:
    data, one = jpeg((64, 64)), Preprocess(size=(1, 1))
    assert distance(data, one, lambda width, height: (place, 56 - place, 8, 8)) < 30


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_colour_profile_is_applied_unless_it_is_to_be_ignored(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = scales(monkeypatch)
    data = jpeg(mode=mode, icc_profile=WIDE_PROFILE if mode == "RGB" else grey_profile(1.2))
    assert distance(data, SMALL, None) < 1.5
    assert asked == []  # the reference way has looked at it
    assert distance(data, replace(SMALL, profile="ignore"), None) < 1.5
    assert asked == [4]
    moved = fast_pixels(data, SMALL).astype(int) - fast_pixels(data, replace(SMALL, profile="ignore"))
    assert np.abs(moved).mean() > 3


@pytest.mark.usefixtures("turbo")
@pytest.mark.parametrize(
    ("limit", "size", "sentence"),
    [
        ("MAX_PIXELS", (9, 3000), "would become 100 x 33333 pixels"),
        ("MAX_PIXELS", (2000, 2000), "2000 x 2000"),
        ("MAX_BYTES", (320, 240), "bytes; at most"),
    ],
)
def test_what_is_too_large_is_refused_in_the_same_words(
    limit: str, size: tuple[int, int], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = jpeg(size)
    for module in (fast, loading, transform):
        if hasattr(module, limit):
            monkeypatch.setattr(module, limit, {"MAX_PIXELS": 1_000_000, "MAX_BYTES": 1000}[limit])
    for decoding in ("exact", "fast"):
        with pytest.raises(BadImage, match=sentence):
            pixels(data, Preprocess(size=(100, 100), decoding=decoding))  # type: ignore[arg-type]
