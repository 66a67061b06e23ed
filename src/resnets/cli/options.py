"""Options that several verbs share: one vocabulary, parsed in one place."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

import typer

from resnets.spec.architecture import Architecture, check_field_names

Size = Annotated[
    str | None, typer.Option("--size", metavar="S|HxW", help="Height and width in pixels: 224, or 480x640.")
]
Facts = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FACT=VALUE", help="Change a fact of the network: stem=cifar, blocks=2,2,2,2."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Device = Annotated[str, typer.Option("--device", help="Where to compute: auto, cpu, cuda.")]
Threads = Annotated[int | None, typer.Option("--threads", min=1, help="Processor threads; default: torch's own.")]
Out = Annotated[Path | None, typer.Option("--out", help="Where to write.")]


def parse_size(text: str | None) -> tuple[int, int] | None:
    """Return (height, width) from "224" or "480x640"; raise `ValueError` for anything else."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,5})(?:x(\d{1,5}))?", text)
    if not found or int(found[1]) < 1 or int(found[2] or found[1]) < 1:
        raise ValueError(f"--size {text} is no size; give a side, such as 224, or height x width, such as 480x640")
    return int(found[1]), int(found[2] or found[1])


def parse_facts(texts: list[str] | None) -> dict[str, Any]:
    """Return the facts of an architecture from "stem=cifar" and "blocks=2,2,2,2", each in its field's type.

    Raises `ValueError` for a text without "=", an unknown field (it suggests the nearest), or a value of
    another type.
    """
    facts: dict[str, Any] = {}
    hints = get_type_hints(Architecture)
    for key, value in map(_pair, texts or []):
        check_field_names({key: value})
        facts[key] = _typed(key, value, hints[key])
    return facts


def parse_settings(texts: list[str] | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return (facts of the architecture, numbers of the recipe) from "stem=cifar" and "momentum=0.95".

    Raises `ValueError` as `parse_facts` does.
    """
    from resnets.training.recipe import Recipe

    hints = get_type_hints(Recipe)
    own = {"name", "source"}  # of the rows themselves, in both tables
    numbers = {k: _typed(k, v, hints[k]) for k, v in map(_pair, texts or []) if k in hints.keys() - own}
    return parse_facts([text for text in texts or [] if _pair(text)[0] not in numbers]), numbers


def set_threads(threads: int | None) -> None:
    """Limit torch to this many processor threads; process-wide, so only the command line does it."""
    if threads is not None:
        import torch

        torch.set_num_threads(threads)


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"--set {text} has no value; write --set {text}=VALUE")
    return key, value


def _typed(key: str, value: str, hint: Any) -> Any:
    """A text in the type of a field: whole number, number, word, yes or no, or several of one kind."""
    kinds = get_args(hint) or (hint,)
    try:
        if type(None) in kinds and value.lower() == "none":
            return None
        if Ellipsis in kinds:
            parts = [part for part in value.replace("-", ",").split(",") if part]
            return tuple(_typed(key, part, kinds[0]) for part in parts)
        if bool in kinds:
            return {"true": True, "yes": True, "false": False, "no": False}[value.lower()]
        if int in kinds:
            return int(value)
        return float(value) if float in kinds else value
    except (KeyError, ValueError):
        example = EXAMPLES.get(next((kind for kind in kinds if kind in EXAMPLES), str))
        raise ValueError(f"--set {key}={value}: {value!r} does not fit; give {example}") from None


EXAMPLES = {int: "a whole number", float: "a number", bool: "true or false", str: "a word"}
