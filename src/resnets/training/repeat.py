"""Repeating: from the request of a run to what somebody types to have the same run again."""

from __future__ import annotations

import shlex
from dataclasses import fields
from typing import Any

from resnets.data.reading import Reading
from resnets.training.recipe import Recipe
from resnets.training.recipes import RECIPES
from resnets.training.request import Request
from resnets.training.run import RunFolder


def repeat_command(asked: Request, folder: RunFolder) -> tuple[str, bool]:
    """Return what to type to have a run again, in a folder beside it, and whether the data are files it can name.

    Numbers that the recipe's row has already are not repeated. The pictures are those of the run: with its manifest,
    or without a look at them.
    """
    processes = asked.machine.get("processes", 1)
    words = ["resnets"]
    if processes > 1:
        words = ["torchrun", "--standalone", "--nproc-per-node", str(processes), "-m", "resnets"]
    words += ["train", asked.data_path or "DATA", "--model", asked.model, "--recipe", asked.recipe.name]
    if asked.size is not None:
        words += ["--size", "x".join(map(str, asked.size))]
    for key, value in {**_differences(asked.recipe), **asked.facts, **asked.pixels}.items():
        words += ["--set", f"{key}={_typed(value)}"]
    for key, value in _reading(asked).items():
        words += ["--read", f"{key}={_typed(value)}"]
    words += ["--manifest", str(folder.manifest)] if folder.manifest.exists() else ["--no-check"]
    for key in ("device", "threads"):
        if key in asked.machine:
            words += [f"--{key}", str(asked.machine[key])]
    words += ["--cache", asked.cache] if asked.cache else []
    return shlex.join([*words, "--out", f"{folder.path}-again"]), asked.data_path is not None


def _differences(chosen: Recipe) -> dict[str, Any]:
    """The numbers of a recipe, and of its augmentation, that are not its row's."""
    row = RECIPES[chosen.name]
    names = [field.name for field in fields(Recipe) if field.name not in ("name", "source", "result", "augmenting")]
    found = {name: getattr(chosen, name) for name in names if getattr(chosen, name) != getattr(row, name)}
    if "epochs" in found:
        found["iterations"] = chosen.iterations  # to ask for epochs alone takes back a row's count in batches
    changed = {key: value for key, value in chosen.augmenting if (key, value) not in row.augmenting}
    return {**found, **changed}


def _reading(asked: Request) -> dict[str, Any]:
    """How the data were read, where that is not the default."""
    given, usual = asked.reading.to_dict(), Reading().to_dict()
    given, usual = ({**facts, **facts["columns"]} for facts in (given, usual))
    return {key: value for key, value in given.items() if key != "columns" and value != usual[key]}


def _typed(value: object) -> str:
    """A value as `--set` and `--read` take it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ",".join(map(_typed, value))
    return "none" if value is None else str(value)
