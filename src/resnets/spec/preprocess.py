"""Preprocess: how an image becomes numbers, from the file's bytes to a network's input."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

Fit = Literal["crop", "pad", "squash"]
Interpolation = Literal["bilinear", "bicubic", "nearest"]
Colour = Literal["rgb", "bgr", "grey", "bands"]
SixteenBit = Literal["scale"]
Profile = Literal["srgb", "ignore"]
Decoding = Literal["exact", "fast"]

LARGEST_SIDE = 16384
"""Pixels; a larger side is a slip of the keyboard, and one RGB image of it would fill 3 GB in float32."""

FORMATS: Mapping[str, tuple[str, ...]] = {
    "JPEG": (".jpg", ".jpeg"),
    "PNG": (".png",),
    "WEBP": (".webp",),
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pbm"),
    "NPY": (".npy",),
}
"""Image formats that may be read, by Pillow's names and NumPy's own, with the endings of their files."""

LAST_FRAME = 9_999
"""Of an animation that may be asked for; each frame before it has to be decoded first."""

BEFORE: Mapping[str, Any] = {"profile": "ignore", "frame": 0, "decoding": "exact"}
"""What was done when a card of schema 1, which does not say, was written."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Preprocess:
    """How an image becomes numbers; a model file carries it, and every command obeys it.

    Raises `ValueError` on construction when a field has a value it cannot have; the message names the
    field, the value and what is allowed.
    """

    size: tuple[int, int] = (224, 224)  # height and width of what the network sees, in pixels

    # From the image to that size.
    fit: Fit = "crop"  # resize, then cut the centre | keep all of it, on bars | stretch
    resize: int | None = None  # shorter side in pixels before a crop; None: the longer of size
    interpolation: Interpolation = "bilinear"
    antialias: bool = True  # average over the pixels that a smaller image leaves out

    # From bytes to numbers: (x / 255 - mean) / std, channel by channel in the order of `colour`.
    colour: Colour = "rgb"  # bands: as many as mean has numbers, in the order of the file
    mean: tuple[float, ...] = (0.0,)  # in [0, 1]; one for all channels, or one for each
    std: tuple[float, ...] = (1.0,)  # in (0, 1], likewise

    # What is done with the file before all that.
    exif: bool = True  # turn the image as its EXIF orientation says
    alpha: tuple[int, int, int] = (255, 255, 255)  # red, green, blue behind what is transparent
    formats: tuple[str, ...] = ("JPEG", "PNG", "WEBP")  # any other format is refused
    sixteen_bit: SixteenBit = "scale"  # 0..65535 becomes 0..255, rather than being cut off at 255
    profile: Profile = "srgb"  # colours converted from an embedded ICC profile, or taken as they stand
    frame: int = 0  # of an animation, counted from 0; a still picture has frame 0 only
    decoding: Decoding = "exact"  # Pillow's reference path to the bit | scaled JPEGs, only the crop resized

    def __post_init__(self) -> None:
        self._check_choices()
        self._check_sizes()
        self._check_statistics()
        self._check_file_policy()

    @property
    def channels(self) -> int:
        """Channels of what the network sees: 1 for grey, one for each mean with bands, otherwise 3."""
        if self.colour == "bands":
            return len(self.mean)
        return 1 if self.colour == "grey" else 3

    @property
    def shorter_side(self) -> int:
        """Shorter side in pixels that a crop resizes to first: `resize`, or enough to cover `size`."""
        return max(self.size) if self.resize is None else self.resize

    def at_size(self, size: tuple[int, int]) -> Preprocess:
        """Return this for another (height, width), with the same margin: 256 before 224 becomes 73 before 64."""
        resize = self.resize and max(*size, round(self.resize * max(size) / max(self.size)))
        return dataclasses.replace(self, size=size, resize=resize)

    def to_dict(self) -> dict[str, Any]:
        """Return every field as JSON-able values; equal preprocesses give equal JSON."""
        facts = dataclasses.asdict(self)
        facts["mean"] = [float(value) for value in self.mean]
        facts["std"] = [float(value) for value in self.std]
        return {key: list(value) if isinstance(value, tuple) else value for key, value in facts.items()}

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> Preprocess:
        """Return the preprocess that `to_dict` wrote.

        Raises `ValueError` for a field it does not know, naming the nearest one that it does.
        """
        names = [field.name for field in dataclasses.fields(cls)]
        facts = {**BEFORE, **facts}
        for key in facts:
            if key not in names:
                raise ValueError(f"{key!r} is no field of a preprocess.{_nearest(key, names)}")
        restored: dict[str, Any] = {key: _tuple_if_list(value) for key, value in facts.items()}
        return cls(**restored)

    def _check_choices(self) -> None:
        for field, kind in _CHOICES.items():
            if getattr(self, field) not in get_args(kind):
                _refuse(field, getattr(self, field), "one of " + ", ".join(map(repr, get_args(kind))))
        for field in ("antialias", "exif"):
            if not isinstance(getattr(self, field), bool):
                _refuse(field, getattr(self, field), "True or False")

    def _check_sizes(self) -> None:
        size: Any = self.size  # what a caller or a file gave may be anything
        if not isinstance(size, tuple) or len(size) != 2 or not all(map(_is_side, size)):
            allowed = f"(height, width), whole numbers from 1 to {LARGEST_SIDE}, such as (224, 224)"
            _refuse("size", size, allowed)
        if self.resize is None:
            return
        if self.fit != "crop":
            _refuse("resize", self.resize, f"None with fit={self.fit!r}; only fit='crop' resizes first")
        # A shorter side below the crop would leave bars in narrow images: say so now, not in a result.
        if not _is_side(self.resize) or self.resize < max(size):
            allowed = f"None, or a whole number from {max(size)} (the longer side of size) to {LARGEST_SIDE}"
            _refuse("resize", self.resize, allowed)

    def _check_statistics(self) -> None:
        bands = self.colour == "bands" and isinstance(self.mean, tuple)
        channels = len(self.mean) if bands else (1 if self.colour == "grey" else 3)
        lengths = (1,) if channels == 1 else (1, channels)
        for field in ("mean", "std"):
            values: Any = getattr(self, field)
            if not isinstance(values, tuple) or len(values) not in lengths:
                wanted = " or ".join(f"{n} number{'s' * (n > 1)}" for n in lengths)
                _refuse(field, values, f"a tuple of {wanted} for colour={self.colour!r}")
            smallest = "0" if field == "mean" else "above 0"
            for value in values:
                number = isinstance(value, int | float) and not isinstance(value, bool)
                if not number or not 0 <= value <= 1 or (field == "std" and value == 0):
                    _refuse(field, values, f"numbers from {smallest} to 1; divide those made for 0..255 by 255")

    def _check_file_policy(self) -> None:
        alpha: Any = self.alpha
        if not isinstance(alpha, tuple) or len(alpha) != 3 or not all(map(_is_byte, alpha)):
            _refuse("alpha", alpha, "(red, green, blue), whole numbers from 0 to 255, such as (255, 255, 255)")
        formats: Any = self.formats
        if not isinstance(formats, tuple) or not formats:
            _refuse("formats", formats, "a tuple of one or more of " + ", ".join(FORMATS))
        for name in formats:
            if name not in FORMATS:
                _refuse("formats", formats, ", ".join(FORMATS) + "." + _nearest(str(name).upper(), FORMATS))
        if len(set(formats)) < len(formats):
            _refuse("formats", formats, "each format once")
        frame: Any = self.frame
        if not isinstance(frame, int) or isinstance(frame, bool) or not 0 <= frame <= LAST_FRAME:
            _refuse("frame", frame, f"whole numbers from 0 to {LAST_FRAME}")


_CHOICES = {
    "fit": Fit,
    "interpolation": Interpolation,
    "colour": Colour,
    "sixteen_bit": SixteenBit,
    "profile": Profile,
    "decoding": Decoding,
}


def _tuple_if_list(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _is_side(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= LARGEST_SIDE


def _is_byte(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 255


def _nearest(given: object, names: Mapping[str, object] | list[str]) -> str:
    near = difflib.get_close_matches(str(given), list(names), n=1, cutoff=0.5)
    return f" Did you mean {near[0]!r}?" if near else f" Allowed: {', '.join(names)}"


def _refuse(field: str, value: object, allowed: str) -> None:
    raise ValueError(f"{field}={value!r} is not possible; allowed: {allowed}")


IMAGENET = Preprocess(
    size=(224, 224),
    fit="crop",
    resize=256,
    interpolation="bilinear",
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
    profile="ignore",  # as the libraries did that trained these networks
)
"""Evaluation on ImageNet: shorter side to 256, the centre 224x224, means and deviations of its training
images (facebookarchive/fb.resnet.torch, datasets/imagenet.lua; torchvision's IMAGENET1K_V1 weights)."""
