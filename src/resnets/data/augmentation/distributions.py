"""Distributions: what a number drawn evenly from [0, 1) becomes.

Written with the plain operations of arithmetic, so that a draw means the same wherever it is made.
"""

from __future__ import annotations

import math


def between(draw: float, lowest: float, highest: float) -> float:
    """Return a number spread evenly between two."""
    return lowest + draw * (highest - lowest)


def pick(draw: float, count: int) -> int:
    """Return a whole number from 0 to `count` - 1, each as likely as the other."""
    return int(draw * count)


def rectangle(
    area_draw: float, ratio_draw: float, pixels: int, area: tuple[float, float], ratio: tuple[float, float]
) -> tuple[int, int]:
    """Return the two sides of a rectangle, in whole pixels, the first over the second being `ratio`.

    Its share of `pixels` is spread evenly over `area`, the logarithm of its ratio evenly over that of `ratio`:
    Szegedy et al. 2014, section 6, and Zhong et al. 2017 (arXiv:1708.04896), as torchvision draws both.
    """
    share = pixels * between(area_draw, *area)
    first_over_second = math.exp(between(ratio_draw, math.log(ratio[0]), math.log(ratio[1])))
    return round(math.sqrt(share * first_over_second)), round(math.sqrt(share / first_over_second))
