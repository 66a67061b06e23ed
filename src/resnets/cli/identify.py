"""`resnets identify`: what is this checkpoint, in one paragraph."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from resnets.cli.options import Facts, Json, Threads, parse_facts, set_threads

Part = Annotated[str | None, typer.Option("--part", help="Of several networks in one file: the wrapper's name.")]
Pixels = Annotated[
    str | None, typer.Option("--preprocess", help="How its pixels become numbers: imagenet, caffe, cifar10, ...")
]


def command(
    file: Annotated[Path, typer.Argument(help="A file of weights, or a folder with a config.json.")],
    part: Part = None,
    set_: Facts = None,
    preprocess: Pixels = None,
    images: Annotated[
        Path | None,
        typer.Option("--probe", metavar="IMAGES", help="Pictures to rank what is open on: a folder, or one."),
    ] = None,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Say what a checkpoint is: network, dialect, and how each fact is known. Nothing in it is run."""
    from resnets.runtime.artefact import is_artefact, read_artefact
    from resnets.weights.identify import card_of, identify
    from resnets.weights.identity_text import card_paragraph, fact_lines, paragraph

    card = card_of(file)
    if card is None and is_artefact(file):
        card = read_artefact(file).card
    if card is not None:
        print(card.to_json() if as_json else card_paragraph(file, card))
        return
    told = parse_facts(set_) | ({"preprocess": preprocess} if preprocess else {})
    if images is not None:
        set_threads(threads)
        _probe(file, images, told, part, as_json)
        return
    identity = identify(file, part=part, told=told)
    if as_json:
        print(json.dumps(identity.to_dict(), indent=2, ensure_ascii=False, default=_plain))
    else:
        print(paragraph(identity))
        print()
        lines = fact_lines(identity)
        widths = [max(len(line[column]) for line in lines) for column in range(3)]
        for name, value, how, why in lines:
            print(f"  {name:{widths[0]}}  {how:{widths[2]}}  {value:{min(widths[1], 36)}}  {why}".rstrip())
    if identity.problems or identity.unknown:
        raise typer.Exit(3)


def _probe(file: Path, images: Path, told: dict[str, Any], part: str | None, as_json: bool) -> None:
    from resnets.inference.probe import probe
    from resnets.inference.probe_text import lines

    found = probe(file, [images], told=told, part=part)
    print(
        json.dumps(found.to_dict(), indent=2, ensure_ascii=False, default=_plain)
        if as_json
        else "\n".join(lines(found))
    )
    if not found.decided:
        raise typer.Exit(3)


def _plain(value: object) -> object:
    to_dict = getattr(value, "to_dict", None)
    return to_dict() if to_dict else str(value)
