"""Augment: change training pictures at random, in ways that leave their class as it is.

Functions on whole batches (N, C, H, W), one draw for each picture, all randomness from the generator that
is given. `AUGMENTATIONS` is the table of what training may ask for by name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Generator, Tensor
from torch.nn import functional


@dataclass(frozen=True, kw_only=True, slots=True)
class Augmentation:
    """Every number of an augmentation; what is left at its default is not done.

    Raises `ValueError` for a number that makes no sense.
    """

    source: str  # where the numbers come from
    flip: bool = False  # left to right, for every second picture
    pad: int = 0  # pixels of black on every side, before a crop back to size
    degrees: float = 0.0  # turned by up to this, either way
    translate: float = 0.0  # moved by up to this share of the side, either way
    scale: tuple[float, float] = (1.0, 1.0)  # enlarged by a factor between these
    shear: float = 0.0  # slanted by up to these degrees, either way
    crop_area: tuple[float, float] | None = None  # share of the picture that a random crop keeps
    crop_ratio: tuple[float, float] = (3 / 4, 4 / 3)  # width over height of that crop

    def __post_init__(self) -> None:
        if not self.source:
            raise ValueError("source='' is not possible; say where the numbers come from")
        for field in ("pad", "degrees", "translate", "shear"):
            if not 0 <= getattr(self, field) < 180:
                raise ValueError(f"{field}={getattr(self, field)!r} is not possible; allowed: from 0 to below 180")
        for field in ("scale", "crop_ratio", "crop_area"):
            pair = getattr(self, field)
            if pair is not None and not (len(pair) == 2 and 0 < pair[0] <= pair[1]):
                raise ValueError(f"{field}={pair!r} is not possible; allowed: (lowest, highest), above 0")
        if self.crop_area and self.crop_area[1] > 1:
            raise ValueError(f"crop_area={self.crop_area!r} is not possible; allowed: shares up to 1")

    @property
    def moves(self) -> bool:
        """Say whether a picture is turned, moved, enlarged or slanted."""
        return bool(self.degrees or self.translate or self.shear) or self.scale != (1.0, 1.0)


AUGMENTATIONS: Mapping[str, Augmentation] = {
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
}
"""What training may ask for by name; a recipe tunes a row with `dataclasses.replace`."""


def augment(batch: Tensor, row: Augmentation, generator: Generator) -> Tensor:
    """Return a (N, C, H, W) batch in [0, 255] with the row's flip, pad-and-crop and move done.

    uint8 stays uint8 unless pictures move, which makes float32. The random crop of `crop_area` is done on
    the picture itself, before its size is that of the batch: see `random_resized_crop`.
    """
    if row.pad:
        batch = pad_crop(batch, row.pad, generator)
    if row.flip:
        batch = flip(batch, generator)
    if row.moves:
        batch = affine(batch.to(torch.float32), row.degrees, row.translate, row.scale, row.shear, generator)
    return batch


def flip(batch: Tensor, generator: Generator) -> Tensor:
    """Return a (N, C, H, W) batch with each picture mirrored left to right, or not, at even odds."""
    mirrored = torch.rand(len(batch), generator=generator) < 0.5
    return torch.where(mirrored.view(-1, 1, 1, 1), batch.flip(3), batch)


def pad_crop(batch: Tensor, pad: int, generator: Generator) -> Tensor:
    """Return a (N, C, H, W) batch with each picture padded with black on every side and cropped to H x W.

    The crop starts anywhere in 0..2*pad, rows and columns apart (He et al. 2015, section 4.2).
    """
    count, _, height, width = batch.shape
    padded = functional.pad(batch, (pad, pad, pad, pad))
    tops, lefts = torch.randint(0, 2 * pad + 1, (2, count), generator=generator)
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)  # a view: (N, C, 2*pad+1, 2*pad+1, H, W)
    return windows[torch.arange(count), :, tops, lefts]


def affine(
    batch: Tensor,
    degrees: float,
    translate: float,
    scale: tuple[float, float],
    shear: float,
    generator: Generator,
) -> Tensor:
    """Return a (N, C, H, W) float batch with each picture turned, slanted, enlarged and moved at random.

    Each draw is uniform: an angle in ±`degrees`, a slant in ±`shear` degrees, a factor in `scale`, a move in
    ±`translate` of the side. Bilinear; what comes in from outside the picture is black (0).
    """
    count, _, height, width = batch.shape
    draws = torch.rand(5, count, generator=generator)
    angle = (2 * draws[0] - 1) * math.radians(degrees)
    slant = torch.tan((2 * draws[1] - 1) * math.radians(shear))
    factor = 1 / (scale[0] + draws[2] * (scale[1] - scale[0]))
    cos, sin = angle.cos() * factor, angle.sin() * factor
    aspect = height / width  # the grid goes from -1 to 1 both ways; a turn must not stretch
    across = (torch.arange(width) + 0.5) * (2 / width) - 1
    down = (torch.arange(height) + 0.5) * (2 / height) - 1
    # Where each pixel of the result comes from: turn @ [[1, slant], [0, 1]] @ (across, down) + move. This is
    # functional.affine_grid, written so that the only full-size work is one addition for each coordinate.
    columns = [cos, (cos * slant - sin) * aspect, (2 * draws[3] - 1) * 2 * translate]
    rows = [sin / aspect, sin * slant + cos, (2 * draws[4] - 1) * 2 * translate]
    grid = torch.empty(count, height, width, 2)
    for axis, (by_x, by_y, move) in enumerate((columns, rows)):
        torch.add(
            (by_x[:, None] * across)[:, None, :],
            (by_y[:, None] * down + move[:, None])[:, :, None],
            out=grid[..., axis],
        )
    return functional.grid_sample(batch, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def random_resized_crop(image: Image.Image, row: Augmentation, generator: Generator) -> Image.Image:
    """Return a random part of a picture: `crop_area` of its area, `crop_ratio` of width to height.

    The part keeps its own size; `fit` with fit="squash" then resizes it. Ten tries, then the largest part
    in the middle that has an allowed ratio, as torchvision's RandomResizedCrop does.
    """
    if row.crop_area is None:
        return image
    width, height = image.size
    lowest, highest = row.crop_ratio
    draws = torch.rand(10, 2, generator=generator, dtype=torch.float64).tolist()
    for share, ratio in draws:
        area = width * height * (row.crop_area[0] + share * (row.crop_area[1] - row.crop_area[0]))
        wide_over_high = math.exp(math.log(lowest) + ratio * (math.log(highest) - math.log(lowest)))
        crop_width, crop_height = (
            round(math.sqrt(area * wide_over_high)),
            round(math.sqrt(area / wide_over_high)),
        )
        if 0 < crop_width <= width and 0 < crop_height <= height:
            left, top = _start(width - crop_width, generator), _start(height - crop_height, generator)
            return image.crop((left, top, left + crop_width, top + crop_height))
    crop_width = min(width, max(1, round(height * highest)))
    crop_height = min(height, max(1, round(width / lowest)))
    left, top = (width - crop_width) // 2, (height - crop_height) // 2
    return image.crop((left, top, left + crop_width, top + crop_height))


def _start(room: int, generator: Generator) -> int:
    return int(torch.randint(0, room + 1, (), generator=generator))
