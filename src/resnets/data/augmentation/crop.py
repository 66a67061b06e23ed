"""Crop: which part of a picture a network is shown in training."""

from __future__ import annotations

import numpy as np

from resnets.data.augmentation.distributions import pick, rectangle
from resnets.data.augmentation.rows import Augmentation

TRIES = 10
"""Rectangles that are drawn before the middle is taken: torchvision's count, and that of fb.resnet.torch."""


def crop_box(width: int, height: int, row: Augmentation, draw: np.random.Generator) -> tuple[int, int, int, int]:
    """Return (left, top, width, height), in its own pixels, of a random part of a picture.

    `crop_area` is its share of the picture's area and `crop_ratio` its width over its height. Ten tries, then the
    largest part in the middle that has an allowed ratio, as torchvision's RandomResizedCrop does. A row
    with crop_area=None gives the whole picture.
    """
    if row.crop_area is None:
        return 0, 0, width, height
    for area, ratio, across, down in draw.random((TRIES, 4)).tolist():
        wide, high = rectangle(area, ratio, width * height, row.crop_area, row.crop_ratio)
        if 0 < wide <= width and 0 < high <= height:
            return pick(across, width - wide + 1), pick(down, height - high + 1), wide, high
    # One pixel at least, of pictures so thin that an allowed ratio has none.
    wide = min(width, max(1, round(height * row.crop_ratio[1])))
    high = min(height, max(1, round(width / row.crop_ratio[0])))
    return (width - wide) // 2, (height - high) // 2, wide, high
