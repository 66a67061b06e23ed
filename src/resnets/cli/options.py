"""Options that several verbs share: one vocabulary, parsed in one place."""

from __future__ import annotations

import difflib
import re
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin, get_type_hints

import typer

from resnets.files.atomic import check_folder
from resnets.files.errors import FileError
from resnets.spec.architecture import Architecture, check_field_names
from resnets.spec.preprocess import Preprocess

if TYPE_CHECKING:
    from resnets.data.reading import Reading

STOPPED = 130
"""Exit code of who is stopped by Ctrl-C: 128 and the number of the signal, as shells have it."""

Size = Annotated[
    str | None, typer.Option("--size", metavar="S|HxW", help="Height and width in pixels: 224, or 480x640.")
]
Facts = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FACT=VALUE", help="Change a fact of the network: stem=cifar, blocks=2,2,2,2."),
]
Pixels = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="How pictures are decoded: in_channels=4, alpha=0,0,0, exif=no."),
]
Read = Annotated[
    list[str] | None,
    typer.Option(
        "--read",
        metavar="HOW=VALUE",
        help="How the data are read: formats=JPEG,TIFF, class_order=string, test_share=0.1, split_seed=1, "
        "empty_classes=NAME; a table's columns: path=, label=, numbers=, split=, group=NAME.",
    ),
]
Manifest = Annotated[
    Path | None, typer.Option("--manifest", help="What resnets check wrote: pictures in it are left out.")
]
Workers = Annotated[
    int | None, typer.Option("--workers", min=0, help="Workers that decode; default: one for each processor.")
]
WorkerKind = Annotated[str, typer.Option("--worker-kind", help="threads or processes.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Device = Annotated[str, typer.Option("--device", help="Where to compute: auto, cpu, cuda.")]
Threads = Annotated[int | None, typer.Option("--threads", min=1, help="Processor threads; default: torch's own.")]
Language = Annotated[str, typer.Option("--lang", help="Of a page: en or zh.")]
Split = Annotated[str, typer.Option("--split", help="Which pictures: test, train or all.")]
BatchSize = Annotated[int, typer.Option("--batch-size", min=1, help="Pictures at a time.")]
Views = Annotated[
    str, typer.Option("--views", help="Of each picture, whose answers are averaged: one, flips or ten-crop.")
]
Map = Annotated[
    str | None,
    typer.Option("--map", metavar="common|FILE", help="Classes that differ: leave out, or as a JSON file says."),
]
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


def parse_settings(texts: list[str] | None) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return (facts of the architecture, numbers of the recipe, fields of the preprocess).

    "stem=cifar", "momentum=0.95" and "alpha=0,0,0" are one of each; "mixup=0.2" is a number of the recipe's
    augmentation. Raises `ValueError` as `parse_facts` does.
    """
    from resnets.data.augmentation.rows import Augmentation
    from resnets.training.recipe import Recipe

    own = {"name", "source", "result", "augmenting"}  # of the rows themselves
    numbers = _those_of(Recipe, texts, without=own)
    augmenting = _those_of(Augmentation, texts, without=own)
    # Training decodes as its recipe says; the model file's own way is not changed by the way.
    pixels = _those_of(Preprocess, texts, without={*numbers, "size"})
    others = [text for text in texts or [] if _pair(text)[0] not in {*numbers, *pixels, *augmenting}]
    known = {field.name for table in (Recipe, Augmentation, Preprocess, Architecture) for field in fields(table)}
    for key, _ in map(_pair, others):
        if key not in known:
            near = difflib.get_close_matches(key, sorted(known - own), n=1, cutoff=0.5)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ValueError(
                f"--set {key}: there is no such setting.{hint} Allowed: numbers of a recipe and of its augmentation "
                "(`resnets recipes NAME` shows them), facts of the network (`resnets show --json`), fields of the "
                "preprocess"
            )
    if augmenting:
        numbers["augmenting"] = tuple(augmenting.items())
    return parse_facts(others), numbers, pixels


def parse_pixels(texts: list[str] | None) -> tuple[int | None, dict[str, Any]]:
    """Return (in_channels, fields of the preprocess) from "in_channels=4" and "alpha=0,0,0".

    Raises `ValueError` for any other setting: there is no network here whose facts could change.
    """
    facts, numbers, pixels = parse_settings(texts)
    channels = facts.pop("in_channels", None)
    if "decoding" in numbers:  # there is no recipe here that it could be meant for
        pixels["decoding"] = numbers.pop("decoding")
    if others := [*facts, *numbers]:
        raise ValueError(f"--set {others[0]} is not possible here; allowed: in_channels, and fields of the preprocess")
    return channels, pixels


def parse_reading(texts: list[str] | None, formats: tuple[str, ...] | None = None) -> Reading:
    """Return how data are read, from "formats=JPEG,TIFF" and "group=patient"; `formats` are meant if none are given.

    Raises `ValueError` for what is no field of a reading or a table's column, or no value of it.
    """
    from resnets.data.reading import Columns, Reading

    given = _those_of(Reading, texts, without={"columns"}, option="--read")
    columns = _those_of(Columns, texts, without=set(), option="--read")
    allowed = [field.name for field in (*fields(Reading), *fields(Columns)) if field.name != "columns"]
    unknown = [text for text in texts or [] if _pair(text, "--read")[0] not in allowed]
    if unknown:
        raise ValueError(f"--read {unknown[0]} is not possible; allowed: {', '.join(allowed)}")
    if "formats" in given:
        given["formats"] = tuple(name.upper() for name in given["formats"])
    elif formats is not None:
        given["formats"] = formats
    return Reading(columns=Columns(**columns), **given)


def check_worker_kind(kind: str) -> None:
    """Raise `ValueError` for what is no kind of worker."""
    check_choice("--worker-kind", kind, ("threads", "processes"))


def check_choice(option: str, given: str, allowed: tuple[str, ...]) -> None:
    """Raise `ValueError` where an option is none of what is allowed."""
    if given not in allowed:
        raise ValueError(f"{option} {given} is not possible; allowed: {', '.join(allowed)}")


def check_output(option: str, path: Path, *inputs: str) -> None:
    """Raise `ValueError` where a file cannot be written, or is one of those that are read, before anything is spent."""
    if path.is_dir():
        raise ValueError(f"{option} {path} is a folder; give the name of a file in it, such as {path / 'NAME'}")
    if not path.exists():
        if not path.parent.is_dir():
            raise ValueError(
                f"{option} {path}: there is no folder {path.parent}; make it first: mkdir -p {path.parent}"
            )
        try:
            check_folder(path.parent)
        except FileError as error:
            raise ValueError(f"{option} {path}: {error}; give another place") from None
        return
    if any(Path(given).exists() and path.samefile(given) for given in inputs):
        raise ValueError(f"{option} {path} is what is read, and would be lost; give the name of another file")
    if not path.is_file():
        raise ValueError(f"{option} {path} is no regular file; give the name of a file to write")


def set_threads(threads: int | None) -> None:
    """Limit torch to this many processor threads; process-wide, so only the command line does it."""
    if threads is not None:
        import torch

        torch.set_num_threads(threads)


def _those_of(table: type, texts: list[str] | None, *, without: set[str], option: str = "--set") -> dict[str, Any]:
    """The settings that are fields of a dataclass, each in its field's type."""
    hints = get_type_hints(table)
    pairs = [_pair(text, option) for text in texts or []]
    return {key: _typed(key, value, hints[key], option) for key, value in pairs if key in hints.keys() - without}


def _pair(text: str, option: str = "--set") -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"{option} {text} has no value; write {option} {text}=VALUE")
    return key, value


def _typed(key: str, value: str, hint: Any, option: str = "--set") -> Any:
    """A text in the type of a field: whole number, number, word, yes or no, or several of one kind."""
    kinds = get_args(hint) or (hint,)
    inner = [kind for kind in kinds if get_origin(kind) is tuple]  # of tuple[float, float] | None
    if inner and value.lower() != "none":
        return _typed(key, value, inner[0], option)
    try:
        if type(None) in kinds and value.lower() == "none":
            return None
        if Ellipsis in kinds or get_origin(hint) is tuple:
            apart = value.replace("-", ",") if kinds[0] is int else value  # 3-4-6-3
            return tuple(_typed(key, part, kinds[0], option) for part in apart.split(",") if part)
        if bool in kinds:
            return {"true": True, "yes": True, "false": False, "no": False}[value.lower()]
        if int in kinds:
            return int(value)
        return float(value) if float in kinds else value
    except (KeyError, ValueError):
        example = EXAMPLES.get(next((kind for kind in kinds if kind in EXAMPLES), str))
        raise ValueError(f"{option} {key}={value}: {value!r} does not fit; give {example}") from None


EXAMPLES = {int: "a whole number", float: "a number", bool: "true or false", str: "a word"}
