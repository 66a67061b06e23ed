"""Alike: whether two pictures are the same photograph, saved again, resized, brightened or mirrored.

Two hashes may agree by chance, and two photographs of one object on one table have the same hash and are not
the same photograph. What decides is the fine detail: the edges of a picture saved again lie where they lay.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from resnets.data.check.facts import Row, grey_image, pixels_of
from resnets.data.check.hashes import THUMB, shrink
from resnets.data.check.header import Oddity
from resnets.data.source import Source
from resnets.spec.preprocess import Preprocess

LARGE, SMALL = 64, 32
"""Sides at which two pictures are compared: the smaller one where either picture is smaller than the larger."""

SMALLEST = 24
"""Pixels of the shorter side; pictures below it have no detail to tell one from another."""

THUMB_LIKENESS, THUMB_LIKENESS_SMALL, THUMB_LIKENESS_GREY = 0.75, 0.88, 0.95
"""Correlation of the kept thumbs below which a pair of hashes agreed by chance: of large pictures, of small
ones, and of small grey ones. A little below what the pair itself has to reach."""

BUSY = 0.3
"""Share of the pixels that are not the background's, below which a picture is a drawing or a digit."""


@dataclass(frozen=True, slots=True)
class Bar:
    """What a pair has to reach: the correlation of the pictures, and of their fine detail."""

    likeness: float
    detail: float


PHOTOGRAPH, OBJECT = Bar(0.85, 0.65), Bar(0.90, 0.80)
SMALL_PHOTOGRAPH, SMALL_GREY = Bar(0.92, 0.72), Bar(0.98, 0.95)
"""The bars for two large pictures, for two with little but background, for small ones in colour, and in grey.

On real photographs, a copy at quality 20, at a quarter of the size or 1.3 times as bright has detail of 0.68 and
more, and two photographs of one object on one table at most 0.45. The less there is in a picture, the fewer ways
it has to differ: two written ones reach 0.97, so small pictures with little but background are not compared.
"""

_BACKGROUND = 12.0  # grey levels from the middle one
_COLOUR_SIDE = 8
_MOST_TINT = 24.0  # levels of blue and red difference, on average, between two copies of one photograph
_LEAST_TINT = 6.0  # below it a picture is grey, and may be the grey copy of any


@dataclass(frozen=True, slots=True)
class View:
    """A picture as it is compared: (64, 64) or (32, 32) grey, and the tints of (8, 8) parts of it, (8, 8, 2)."""

    grey: npt.NDArray[np.float32]
    tint: npt.NDArray[np.float32]


def view(source: Source, index: int, policy: Preprocess) -> View:
    """Return the view of one picture; raises `BadImage` where it cannot be decoded any more."""
    picture = pixels_of(source.raw(index), policy)
    grey = grey_image(picture)
    side = LARGE if min(grey.size) >= LARGE else SMALL
    if isinstance(picture, Image.Image) and picture.mode == "RGB":
        tint = np.asarray(shrink(picture, _COLOUR_SIDE).convert("YCbCr"), np.float32)[:, :, 1:] - 128
    else:
        tint = np.zeros((_COLOUR_SIDE, _COLOUR_SIDE, 2), np.float32)
    return View(np.asarray(shrink(grey, side), np.float32), tint)


def same_photograph(one: View, other: View, *, mirrored: bool) -> bool:
    """Say whether two views are of one photograph, the second one mirrored if `mirrored`."""
    side = min(len(one.grey), len(other.grey))
    first, second = _at(one.grey, side), _at(other.grey, side)
    tint = other.tint
    if mirrored:
        second, tint = second[:, ::-1], tint[:, ::-1]
    grey = _is_grey(one.tint) and _is_grey(tint)
    bar = _bar(side, grey, min(busy(first[None])[0], busy(second[None])[0]))
    if (
        bar is None
        or _correlation(first, second) < bar.likeness
        or _correlation(_detail(first), _detail(second)) < bar.detail
    ):
        return False
    return _is_grey(one.tint) or _is_grey(tint) or float(np.abs(one.tint - tint).mean()) <= _MOST_TINT


def busy(grey: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the share of each picture that is not its background: (N, side, side) -> (N,)."""
    flat = grey.reshape(len(grey), grey.shape[1] * grey.shape[2]).astype(np.float32)
    return np.asarray((np.abs(flat - np.median(flat, axis=1, keepdims=True)) > _BACKGROUND).mean(axis=1))


def _bar(side: int, grey: bool, share: float) -> Bar | None:
    """Return the bar for a pair, or None where no bar would tell two pictures apart."""
    if side == LARGE:
        return PHOTOGRAPH if share >= BUSY else OBJECT
    if share < BUSY:
        return None
    return SMALL_GREY if grey else SMALL_PHOTOGRAPH


def thumb_bars(rows: Row) -> npt.NDArray[np.float32]:
    """Return the likeness that each picture asks of its partner's thumb: (N,); of a pair the lower one counts."""
    small = np.minimum(rows["width"], rows["height"]) < LARGE
    grey = (rows["odd"] & int(Oddity.GREY)) != 0
    of_small = np.where(grey, THUMB_LIKENESS_GREY, THUMB_LIKENESS_SMALL)
    return np.asarray(np.where(small, of_small, THUMB_LIKENESS), np.float32)


def thumbs_agree(
    thumbs: npt.NDArray[np.uint8],
    bars: npt.NDArray[np.float32],
    pairs: npt.NDArray[np.int64],
    *,
    mirrored: bool,
) -> npt.NDArray[np.bool_]:
    """Say for (M, 2) pairs of places in (N, 16, 16) thumbs whether these are alike at all: (M,)."""
    agree = np.zeros(len(pairs), bool)
    for start in range(0, len(pairs), 1 << 15):
        some = pairs[start : start + (1 << 15)]
        first, second = thumbs[some[:, 0]], thumbs[some[:, 1]]
        one, other = _normal(first), _normal(second[:, :, ::-1] if mirrored else second)
        agree[start : start + len(some)] = np.einsum("ij,ij->i", one, other) >= bars[some].min(axis=1)
    return agree


def _normal(thumbs: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    flat = thumbs.reshape(len(thumbs), THUMB * THUMB).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    return np.asarray(flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6), np.float32)


def _at(grey: npt.NDArray[np.float32], side: int) -> npt.NDArray[np.float32]:
    step = len(grey) // side
    return np.asarray(grey.reshape(side, step, side, step).mean(axis=(1, 3)), np.float32)


def _detail(grey: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return a picture less its own blur: what is finer than four pixels."""
    image = Image.fromarray(grey)
    coarse = shrink(image, len(grey) // 4).resize(image.size, Image.Resampling.BILINEAR)
    return np.asarray(grey - np.asarray(coarse), np.float32)


def _correlation(one: npt.NDArray[np.float32], other: npt.NDArray[np.float32]) -> float:
    one, other = one - one.mean(), other - other.mean()
    size = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float((one * other).sum()) / size if size > 1e-3 else 0.0


def _is_grey(tint: npt.NDArray[np.float32]) -> bool:
    return float(np.abs(tint).mean()) < _LEAST_TINT
