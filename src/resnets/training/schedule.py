"""Schedules: from the share of the run that is done to the share of the highest learning rate; pure functions."""

from __future__ import annotations

from math import cos, pi

from resnets.training.recipe import Recipe


def rate(recipe: Recipe, done: float) -> float:
    """Return the learning rate when `done`, in [0, 1], of the run is behind us."""
    if done < recipe.warmup:
        return recipe.lr * done / recipe.warmup
    rest = (done - recipe.warmup) / (1 - recipe.warmup) if recipe.warmup < 1 else 1.0
    match recipe.schedule:
        case "constant":
            return recipe.lr
        case "steps":
            return recipe.lr * 0.1 ** sum(done >= milestone for milestone in recipe.milestones)
        case "cosine":
            return recipe.lr * (1 + cos(pi * rest)) / 2
        case "one_cycle":
            return recipe.lr * (1 - rest)
