"""Hashes: 64 bits that stay nearly the same when a picture is saved again, resized or brightened.

The signs of a small picture's lowest cosine frequencies against their median: the "pHash" of C. Zauner,
"Implementation and Benchmarking of Perceptual Image Hash Functions", 2010, section 3.2.1. A mirrored picture
has the same frequencies, those of odd order across with the other sign, so its hash costs nothing more.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

SIDE = 32
"""Pixels of the small picture that is hashed."""

THUMB = 16
"""Pixels of the smaller one that is kept, to see at a glance whether two hashes agree by chance."""

Pixels = npt.NDArray[Any]


def _cosines(side: int, count: int) -> npt.NDArray[np.float32]:
    """Return the first `count` rows of the orthonormal cosine transform (DCT-II)."""
    waves = np.cos(np.pi * (2 * np.arange(side) + 1) * np.arange(count)[:, None] / (2 * side))
    return np.asarray(waves / np.linalg.norm(waves, axis=1, keepdims=True), np.float32)


_COSINES = _cosines(SIDE, 9)
_MIRROR = np.where(np.arange(9) % 2, -1, 1).astype(np.float32)


def hashes(small: Pixels) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """Return the hash of each picture, and that of its mirror image: (N, 32, 32) grey -> two of (N,) uint64."""
    waves = _COSINES @ small.astype(np.float32) @ _COSINES.T
    return _signs(waves), _signs(waves * _MIRROR)


def thumbs(small: Pixels) -> npt.NDArray[np.uint8]:
    """Return (N, 32, 32) grey at half the size: (N, 16, 16)."""
    pairs = small.reshape(-1, THUMB, SIDE // THUMB, THUMB, SIDE // THUMB)
    return np.asarray(pairs.mean(axis=(2, 4)).round(), np.uint8)


def shrink(image: Image.Image, side: int) -> Image.Image:
    """Return a picture squashed to side x side, each pixel the mean of those it stands for."""
    return image.resize((side, side), Image.Resampling.BOX, reducing_gap=None)


def shrink_arrays(grey: Pixels, side: int) -> npt.NDArray[np.float32]:
    """Return (N, H, W) grey squashed to (N, side, side); as `shrink` does, but for rounding, where the sides divide."""
    rows, columns = _box(grey.shape[1], side), _box(grey.shape[2], side)
    return np.asarray(rows @ grey.astype(np.float32) @ columns.T, np.float32)


def _box(length: int, side: int) -> npt.NDArray[np.float32]:
    """Return (side, length): which share of each old pixel a new one has."""
    edges = np.linspace(0, length, side + 1)
    starts, ends = edges[:-1, None], edges[1:, None]
    overlap = np.minimum(ends, np.arange(1, length + 1)) - np.maximum(starts, np.arange(length))
    share = np.maximum(overlap, 0)
    return np.asarray(share / share.sum(axis=1, keepdims=True), np.float32)


def _signs(waves: npt.NDArray[np.float32]) -> npt.NDArray[np.uint64]:
    # The mean brightness is left out, and the ninth frequency down takes its place.
    lowest = waves[:, :8, :8].reshape(-1, 64).copy()
    lowest[:, 0] = waves[:, 8, 0]
    bits = lowest > np.median(lowest, axis=1, keepdims=True)
    return np.packbits(bits, axis=1).view(np.uint64)[:, 0]
