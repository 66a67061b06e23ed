"""Mix: two pictures of a batch become one, and their labels with them: mixup and cutmix.

Zhang et al. 2017 (arXiv:1710.09412) and Yun et al. 2019 (arXiv:1905.04899). One share for a whole batch, and partners
that are a function of the global batch: position p with position size - 1 - p, as in timm.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from resnets.data.augmentation.distributions import pick
from resnets.data.augmentation.rows import Augmentation
from resnets.data.draws import generator


@dataclass(frozen=True, kw_only=True, slots=True)
class Mixing:
    """How the pictures of one batch are mixed."""

    share: float  # of a picture itself, in [0, 1], before a cut is rounded to pixels and to the picture
    centre: tuple[float, float] | None = None  # (across, down) of the rectangle, in [0, 1); None: the whole picture

    def box(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Return (left, top, right, bottom) of what comes from the partner, in pixels, cut off at the edges.

        Half a side is rounded down, as in torchvision's CutMix.
        """
        if self.centre is None:
            return 0, 0, width, height
        half = 0.5 * math.sqrt(1 - self.share)
        across, down = pick(self.centre[0], width), pick(self.centre[1], height)
        half_width, half_height = int(half * width), int(half * height)
        return (
            max(0, across - half_width),
            max(0, down - half_height),
            min(width, across + half_width),
            min(height, down + half_height),
        )


def mixing(row: Augmentation, seed: int, epoch: int, place: int) -> Mixing | None:
    """Return how batch number `place` of an epoch is mixed, or None where it is not.

    A row with mixup and cutmix has one of them at even odds: timm's switch of 0.5 and torchvision's RandomChoice.
    """
    if not row.mixes:
        return None
    draw = generator(seed, epoch, "batch", place)
    whether, which, across, down = draw.random(4).tolist()
    if whether >= row.mix_probability:
        return None
    cuts = which < 0.5 if row.mixup and row.cutmix else bool(row.cutmix)
    alpha = row.cutmix if cuts else row.mixup
    return Mixing(share=float(draw.beta(alpha, alpha)), centre=(across, down) if cuts else None)


def mix(images: Tensor, positions: Tensor, size: int, mixing: Mixing) -> tuple[Tensor, Tensor, Tensor]:
    """Return mixed pictures, the place of each one's partner among them, and each one's own share.

    `images` are (N, C, H, W), normalised, and not changed; `positions` (N,) are theirs in the global batch of
    `size`. Partners are (N,) int64 and shares (N,) float32, on the device of `images`: a label becomes
    share * label + (1 - share) * label[partners]. A picture whose partner is itself, or is not there, stays as it is,
    with share 1. Raises `ValueError` for a position that the batch does not have, or has twice.
    """
    count, _, height, width = images.shape
    given = positions.tolist()
    if len(given) != count or len({*given} & {*range(size)}) < count:
        raise ValueError(f"positions {given} are not {count} different places in a batch of {size}")
    positions = positions.to(images.device)
    here = torch.arange(count, device=images.device)
    places = torch.full((size,), -1, device=images.device)
    places[positions] = here
    partners = places[size - 1 - positions]
    partners = torch.where(partners < 0, here, partners)
    alone = partners == here
    left, top, right, bottom = mixing.box(height, width)
    if mixing.centre is None:
        shares = torch.where(alone, 1.0, torch.tensor(mixing.share, device=images.device))
        own = shares.to(images.dtype)[:, None, None, None]
        # Not lerp or addcmul: they may fuse two roundings into one, in some places of a batch and not in others.
        return (images * own).add_(images[partners].mul_(1 - own)), partners, shares
    cut = 1 - (right - left) * (bottom - top) / (height * width)
    mixed = images.clone()
    mixed[:, :, top:bottom, left:right] = images[partners, :, top:bottom, left:right]
    return mixed, partners, torch.where(alone, 1.0, torch.tensor(cut, device=images.device))
