"""Erase: a rectangle of a picture becomes the mean colour (Zhong et al. 2017, arXiv:1708.04896)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from resnets.data.augmentation.distributions import pick, rectangle
from resnets.data.augmentation.rows import Augmentation
from resnets.spec.preprocess import Preprocess

TRIES = 10
"""Rectangles that are drawn before the picture is left as it is: torchvision's count."""

DRAWS = 1 + 4 * TRIES
"""Whether at all; then area, ratio, top and left of each try."""


def erase_box(height: int, width: int, row: Augmentation, draws: Sequence[float]) -> tuple[int, int, int, int] | None:
    """Return (top, left, height, width) of what is erased, or None; `draws` has `DRAWS` numbers in [0, 1).

    A rectangle as long as a side is drawn again, ten times at most, as torchvision's RandomErasing does.
    """
    if draws[0] >= row.erase:
        return None
    for start in range(1, DRAWS, 4):
        area, ratio, down, across = draws[start : start + 4]
        high, wide = rectangle(area, ratio, height * width, row.erase_area, row.erase_ratio)
        if high < height and wide < width:
            return pick(down, height - high + 1), pick(across, width - wide + 1), high, wide
    return None


def erase(batch: Tensor, row: Augmentation, preprocess: Preprocess, draws: npt.NDArray[np.float64]) -> Tensor:
    """Return a (N, C, H, W) batch in [0, 255] with a rectangle of some pictures in the preprocess's mean colour.

    Normalisation makes 0 of it, the fill of torchvision's and timm's references; in a uint8 batch to within half a
    level. `draws` is (N, `DRAWS`).
    """
    colour = mean_colour(preprocess, batch.shape[1])
    fill = (colour if batch.is_floating_point() else colour.round()).to(batch.dtype)[:, None, None]
    erased = batch.clone(memory_format=torch.contiguous_format)
    for picture, numbers in zip(erased, draws.tolist(), strict=True):
        if box := erase_box(batch.shape[2], batch.shape[3], row, numbers):
            top, left, high, wide = box
            picture[:, top : top + high, left : left + wide] = fill
    return erased


def mean_colour(preprocess: Preprocess, channels: int) -> Tensor:
    """Return the colour in [0, 255] that normalisation makes 0: (C,) float32, red before blue as in every batch."""
    mean = preprocess.mean * channels if len(preprocess.mean) == 1 else preprocess.mean
    return 255 * torch.tensor(mean[::-1] if preprocess.colour == "bgr" else mean)
