"""Faults planted in a folder of real photographs: `check` finds each of them, and nothing else."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageEnhance, ImageOps

from resnets.data.check.check import check
from resnets.data.reading import Reading
from tests.data.check.conftest import copy, listed

Found = Callable[[], list[tuple[str, ...]]]
Plant = Callable[[Path], list[tuple[str, ...]]]


def first(folder: Path, number: int = 0) -> Path:
    return sorted(folder.iterdir())[number]


def picture(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


def truncated(root: Path) -> list[tuple[str, ...]]:
    path = first(root / "train/glass")
    path.write_bytes(path.read_bytes()[:-2000])
    return [("unreadable", f"train/glass/{path.name}")]


def half_a_png(root: Path) -> list[tuple[str, ...]]:
    stream = io.BytesIO()
    picture(first(root / "train/glass")).save(stream, "PNG")
    (root / "train/glass/half.png").write_bytes(stream.getvalue()[: len(stream.getvalue()) // 2])
    return [("unreadable", "train/glass/half.png")]


def text(root: Path) -> list[tuple[str, ...]]:
    (root / "train/metal/notes.jpg").write_text("This was never a picture.\n", encoding="utf-8")
    return [("unreadable", "train/metal/notes.jpg")]


def web_page(root: Path) -> list[tuple[str, ...]]:
    (root / "test/metal/gone.jpg").write_text("<!doctype html><title>404</title>", encoding="utf-8")
    return [("unreadable", "test/metal/gone.jpg")]


def zero_bytes(root: Path) -> list[tuple[str, ...]]:
    (root / "train/metal/empty.jpg").touch()
    return [("unreadable", "train/metal/empty.jpg")]


def zeros(root: Path) -> list[tuple[str, ...]]:
    (root / "train/metal/zeros.jpg").write_bytes(bytes(5000))
    return [("unreadable", "train/metal/zeros.jpg")]


def broken_link(root: Path) -> list[tuple[str, ...]]:
    (root / "train/paper/link.jpg").symlink_to(root / "nowhere.jpg")
    return [("unreadable", "train/paper/link.jpg")]


def avif_as_jpeg(root: Path) -> list[tuple[str, ...]]:
    (root / "train/paper/phone.jpg").write_bytes(b"\0\0\0\x1cftypheic\0\0\0\0mif1heic" + bytes(range(256)) * 8)
    return [("unreadable", "train/paper/phone.jpg")]


def gif_as_png(root: Path) -> list[tuple[str, ...]]:
    image = picture(first(root / "train/paper")).rotate(90)
    image.save(root / "train/paper/moving.png", "GIF", save_all=True, append_images=[ImageOps.invert(image)])
    return [("unreadable", "train/paper/moving.png")]


def same_in_test(root: Path) -> list[tuple[str, ...]]:
    path = first(root / "train/paper", 1)
    copy(path, root / "test/paper/again.jpg")
    return [("duplicate-across-splits", "test/paper/again.jpg", f"train/paper/{path.name}")]


def same_pixels_in_test(root: Path) -> list[tuple[str, ...]]:
    path = first(root / "train/paper", 1)
    picture(path).save(root / "test/paper/again.png")
    return [("duplicate-across-splits", "test/paper/again.png", f"train/paper/{path.name}")]


def same_in_class(root: Path) -> list[tuple[str, ...]]:
    path = first(root / "train/paper", 1)
    copy(path, root / "train/paper/again.jpg")
    return [("duplicate", "train/paper/again.jpg", f"train/paper/{path.name}")]


def same_in_two_classes(root: Path) -> list[tuple[str, ...]]:
    path = first(root / "train/paper", 1)
    copy(path, root / "train/glass/other.jpg")
    return [("two-classes", "train/glass/other.jpg", f"train/paper/{path.name}")]


def saved_again_in_two_classes(root: Path) -> list[tuple[str, ...]]:
    path = first(root / "train/paper", 1)
    picture(path).save(root / "test/glass/other.jpg", quality=60)
    return [("two-classes", "test/glass/other.jpg", f"train/paper/{path.name}")]


def changed(how: Callable[[Image.Image], Image.Image], quality: int = 85) -> Plant:
    def plant(root: Path) -> list[tuple[str, ...]]:
        path = first(root / "train/metal", 2)
        how(picture(path)).save(root / "test/metal/changed.jpg", quality=quality)
        return [("near-duplicate-across-splits", "test/metal/changed.jpg", f"train/metal/{path.name}")]

    return plant


def changed_within(root: Path) -> list[tuple[str, ...]]:
    path = first(root / "train/metal", 2)
    picture(path).save(root / "train/metal/changed.jpg", quality=50)
    return [("near-duplicate", "train/metal/changed.jpg", f"train/metal/{path.name}")]


def hidden_folder(root: Path) -> list[tuple[str, ...]]:
    (root / "train/.ipynb_checkpoints").mkdir()
    copy(first(root / "train/metal"), root / "train/.ipynb_checkpoints/1.jpg")
    return [("hidden", "train/.ipynb_checkpoints/")]


def system_files(root: Path) -> list[tuple[str, ...]]:
    for name in (".DS_Store", "Thumbs.db"):
        (root / "train/metal" / name).write_bytes(b"\0\0\0\1Bud1")
    return [("hidden", "train/metal/.DS_Store"), ("hidden", "train/metal/Thumbs.db")]


def unread_format(root: Path) -> list[tuple[str, ...]]:
    picture(first(root / "train/metal")).rotate(90).save(root / "train/metal/a.bmp")
    (root / "train/metal/list.csv").touch()
    return [("not-a-picture", "train/metal/a.bmp"), ("not-a-picture", "train/metal/list.csv")]


def loose(root: Path) -> list[tuple[str, ...]]:
    picture(first(root / "train/metal")).rotate(90).save(root / "train/lost.jpg")
    return [("no-class", "train/lost.jpg")]


def empty_class(root: Path) -> list[tuple[str, ...]]:
    (root / "train/trash").mkdir()
    (root / "test/trash").mkdir()
    return [("empty-class", "train/trash"), ("empty-class", "test/trash")]


def class_of_one(root: Path) -> list[tuple[str, ...]]:
    for part in ("train", "test"):
        (root / part / "trash").mkdir()
        path = first(root / part / "metal", -1)
        path.rename(root / part / "trash" / path.name)
    return [("single-picture", "trash")]


def missing_in_test(root: Path) -> list[tuple[str, ...]]:
    for path in (root / "test/metal").iterdir():
        path.unlink()
    (root / "test/metal").rmdir()
    return [("missing-class", "metal")]


def sideways(root: Path) -> list[tuple[str, ...]]:
    path = first(root / "train/glass", 3)
    image = picture(path).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(path, exif=exif, quality=95)
    return [("sideways", f"train/glass/{path.name}")]


def sixteen_bit(root: Path) -> list[tuple[str, ...]]:
    path = first(root / "train/glass", 4)
    grey = np.asarray(picture(path).convert("L")).astype(np.uint16) * 257
    path.unlink()
    Image.fromarray(grey).save(path.with_suffix(".png"))
    return [("sixteen-bit", f"train/glass/{path.stem}.png")]


def cmyk(root: Path) -> list[tuple[str, ...]]:
    path = first(root / "train/glass", 4)
    picture(path).convert("CMYK").save(path, quality=95)
    return [("cmyk", f"train/glass/{path.name}")]


def palette(root: Path) -> list[tuple[str, ...]]:
    path = first(root / "train/glass", 4)
    image = picture(path).quantize(64)
    path.unlink()
    image.save(path.with_suffix(".png"))
    return [("palette", f"train/glass/{path.stem}.png")]


def alpha(root: Path) -> list[tuple[str, ...]]:
    path = first(root / "train/glass", 4)
    image = picture(path).convert("RGBA")
    path.unlink()
    image.save(path.with_suffix(".png"))
    return [("alpha", f"train/glass/{path.stem}.png")]


def animated(root: Path) -> list[tuple[str, ...]]:
    path = first(root / "train/glass", 4)
    image = picture(path)
    path.unlink()
    image.save(path.with_suffix(".webp"), save_all=True, append_images=[ImageOps.invert(image)], quality=90)
    return [("animated", f"train/glass/{path.stem}.webp")]


def wrong_ending(root: Path) -> list[tuple[str, ...]]:
    path = first(root / "train/glass", 4)
    picture(path).save(path, "PNG")
    return [("wrong-ending", f"train/glass/{path.name}")]


def upper_case(root: Path) -> list[tuple[str, ...]]:
    path = first(root / "train/glass", 4)
    path.rename(path.with_suffix(".JPEG"))
    return []


def black(root: Path) -> list[tuple[str, ...]]:
    Image.new("RGB", (192, 256)).save(root / "train/glass/black.jpg")
    return [("constant", "train/glass/black.jpg")]


def nearly_black(root: Path) -> list[tuple[str, ...]]:
    dark = ImageEnhance.Brightness(picture(first(root / "train/glass"))).enhance(0.05)
    first(root / "train/glass").unlink()
    dark.save(root / "train/glass/dark.jpg")
    return [("near-black", "train/glass/dark.jpg")]


def tiny(root: Path) -> list[tuple[str, ...]]:
    Image.fromarray(np.arange(27, dtype=np.uint8).reshape(3, 3, 3) * 9).save(root / "train/glass/tiny.png")
    return [("small", "train/glass/tiny.png")]


def strip(root: Path) -> list[tuple[str, ...]]:
    chance = np.random.default_rng(0).integers(0, 256, (40, 900, 3), np.uint8)
    Image.fromarray(chance).save(root / "train/glass/strip.png")
    return [("proportions", "train/glass/strip.png")]


def order_of_numbers(root: Path) -> list[tuple[str, ...]]:
    for part in ("train", "test"):
        for name, number in zip(sorted(path.name for path in (root / part).iterdir()), (1, 2, 10, 11), strict=True):
            (root / part / name).rename(root / part / str(number))
    return [("class-order", "1", "2", "10", "11")]


def class_in_two_spellings(root: Path) -> list[tuple[str, ...]]:
    for part in ("train", "test"):
        (root / part / "Glass").mkdir()
        for path in sorted((root / part / "glass").iterdir())[::2]:
            path.rename(root / part / "Glass" / path.name)
    return [("alike-classes", "Glass", "glass")]


FAULTS: dict[str, Plant] = {
    "nothing": lambda _: [],
    "truncated": truncated,
    "half a PNG": half_a_png,
    "text": text,
    "web page": web_page,
    "zero bytes": zero_bytes,
    "zeros": zeros,
    "broken link": broken_link,
    "HEIC called .jpg": avif_as_jpeg,
    "GIF called .png": gif_as_png,
    "the same file in test": same_in_test,
    "the same pixels in test": same_pixels_in_test,
    "the same file twice": same_in_class,
    "the same file in two classes": same_in_two_classes,
    "saved again in another class": saved_again_in_two_classes,
    "saved again": changed(lambda image: image, 70),
    "saved badly": changed(lambda image: image, 15),
    "half its size": changed(lambda image: image.resize((96, 128))),
    "twice its size": changed(lambda image: image.resize((384, 512), Image.Resampling.BICUBIC)),
    "a square": changed(lambda image: image.resize((224, 224))),
    "brighter": changed(lambda image: ImageEnhance.Brightness(image).enhance(1.25)),
    "darker": changed(lambda image: ImageEnhance.Brightness(image).enhance(0.6)),
    "more contrast": changed(lambda image: ImageEnhance.Contrast(image).enhance(1.3)),
    "grey": changed(ImageOps.grayscale),
    "mirrored": changed(ImageOps.mirror),
    "saved again beside it": changed_within,
    "hidden folder": hidden_folder,
    "system files": system_files,
    "unread formats": unread_format,
    "picture beside the classes": loose,
    "empty class": empty_class,
    "class of one picture": class_of_one,
    "class missing in test": missing_in_test,
    "sideways": sideways,
    "16-bit PNG": sixteen_bit,
    "CMYK": cmyk,
    "palette": palette,
    "alpha": alpha,
    "animation": animated,
    "wrong ending": wrong_ending,
    "upper-case ending": upper_case,
    "black": black,
    "nearly black": nearly_black,
    "tiny": tiny,
    "strip": strip,
    "classes 1, 2, 10": order_of_numbers,
    "Glass and glass": class_in_two_spellings,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found_and_nothing_else(fault: str, photos: Path, found: Found) -> None:
    wanted = FAULTS[fault](photos)
    assert found() == sorted(wanted)


TOGETHER = (
    "truncated", "text", "zero bytes", "the same file in test", "saved again", "hidden folder", "empty class",
    "sideways", "16-bit PNG",
)  # fmt: skip


def test_many_faults_at_once_are_found_and_nothing_else(photos: Path, found: Found) -> None:
    wanted = [row for fault in TOGETHER for row in FAULTS[fault](photos)]
    assert found() == sorted(wanted)


def test_colour_profiles_are_a_finding_only_where_they_are_ignored(photos: Path) -> None:
    from dataclasses import replace

    from resnets.spec.preprocess import IMAGENET

    path = first(photos / "train/glass")
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    picture(path).save(path, icc_profile=lab, quality=95)
    converted = check(photos, preprocess=replace(IMAGENET, profile="srgb"))
    ignored = check(photos, preprocess=replace(IMAGENET, profile="ignore"))
    assert listed(converted) == []
    assert listed(ignored) == [("profile", f"train/glass/{path.name}")]
    assert any("profile other than sRGB" in said for said in converted.information)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read every file")
def test_a_file_that_may_not_be_read_is_unreadable(photos: Path, found: Found) -> None:
    path = first(photos / "train/glass")
    path.chmod(0)
    assert found() == [("unreadable", f"train/glass/{path.name}")]


def test_reasons_say_what_a_file_really_holds(photos: Path) -> None:
    for plant in (text, web_page, zero_bytes, zeros, gif_as_png, avif_as_jpeg):
        plant(photos)
    checked = check(photos)
    said = {Path(checked.pictures.name(f.pictures[0])).name: f.reason for f in checked.of_rule("unreadable")}
    assert said["notes.jpg"] == "it holds text"
    assert said["gone.jpg"].startswith("it holds text (HTML or XML)")
    assert said["empty.jpg"] == "it holds nothing: the file is empty"
    assert "5,000 zero bytes" in said["zeros.jpg"]
    assert "GIF" in said["moving.png"] and "--read formats" in said["moving.png"]
    assert "HEIC" in said["phone.jpg"]


def test_an_animation_that_is_read_is_found_by_its_frames_and_its_ending(photos: Path) -> None:
    gif_as_png(photos)
    checked = check(photos, reading=Reading(formats=("JPEG", "PNG", "WEBP", "GIF")))
    rules = [finding.rule for finding in checked.findings]
    assert {"animated", "wrong-ending"} <= set(rules)
