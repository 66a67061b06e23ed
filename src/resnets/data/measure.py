"""Measure: the mean and deviation of a source's channels, and the preprocess that follows from a data set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from resnets.data.dataset import DataSet
from resnets.data.decoding import picture
from resnets.data.decoding.decode import decode_bands
from resnets.data.errors import BadImage, DataError
from resnets.data.reading import Reading
from resnets.data.source import ArraySource, Source
from resnets.spec.preprocess import IMAGENET, Colour, Preprocess

SMALLEST_STD = 0.01
"""A channel that hardly varies (blank pictures) is not blown up by more than 100."""

MEASURED = 256
"""Pictures that tell the mean and deviation of channels that no published numbers are for."""

_TOGETHER = 512  # pictures of an array counted at once

Indices = npt.NDArray[np.int64]
Statistics = tuple[tuple[float, ...], tuple[float, ...]]


def measure(
    source: Source,
    *,
    colour: Colour,
    sample: int | None = None,
    bands: int | None = None,
    base: Preprocess | None = None,
) -> Statistics:
    """Return (mean, std) over all pixels of each channel, in [0, 1], rounded to four places.

    Channels are in the order of `colour`; of "bands" there are `bands`, or as many as the pictures of the source have.
    `sample` pictures, evenly spaced, are looked at; None is all of them. Files are decoded by the policy of `base`, or
    the default one. The same source gives the same numbers. Raises `BadImage`, which names the picture, where one of
    them cannot be decoded.
    """
    count = len(source)
    if not count:
        raise DataError("the source holds no pictures; there is nothing to measure")
    chosen = np.unique(np.linspace(0, count - 1, min(sample or count, count)).round().astype(np.int64))
    channels = {"grey": 1, "bands": bands or source.channels}.get(colour, 3)
    preprocess = replace(base or Preprocess(), colour=colour, mean=(0.0,) * channels, std=(1.0,) * channels)
    if colour == "bands":
        return _of_bands(_band_pixels(source, chosen, preprocess))
    counts = np.zeros((preprocess.channels, 256), np.int64)
    for pixels in _pixels(source, chosen, preprocess):
        counts += np.stack([np.bincount(plane, minlength=256) for plane in pixels.T])
    if colour == "bgr":
        counts = counts[::-1]
    return _statistics(counts)


def default_preprocess(dataset: DataSet) -> Preprocess:
    """Return the preprocess for training from scratch on a data set.

    Pictures that all have one size keep it, with mean and deviation measured on the training pictures (the
    test pictures where there are no others). Folders of photographs get ImageNet's: 224x224 out of 256.
    """
    source = dataset.train if dataset.train is not None else dataset.test
    if source is None:
        raise DataError(f"{dataset.name} holds no pictures; there is nothing to measure")
    if source.size is None:
        return replace(IMAGENET, profile="srgb")
    kinds: dict[int, Colour] = {1: "grey", 3: "rgb"}
    colour = kinds.get(source.channels, "bands")
    mean, std = measure(source, colour=colour)
    height, width = source.size
    # Cutting the centre out of a square keeps it whole; another shape is only kept whole by squashing.
    fit: Preprocess = Preprocess(size=source.size, colour=colour, mean=mean, std=std)
    return fit if height == width else replace(fit, fit="squash")


def suited_preprocess(dataset: DataSet, reading: Reading, channels: int | None = None) -> Preprocess:
    """Return the preprocess for a network of so many channels; None: of as many as the pictures suggest.

    It is `default_preprocess`'s, of the reading's formats; for files in another number of channels than 3, mean and
    deviation are those of `MEASURED` pictures. Raises `DataError` and `BadImage` as `measure` does.
    """
    suited = replace(default_preprocess(dataset), formats=reading.formats)
    source = dataset.train if dataset.train is not None else dataset.test
    if source is None or source.size is not None or channels is None or channels == 3:
        return suited
    if channels < 1:
        raise DataError(f"in_channels={channels!r} is not possible; allowed: whole numbers from 1 on")
    colour: Colour = "grey" if channels == 1 else "bands"
    files = replace(suited, colour=colour, mean=(0.0,) * channels, std=(1.0,) * channels)
    mean, std = measure(source.take(_readable(source, files)), colour=colour, bands=channels, base=files)
    return replace(files, mean=mean, std=std)


def _readable(source: Source, preprocess: Preprocess) -> Indices:
    """Return the first `MEASURED` or fewer pictures, evenly spaced, that can be decoded; a run names the others."""
    good: list[int] = []
    reason = ""
    for index in np.unique(np.linspace(0, len(source) - 1, min(MEASURED, len(source))).round().astype(np.int64)):
        try:
            picture.pixels(source.raw(int(index)), preprocess)
            good.append(int(index))
        except BadImage as error:
            reason = f"{source.name(int(index))}: {error.reason}"
    if not good:
        raise DataError(f"no picture of {len(source):,} that was tried can be decoded; the last was {reason}")
    return np.array(good, np.int64)


def _pixels(source: Source, chosen: Indices, preprocess: Preprocess) -> Iterator[npt.NDArray[np.uint8]]:
    """Yield the pixels of the chosen pictures, a few at a time: (pixels, channels), RGB or grey."""
    if isinstance(source, ArraySource) and source.channels == preprocess.channels:
        for start in range(0, len(chosen), _TOGETHER):
            yield source.pixels[chosen[start : start + _TOGETHER]].reshape(-1, source.channels)
        return
    for index in chosen:
        yield np.asarray(source.image(int(index), preprocess)).reshape(-1, preprocess.channels)


def _band_pixels(source: Source, chosen: Indices, preprocess: Preprocess) -> Iterator[npt.NDArray[Any]]:
    """Yield the numbers of each chosen picture, in [0, 255]: (pixels, bands)."""
    for index in map(int, chosen):
        raw = source.raw(index)
        try:
            numbers = decode_bands(raw, preprocess) if isinstance(raw, bytes) else raw
        except BadImage as error:
            raise BadImage(source.name(index), error.reason) from error
        if numbers.shape[2] != preprocess.channels:
            raise BadImage(source.name(index), f"it has {numbers.shape[2]} bands, not {preprocess.channels}")
        yield numbers.reshape(-1, preprocess.channels)


def _of_bands(pictures: Iterator[npt.NDArray[Any]]) -> Statistics:
    """Return the statistics of numbers that need not be whole, from their sums."""
    count, sums, squares = 0, np.float64(0), np.float64(0)
    for pixels in pictures:
        numbers = pixels.astype(np.float64) / 255
        count += len(numbers)
        sums, squares = sums + numbers.sum(axis=0), squares + (numbers**2).sum(axis=0)
    mean = np.asarray(sums / count)
    return _rounded(mean), _rounded(np.maximum(np.sqrt(np.maximum(squares / count - mean**2, 0)), SMALLEST_STD))


def _statistics(counts: npt.NDArray[np.int64]) -> Statistics:
    values = np.arange(256) / 255
    share = counts / counts.sum(axis=1, keepdims=True)
    mean = share @ values
    std = np.sqrt((share * (values - mean[:, None]) ** 2).sum(axis=1))
    return _rounded(mean), _rounded(np.maximum(std, SMALLEST_STD))


def _rounded(numbers: npt.NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(round(float(number), 4) for number in numbers)
