"""Schedules: from the share of a run that is done to rates, sides and what learns; pure functions."""

from __future__ import annotations

from math import cos, pi

from resnets.training.recipe import Recipe

WHOLE_MAP = 32
"""Pixels of a side that make one place of an ImageNet network's last map, whose stride is 32."""


def rate(recipe: Recipe, done: float) -> float:
    """Return the learning rate when `done`, in [0, 1], of the run is behind us.

    It climbs in a straight line while `warmup` lasts (Goyal et al. 2017, section 2.2). A cosine (Loshchilov and
    Hutter 2016, arXiv:1608.03983, eq. 5, without restarts) and a one-cycle (Smith 2017, arXiv:1708.07120) then fall
    to `lr_end` of the highest rate.
    """
    if done < recipe.warmup:
        return recipe.lr * (recipe.warmup_from + (1 - recipe.warmup_from) * done / recipe.warmup)
    rest = (done - recipe.warmup) / (1 - recipe.warmup) if recipe.warmup < 1 else 1.0
    match recipe.schedule:
        case "constant":
            return recipe.lr
        case "steps":
            return recipe.lr * 0.1 ** sum(done >= milestone for milestone in recipe.milestones)
        case "cosine":
            left = (1 + cos(pi * rest)) / 2
        case "one_cycle":
            left = 1 - rest
    return recipe.lr * (recipe.lr_end + (1 - recipe.lr_end) * left)


def side(recipe: Recipe, done: float, size: tuple[int, int]) -> tuple[int, int]:
    """Return (height, width) in pixels of the training pictures, where the model's are `size`.

    From `size_first` of it they grow in a straight line to `size_last`, in whole steps so that few sizes are met: of
    32 pixels, or of 4 for a model whose shorter side is below 128. First and last are exact to the pixel.
    """
    first, last = (tuple(max(1, round(n * share)) for n in size) for share in (recipe.size_first, recipe.size_last))
    if done >= recipe.grow_to or first == last:
        return last[0], last[1]
    if done <= recipe.grow_from:
        return first[0], first[1]
    grown = (done - recipe.grow_from) / (recipe.grow_to - recipe.grow_from)
    share = recipe.size_first + (recipe.size_last - recipe.size_first) * grown
    step = WHOLE_MAP if min(size) >= 128 else 4
    height, width = (
        min(max(step * round(n * share / step), min(a, b)), max(a, b))
        for n, a, b in zip(size, first, last, strict=True)
    )
    return height, width


def thawed(recipe: Recipe, done: float) -> bool:
    """Say whether what the recipe freezes learns too, when `done` of the run is behind us."""
    return recipe.thaw is not None and done >= recipe.thaw
