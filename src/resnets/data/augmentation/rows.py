"""Augmentation: every number of what training does to its pictures at random, and the rows it may ask for by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

from resnets.spec.preprocess import Preprocess

Policy = Literal["trivial", "rand"]
"""Müller and Hutter 2021 (arXiv:2103.10158), the wide list | Cubuk et al. 2019 (arXiv:1909.13719)."""

BINS = 31
"""Magnitudes that an operation of a policy has, from 0 to 30: torchvision's count."""

MOST_OPERATIONS = 10
"""Of a policy on one picture; more would leave nothing of it."""


def _is_number(value: object, whole: bool = False) -> bool:
    return isinstance(value, int if whole else int | float) and not isinstance(value, bool)


@dataclass(frozen=True, kw_only=True, slots=True)
class Augmentation:
    """Every number of an augmentation; what is left at its default is not done.

    Raises `ValueError` for a number that makes no sense.
    """

    source: str  # where the numbers come from

    # The cut, made on the picture itself before it has the size of the batch.
    crop_area: tuple[float, float] | None = None  # share of the picture that a random crop keeps
    crop_ratio: tuple[float, float] = (3 / 4, 4 / 3)  # width over height of that crop

    # Done to pictures at the network's size, in this order.
    pad: int = 0  # pixels of black on every side, before a crop back to size
    flip: bool = False  # left to right, for every second picture
    vertical_flip: bool = False  # top to bottom, for every second picture
    quarter_turns: bool = False  # turned by 0, 90, 180 or 270 degrees
    policy: Policy | None = None
    operations: int = 2  # of "rand", one after the other
    magnitude: int = 9  # of "rand": of each operation, from 0 to 30
    operation_probability: float = 1.0  # of "rand": that each operation is done
    brightness: float = 0.0  # a factor drawn from 1 - this .. 1 + this
    contrast: float = 0.0  # likewise
    saturation: float = 0.0  # likewise
    hue: float = 0.0  # turned by up to this share of the circle of colours, either way
    degrees: float = 0.0  # turned by up to this, either way
    translate: float = 0.0  # moved by up to this share of the side, either way
    scale: tuple[float, float] = (1.0, 1.0)  # enlarged by a factor between these
    shear: float = 0.0  # slanted by up to these degrees, either way
    erase: float = 0.0  # probability that a rectangle becomes the mean colour
    erase_area: tuple[float, float] = (0.02, 0.33)  # share of the picture that the rectangle takes
    erase_ratio: tuple[float, float] = (0.3, 3.3)  # height over width of it

    # Done to a batch of normalised pictures.
    mixup: float = 0.0  # alpha of the Beta distribution of shares, with the whole of another picture
    cutmix: float = 0.0  # likewise, with a rectangle of another picture; with mixup too, one of them at even odds
    mix_probability: float = 1.0  # that a batch is mixed

    def __post_init__(self) -> None:
        if not self.source:
            raise ValueError("source='' is not possible; say where the numbers come from")
        if self.policy is not None and self.policy not in get_args(Policy):
            _refuse("policy", self.policy, "None, " + ", ".join(map(repr, get_args(Policy))))
        for field in ("flip", "vertical_flip", "quarter_turns"):
            if not isinstance(getattr(self, field), bool):
                _refuse(field, getattr(self, field), "True or False")
        for field, (least, most) in BOUNDS.items():
            value = getattr(self, field)
            whole = field in WHOLE
            if not _is_number(value, whole) or not least <= value <= most:
                _refuse(field, value, f"{'whole numbers ' * whole}from {least} to {most}")
        for field in ("scale", "crop_ratio", "erase_ratio", "crop_area", "erase_area"):
            pair = getattr(self, field)
            if pair is None and field == "crop_area":
                continue
            numbers = isinstance(pair, tuple) and len(pair) == 2 and all(_is_number(value) for value in pair)
            if not numbers or not 0 < pair[0] <= pair[1] < float("inf"):
                _refuse(field, pair, "(lowest, highest), above 0")
            if field in ("crop_area", "erase_area") and pair[1] > 1:
                _refuse(field, pair, "shares up to 1")

    @property
    def jitters(self) -> bool:
        """Say whether brightness, contrast, saturation or hue changes."""
        return any((self.brightness, self.contrast, self.saturation, self.hue))

    @property
    def colours(self) -> bool:
        """Say whether anything changes colours, which only grey and RGB pictures have."""
        return self.policy is not None or self.jitters

    @property
    def moves(self) -> bool:
        """Say whether a picture is turned by degrees, moved, enlarged or slanted: such pictures become float32."""
        return bool(self.degrees or self.translate or self.shear) or self.scale != (1.0, 1.0)

    @property
    def mixes(self) -> bool:
        """Say whether pictures of a batch are mixed, and their labels with them."""
        return bool((self.mixup or self.cutmix) and self.mix_probability)


BOUNDS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "pad": (0, 1024),
        "operations": (1, MOST_OPERATIONS),
        "magnitude": (0, BINS - 1),
        "operation_probability": (0, 1),
        "brightness": (0, 10),
        "contrast": (0, 10),
        "saturation": (0, 10),
        "hue": (0, 0.5),
        "degrees": (0, 180),
        "translate": (0, 1),
        "shear": (0, 89),
        "erase": (0, 1),
        "mixup": (0, 100),
        "cutmix": (0, 100),
        "mix_probability": (0, 1),
    }
)
"""Smallest and largest value of each number."""

WHOLE = ("pad", "operations", "magnitude")
"""Numbers that are counts."""

GEOMETRY = "crops, flips, turns, moves, erasing and mixing"
"""What may be done to pictures of any channels."""

AUGMENTATIONS: Mapping[str, Augmentation] = MappingProxyType(
    {
        "none": Augmentation(source="pictures as they are"),
        # One pixel of 8 is a large move: an eighth of the digit.
        "digits": Augmentation(source="ours, for 8x8 digits", degrees=8, translate=0.06, scale=(0.95, 1.05)),
        # 0.07 of 28 pixels is two.
        "mnist": Augmentation(source="ours, for 28x28 digits", degrees=10, translate=0.07, scale=(0.9, 1.1), shear=5),
        "cifar": Augmentation(source="He et al. 2015, section 4.2: 4 pixels padded, crop, flip", pad=4, flip=True),
        "photos": Augmentation(
            source="Szegedy et al. 2014, section 6, as in fb.resnet.torch, but for sets far smaller "
            "than ImageNet: a crop keeps a quarter of the picture or more, not 8 %",
            crop_area=(0.25, 1.0),
            flip=True,
        ),
        "overhead": Augmentation(
            source="ours, for pictures in which no side is up, from above or through a microscope: the eight ways "
            "to lay a square, and the crop of photos",
            crop_area=(0.25, 1.0),
            flip=True,
            quarter_turns=True,
        ),
        "imagenet": Augmentation(
            source="Szegedy et al. 2014, section 6; torchvision's reference for the IMAGENET1K_V1 weights. "
            "fb.resnet.torch has jitter of 0.4 and PCA lighting besides",
            crop_area=(0.08, 1.0),
            flip=True,
        ),
        "trivial": Augmentation(
            source="torchvision's reference for the IMAGENET1K_V2 weights: ta_wide, random-erase 0.1, "
            "mixup-alpha 0.2, cutmix-alpha 1.0",
            crop_area=(0.08, 1.0),
            flip=True,
            policy="trivial",
            erase=0.1,
            mixup=0.2,
            cutmix=1.0,
        ),
        "rand": Augmentation(
            source="Wightman et al. 2021 (ResNet strikes back, arXiv:2110.00476), A2 (A1: mixup 0.2; "
            "A3: magnitude 18): timm's rand-m7-mstd0.5-inc1, of which 7 of 10 is 21 of 30 and each operation is done "
            "at even odds; but with torchvision's 14 operations, and magnitudes that do not vary",
            crop_area=(0.08, 1.0),
            flip=True,
            policy="rand",
            operations=2,
            magnitude=21,
            operation_probability=0.5,
            mixup=0.1,
            cutmix=1.0,
        ),
    }
)
"""What training may ask for by name; a recipe tunes a row with `dataclasses.replace`."""


def check_row(row: Augmentation, preprocess: Preprocess) -> None:
    """Raise `ValueError` where a row cannot be done to pictures of a preprocess, whatever is in them."""
    if row.colours and preprocess.colour == "bands":
        raise ValueError(
            f"{_colours(row)} changes colours, and bands are none; allowed with colour='bands': {GEOMETRY}"
        )
    check_channels(row, preprocess.channels)
    height, width = preprocess.size
    if row.quarter_turns and height != width:
        raise ValueError(
            f"quarter_turns=True needs square pictures, and these are {height} x {width}; "
            "allowed for them: flip and vertical_flip"
        )


def check_channels(row: Augmentation, channels: int) -> None:
    """Raise `ValueError` where a row changes colours, and pictures of that many channels are neither grey nor RGB."""
    if row.colours and channels not in (1, 3):
        raise ValueError(
            f"{_colours(row)} changes colours of grey or RGB pictures, and these have {channels} channels; "
            f"allowed for them: {GEOMETRY}"
        )


def _colours(row: Augmentation) -> str:
    asked = {field: getattr(row, field) for field in ("policy", "brightness", "contrast", "saturation", "hue")}
    return ", ".join(f"{field}={value!r}" for field, value in asked.items() if value)


def _refuse(field: str, value: object, allowed: str) -> None:
    raise ValueError(f"{field}={value!r} is not possible; allowed: {allowed}")
