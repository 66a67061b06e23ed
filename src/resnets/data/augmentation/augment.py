"""Augment: change training pictures at random, in ways that leave their class as it is.

A picture's change is a function of (seed, epoch, its index): its company in the batch and its place there change
nothing, to the bit. Its chance is a row of numbers in [0, 1), and each stage has its own columns of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from resnets.data.augmentation import erase, jitter, policy
from resnets.data.augmentation.distributions import pick
from resnets.data.augmentation.rows import AUGMENTATIONS, Augmentation, check_channels, check_row
from resnets.data.draws import uniforms
from resnets.spec.preprocess import Preprocess

__all__ = ["AUGMENTATIONS", "Augmentation", "affine", "augment", "check_channels", "flip", "pad_crop", "quarter_turn"]

Draws = npt.NDArray[np.float64]
"""(N, columns) numbers in [0, 1), a row for each picture."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One of the changes that are made to pictures, one after the other."""

    wanted: Callable[[Augmentation], bool]
    draws: int  # for each picture
    change: Callable[[Tensor, Augmentation, Preprocess, Draws], Tensor]


STAGES = (
    Stage(lambda row: row.pad > 0, 2, lambda batch, row, _, draws: pad_crop(batch, row.pad, draws)),
    Stage(lambda row: row.flip, 1, lambda batch, row, _, draws: flip(batch, 3, draws)),
    Stage(lambda row: row.vertical_flip, 1, lambda batch, row, _, draws: flip(batch, 2, draws)),
    Stage(lambda row: row.quarter_turns, 1, lambda batch, row, _, draws: quarter_turn(batch, draws)),
    Stage(
        lambda row: row.policy is not None,
        policy.DRAWS,
        lambda batch, row, preprocess, draws: policy.follow(batch, row, preprocess.interpolation, draws),
    ),
    Stage(lambda row: row.jitters, jitter.DRAWS, lambda batch, row, _, draws: jitter.jitter(batch, row, draws)),
    Stage(lambda row: row.moves, 5, lambda batch, row, _, draws: affine(batch.to(torch.float32), row, draws)),
    Stage(lambda row: row.erase > 0, erase.DRAWS, erase.erase),
)
"""Every stage, in the order of torchvision's references. Where a stage stands decides which draws it has, so a new one
in the middle changes what a seed means."""


def augment(
    batch: Tensor, row: Augmentation, preprocess: Preprocess, *, seed: int, epoch: int, indices: npt.NDArray[np.int64]
) -> Tensor:
    """Return a (N, C, H, W) uint8 batch with everything done that the row asks for, but for its crop and its mixing.

    `indices` (N,) say which pictures of the source these are. uint8, or float32 in [0, 255] for a row that moves;
    the batch given is not changed. The crop is made on the picture itself (`crop_box`), and mixing on
    normalised pictures (`mix.mix`). Raises `ValueError` for a change of colours where they are neither grey nor RGB,
    and for quarter turns of pictures that are not square (`rows.check_row`).
    """
    check_row(row, preprocess)
    assert batch.shape[1:] == (preprocess.channels, *preprocess.size), "pictures come as the preprocess makes them"
    if len(indices) != len(batch):
        raise ValueError(f"{len(indices)} indices do not name {len(batch)} pictures; give one for each")
    columns, wanted = 0, []
    for stage in STAGES:
        if stage.wanted(row):
            wanted.append((stage, slice(columns, columns + stage.draws)))
        columns += stage.draws
    if not wanted:
        return batch
    draws = uniforms(seed, epoch, "pixels", indices, wanted[-1][1].stop)
    for stage, its_own in wanted:
        batch = stage.change(batch, row, preprocess, np.ascontiguousarray(draws[:, its_own]))
    return batch


def flip(batch: Tensor, axis: int, draws: Draws) -> Tensor:
    """Return a (N, C, H, W) batch with each picture mirrored along an axis, or not, at even odds; `draws` is (N, 1)."""
    flipped = batch.clone(memory_format=torch.contiguous_format)
    for place in (draws[:, 0] < 0.5).nonzero()[0].tolist():  # one by one: an eighth of the time of torch.where
        flipped[place] = batch[place].flip(axis - 1)
    return flipped


def quarter_turn(batch: Tensor, draws: Draws) -> Tensor:
    """Return a (N, C, H, H) batch with each picture turned by 0, 90, 180 or 270 degrees; `draws` is (N, 1)."""
    turned = torch.empty_like(batch, memory_format=torch.contiguous_format)
    for place, draw in enumerate(draws[:, 0].tolist()):
        turned[place] = batch[place].rot90(pick(draw, 4), (1, 2))
    return turned


def pad_crop(batch: Tensor, pad: int, draws: Draws) -> Tensor:
    """Return a (N, C, H, W) batch with each picture padded with black on every side and cropped to H x W.

    The crop starts anywhere in 0..2*pad, rows and columns apart (He et al. 2015, section 4.2); `draws` is (N, 2).
    """
    _, _, height, width = batch.shape
    padded = functional.pad(batch, (pad, pad, pad, pad)).numpy()
    cropped = np.empty(batch.shape, padded.dtype)
    for place, (down, across) in enumerate(draws.tolist()):
        top, left = pick(down, 2 * pad + 1), pick(across, 2 * pad + 1)
        cropped[place] = padded[place, :, top : top + height, left : left + width]
    return torch.from_numpy(cropped)


def affine(batch: Tensor, row: Augmentation, draws: Draws) -> Tensor:
    """Return a (N, C, H, W) float batch with each picture turned, slanted, enlarged and moved at random.

    Each is spread evenly: an angle in ±`degrees`, a slant in ±`shear` degrees, a factor in `scale`, a move in
    ±`translate` of the side; `draws` is (N, 5). Bilinear; what comes in from outside the picture is black (0).
    """
    count, _, height, width = batch.shape
    turn, lean, size, across, down = np.ascontiguousarray(draws.T)
    angle = (2 * turn - 1) * np.radians(row.degrees)
    slant = np.tan((2 * lean - 1) * np.radians(row.shear))
    factor = 1 / (row.scale[0] + size * (row.scale[1] - row.scale[0]))
    cos, sin = np.cos(angle) * factor, np.sin(angle) * factor
    aspect = height / width  # the grid goes from -1 to 1 both ways; a turn must not stretch
    # Where each pixel of the result comes from: turn @ [[1, slant], [0, 1]] @ (across, down) + move. This is
    # functional.affine_grid, written so that the only full-size work is one addition for each coordinate.
    columns = (cos, (cos * slant - sin) * aspect, (2 * across - 1) * 2 * row.translate)
    rows = (sin / aspect, sin * slant + cos, (2 * down - 1) * 2 * row.translate)
    x = (torch.arange(width) + 0.5) * (2 / width) - 1
    y = (torch.arange(height) + 0.5) * (2 / height) - 1
    grid = torch.empty(count, height, width, 2)
    for axis, steps in enumerate((columns, rows)):
        by_x, by_y, move = (torch.from_numpy(step).to(torch.float32)[:, None] for step in steps)
        torch.add((by_x * x)[:, None, :], (by_y * y + move)[:, :, None], out=grid[..., axis])
    return functional.grid_sample(batch, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
