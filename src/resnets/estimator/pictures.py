"""Pictures: how what scikit-learn's tools pass around, paths or arrays of numbers, becomes pictures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt, prod
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from resnets.data.dataset import DataSet, fingerprint_arrays, fingerprint_source
from resnets.data.source import ArraySource, FileSource, Source
from resnets.data.splits.split import describe_split

Kind = Literal["paths", "pictures", "rows"]
"""Files; (N, H, W) or (N, H, W, C) arrays; or (N, features), a picture's numbers one after the other."""

Shape = tuple[int, int, int]
"""Height, width and channels."""

Numbers = npt.NDArray[Any]

BYTES = (0.0, 255.0)


@dataclass(frozen=True, slots=True)
class Layout:
    """How numbers or paths become pictures. `shape` is None for paths; `low` becomes black and `high` white."""

    kind: Kind
    shape: Shape | None = None
    low: float = BYTES[0]
    high: float = BYTES[1]
    is_learnt: bool = False  # low and high are those of the training pictures, which others may go beyond

    def source(self, given: Sequence[str] | Numbers, labels: npt.NDArray[np.int64] | None = None) -> Source:
        """Return N pictures with their labels, or with 0 for each.

        Raises `ValueError` where arrays are of another shape than those fitted on, or numbers lie outside a range that
        was stated.
        """
        labels = np.zeros(len(given), np.int64) if labels is None else labels
        if not isinstance(given, np.ndarray):
            return FileSource.of(given, labels)
        assert self.shape is not None
        height, width, channels = self.shape
        if self.kind == "rows":
            pixels = np.zeros((len(given), prod(self.shape)), np.uint8)  # places that no number is left for stay black
            pixels[:, : given.shape[1]] = self._bytes(given)
            return ArraySource(pixels.reshape(-1, height, width, channels), labels, "X")
        pictures = given[..., None] if given.ndim == 3 else given
        if pictures.shape[3] != channels:
            raise ValueError(
                f"X has pictures of {pictures.shape[3]} channels, and the estimator was fitted on {channels}"
            )
        return ArraySource(self._bytes(pictures), labels, "X")

    def _bytes(self, numbers: Numbers) -> npt.NDArray[np.uint8]:
        if numbers.dtype == np.uint8 and (self.low, self.high) == BYTES:
            return numbers
        least, most = float(numbers.min()), float(numbers.max())
        if not self.is_learnt and not self.low <= least <= most <= self.high:
            raise ValueError(
                f"X goes from {least:g} to {most:g}, and the estimator takes {self.low:g} to {self.high:g}; "
                "scale it likewise, or say what is black and what is white: value_range=(low, high)"
            )
        scaled = (numbers.astype(np.float64) - self.low) * (255 / (self.high - self.low))
        return np.rint(np.clip(scaled, 0, 255)).astype(np.uint8)


def layout_of(
    given: Sequence[str] | Numbers, image_shape: Sequence[int] | None, value_range: Sequence[float] | None
) -> Layout:
    """Return how these become pictures, and all that are given later.

    Rows are pictures of `image_shape`, (H, W) or (H, W, C); None: grey, the smallest square that holds them, filled
    from the top, the rest black. `value_range` says which numbers are black and white; None: 0 and 255 for uint8, and
    the least and the largest of these numbers for any others. Raises `ValueError` where they do not fit.
    """
    if not isinstance(given, np.ndarray):
        return Layout("paths")
    shape = None if image_shape is None else _shape(image_shape)
    low, high, is_learnt = _range(given, value_range)
    if given.ndim == 2:
        features = given.shape[1]
        if shape is None:
            side = isqrt(features - 1) + 1
            shape = (side, side, 1)
        elif prod(shape) != features:
            raise ValueError(f"image_shape={tuple(image_shape or ())} has {prod(shape)} numbers, and a row {features}")
        return Layout("rows", shape, low, high, is_learnt)
    found = (*given.shape[1:3], given.shape[3] if given.ndim == 4 else 1)
    if shape is not None and shape != found:
        raise ValueError(f"image_shape={tuple(image_shape or ())}, and X has pictures of {found}; leave it out")
    return Layout("pictures", found, low, high, is_learnt)


def kind_of(given: Sequence[str] | Numbers) -> Kind:
    """Return what these are: paths, or an array of two, three or four dimensions."""
    if not isinstance(given, np.ndarray):
        return "paths"
    return "rows" if given.ndim == 2 else "pictures"


def data_set(source: Source, classes: Sequence[str]) -> DataSet:
    """Return the data set of pictures that are all to be trained on."""
    names = tuple(classes)
    if isinstance(source, ArraySource):
        fingerprint = fingerprint_arrays(names, [source])
    else:
        fingerprint = fingerprint_source(names, source)
    return DataSet(
        name="X",
        classes=names,
        train=source,
        test=None,
        fingerprint=fingerprint,
        class_order="given",
        split=describe_split(None, 0),
    )


def as_paths(given: Any) -> list[str] | None:
    """Return the paths, where a list, an array or a column of paths is given; None where numbers are.

    Raises `ValueError` for one path alone, for none, and for paths among other things.
    """
    if isinstance(given, str | os.PathLike):
        raise ValueError(f"X is one path, {given}; give a list of paths, one for each picture")
    if getattr(given, "ndim", 1) != 1 or not hasattr(given, "__iter__"):
        return None
    found = list(given)
    which = [isinstance(each, str | os.PathLike) for each in found]
    if not any(which):
        return None
    if not all(which):
        raise ValueError(f"X[{which.index(False)}] is no path as others are: {found[which.index(False)]!r}")
    return [str(Path(each)) for each in found]


def _shape(given: Sequence[int]) -> Shape:
    sides: list[Any] = list(given) if np.ndim(given) == 1 else []
    if len(sides) not in (2, 3) or not all(isinstance(side, int | np.integer) and side > 0 for side in sides):
        allowed = "(height, width) or (height, width, channels), whole numbers from 1"
        raise ValueError(f"image_shape={given!r} is not possible; allowed: {allowed}")
    height, width, channels = (int(side) for side in [*sides, 1][:3])
    return height, width, channels


def _range(given: Numbers, stated: Sequence[float] | None) -> tuple[float, float, bool]:
    if stated is not None:
        if len(stated) != 2 or not stated[0] < stated[1]:
            raise ValueError(f"value_range={stated!r} is not possible; allowed: (low, high), of which high is larger")
        return float(stated[0]), float(stated[1]), False
    if given.dtype == np.uint8:
        return *BYTES, False
    low, high = float(given.min()), float(given.max())
    return low, high if high > low else low + 1, True  # all the same: black
