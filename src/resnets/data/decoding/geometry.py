"""Geometry: where a picture's pixels come to lie in what a network sees."""

from __future__ import annotations

from dataclasses import dataclass

from resnets.spec.preprocess import Preprocess

Size = tuple[int, int]
"""Width and height in pixels, in Pillow's order."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """A picture is resized to `resized`; the network's window begins `left` and `top` pixels into that.

    Negative numbers are the widths of the bars to the left and above.
    """

    resized: Size
    left: int
    top: int


def geometry(size: Size, preprocess: Preprocess) -> Geometry:
    """Return how a picture of this size is laid into the preprocess's.

    - crop: the shorter side to `preprocess.shorter_side`, the longer rounded down, then the centre; halves round
      to even. Both as torchvision's Resize and CenterCrop do it.
    - pad: as large as fits, in the middle.
    - squash: both sides to size.
    """
    width, height = size
    high, wide = preprocess.size
    if preprocess.fit == "squash":
        return Geometry((wide, high), 0, 0)
    if preprocess.fit == "pad":
        scale = min(wide / width, high / height)
        inner = max(1, round(width * scale)), max(1, round(height * scale))
        return Geometry(inner, -((wide - inner[0]) // 2), -((high - inner[1]) // 2))
    shorter = preprocess.shorter_side
    portrait = width <= height
    resized = (shorter, int(shorter * height / width)) if portrait else (int(shorter * width / height), shorter)
    return Geometry(resized, round((resized[0] - wide) / 2), round((resized[1] - high) / 2))


def kept_share(size: Size, preprocess: Preprocess) -> float:
    """Return which share of a picture's area the network sees, in (0, 1]."""
    laid = geometry(size, preprocess)
    high, wide = preprocess.size
    return min(1.0, wide / laid.resized[0]) * min(1.0, high / laid.resized[1])
