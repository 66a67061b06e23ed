"""`resnets recipes`: the settings that papers, reference scripts and we have used, and every number of one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from resnets.cli.options import Json

if TYPE_CHECKING:
    from resnets.training.recipe import Recipe


def command(
    name: Annotated[str | None, typer.Argument(help="A row; without one, all of them.")] = None,
    as_json: Json = False,
) -> None:
    """List the recipes, or show every number of one; `train --recipe NAME --set NUMBER=VALUE` uses and changes it."""
    from resnets.training.recipes import RECIPES, recipe

    rows = [recipe(name)] if name is not None else list(RECIPES.values())
    if as_json:
        facts = [row.to_dict() for row in rows]
        print(json.dumps(facts[0] if name is not None else facts, indent=2, ensure_ascii=False))
    elif name is not None:
        print("\n".join(_whole(rows[0])))
    else:
        print("\n".join(line for row in rows for line in _short(row)))


def _short(row: Recipe) -> list[str]:
    """A row in four lines: what it is, how it trains, where from, and what came of it."""
    return [row.name, f"  {_summary(row)}", f"  {row.source}", *([f"  result: {row.result}"] if row.result else []), ""]


def _summary(row: Recipe) -> str:
    long = f"{row.iterations:,} iterations" if row.iterations else f"{row.epochs:g} epochs"
    words = [long, f"batch {row.batch_size:,}", f"{row.optimizer} {row.lr:g}", row.schedule, row.augmentation]
    return ", ".join(words)


def _whole(row: Recipe) -> list[str]:
    """Every number, those that no row has changed from its default last."""
    from dataclasses import fields

    from resnets.training.recipe import Recipe

    defaults = {field.name: field.default for field in fields(Recipe)}
    facts = row.to_dict()
    for key in ("name", "source", "result"):
        del facts[key]
    width = max(map(len, facts))
    own = [key for key in facts if getattr(row, key) != defaults[key]]
    lines = [row.name, f"  {row.source}", *([f"  result: {row.result}"] if row.result else []), ""]
    lines += [f"  {key:{width}}  {_text(facts[key])}" for key in own]
    lines += ["", "  as every recipe has it unless it says otherwise:"]
    return lines + [f"  {key:{width}}  {_text(facts[key])}" for key in facts if key not in own]


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}={_text(number)}" for key, number in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(map(_text, value)) or "none"
    return f"{value:.6g}" if isinstance(value, float) else "none" if value is None else str(value).lower()
