"""Jitter: brightness, contrast, saturation and hue changed at random, in a random order.

Howard 2013 (arXiv:1312.5402), as torchvision's ColorJitter draws it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from resnets.data.augmentation.distributions import between
from resnets.data.augmentation.rows import Augmentation

CHANGES = ("brightness", "contrast", "saturation", "hue")
"""What may change: a field of an augmentation each, and a function of torchvision."""

DRAWS = 2 * len(CHANGES)
"""How much of each change, and a number to sort them by."""


def changes(row: Augmentation, draws: Sequence[float]) -> list[tuple[str, float]]:
    """Return which changes to make, in order, and how much of each; `draws` has `DRAWS` numbers in [0, 1).

    Of hue a share of the circle of colours, of the others a factor.
    """
    values: dict[str, float] = {}
    for name, draw in zip(CHANGES, draws, strict=False):
        reach = getattr(row, name)
        if reach and name == "hue":
            values[name] = between(draw, -reach, reach)
        elif reach:
            values[name] = between(draw, max(0.0, 1 - reach), 1 + reach)
    order = sorted(range(len(CHANGES)), key=lambda place: draws[len(CHANGES) + place])
    return [(CHANGES[place], values[CHANGES[place]]) for place in order if CHANGES[place] in values]


def jitter(batch: Tensor, row: Augmentation, draws: npt.NDArray[np.float64]) -> Tensor:
    """Return a (N, 1 or 3, H, W) uint8 batch with each picture's colours changed; `draws` is (N, `DRAWS`).

    Grey pictures have no saturation and no hue, and keep what they lack.
    """
    from torchvision.transforms.v2 import functional

    changed = torch.empty_like(batch, memory_format=torch.contiguous_format)
    for place, numbers in enumerate(draws.tolist()):
        picture = batch[place]
        for name, value in changes(row, numbers):
            change = contrast if name == "contrast" else getattr(functional, f"adjust_{name}")
            picture = change(picture, value)
        changed[place] = picture
    return changed


def contrast(picture: Tensor, factor: float) -> Tensor:
    """Return a uint8 picture (1 or 3, H, W) that is `factor` as far from its mean grey: 0 is that grey, 1 the picture.

    torchvision's adjust_contrast, but with the exact mean. Theirs is summed up in float32, so that from 257 x 257
    pixels on its last bits, and now and then a pixel, depend on how many threads torch has.
    """
    mean = torch.tensor(mean_grey(picture), dtype=torch.float32)
    return picture.mul(factor).add_(mean, alpha=1 - factor).clamp_(0, 255).to(torch.uint8)


def mean_grey(picture: Tensor) -> float:
    """Return the mean of a uint8 picture (1 or 3, H, W) in whole levels of grey."""
    from torchvision.transforms.v2 import functional

    grey: Tensor = functional.rgb_to_grayscale(picture)
    return int(grey.sum(dtype=torch.int64)) / grey.numel()
