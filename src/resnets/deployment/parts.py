"""Parts: which pictures an export may look at for what; no picture is for two purposes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from resnets.data.dataset import DataSet
from resnets.data.source import Source
from resnets.data.splits.split import split
from resnets.evaluation.sides import Split, side
from resnets.runtime.quantize import MOST_PICTURES

MOST_TRIED = 2_000
"""Pictures that a repair is chosen by."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Pictures that ranges are taken from, pictures that a repair is chosen by, and those that are reported on."""

    ranges: Source
    trying: Source
    reporting: Source


def parts_of(dataset: DataSet, which: Split) -> Parts:
    """Return the parts of a data set; those reported on are the ones that `which` names.

    Where there is another side, ranges and repair have pictures of that. Else a quarter of what there is goes to each
    of them, every class in its share. Raises `ValueError` where there are too few for that.
    """
    meant = side(dataset, which)
    others = {"test": dataset.train, "train": dataset.test, "all": None}[which]
    if others is not None and len(others) >= 2:
        ranges, trying = _halves(others)
        return Parts(ranges, trying, meant)
    try:
        reporting, rest = split(meant, 0.5, 0)
        trying, ranges = split(rest, 0.5, 0)
    except ValueError as error:
        raise ValueError(
            f"an int8 export needs pictures for three purposes (ranges, repair, report), and these are too few: {error}"
        ) from None
    return Parts(ranges, trying, reporting)


def _halves(source: Source) -> tuple[Source, Source]:
    """Pictures for ranges and others to try on: evenly spaced, for they often lie class by class."""
    count = min(MOST_PICTURES, len(source) // 2)
    places = np.unique(np.linspace(0, len(source) - 1, count).round().astype(np.int64))
    others = np.setdiff1d(np.arange(len(source)), places)
    tried = np.unique(np.linspace(0, len(others) - 1, min(MOST_TRIED, len(others))).round().astype(np.int64))
    return source.take(places), source.take(others[tried])
