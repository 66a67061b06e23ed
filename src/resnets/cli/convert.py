"""`resnets convert`: a checkpoint in any dialect to any other, with an agreement report."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from resnets.cli.identify import Part, Pixels
from resnets.cli.options import Facts, Json, Threads, parse_facts, set_threads

if TYPE_CHECKING:
    from resnets.deployment.convert import Conversion


def command(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A checkpoint of the family, or a model file.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The file to write; a folder for transformers.")],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="DIALECT",
            help="resnets, torchvision, timm, cifar, transformers, keras, matterport, detectron2.",
        ),
    ] = "resnets",
    model: Annotated[
        str | None, typer.Option("--model", help="The network you take it for; refused if another.")
    ] = None,
    set_: Facts = None,
    preprocess: Pixels = None,
    names: Annotated[
        str | None, typer.Option("--names", help="What its logits mean: imagenet, cifar10, or a file, a name a line.")
    ] = None,
    classes: Annotated[
        str | None, typer.Option("--classes", help="A new head for these, with commas; rows of the same name are kept.")
    ] = None,
    in_channels: Annotated[
        int | None, typer.Option("--in-channels", min=1, help="Adapt the first convolution.")
    ] = None,
    stem: Annotated[str | None, typer.Option("--stem", help="cifar: cut the 7x7 stem to a 3x3 one.")] = None,
    part: Part = None,
    pictures: Annotated[Path | None, typer.Option("--pictures", help="Pictures to compare on, in a folder.")] = None,
    allow_partial: Annotated[
        bool, typer.Option("--allow-partial", help="Draw what the file lacks anew, and say how much that is.")
    ] = False,
    as_json: Json = False,
    threads: Threads = None,
) -> None:
    """Convert a checkpoint, and prove that the numbers are the same."""
    set_threads(threads)
    from resnets.deployment.convert import convert
    from resnets.inference.predict import pictures as below
    from resnets.spec.preprocess import Preprocess

    told: dict[str, Any] = parse_facts(set_)
    told |= {key: value for key, value in (("preprocess", preprocess), ("classes", names)) if value is not None}
    shown = list(below(pictures, Preprocess())) if pictures else []
    if pictures and not shown:
        raise ValueError(f"{pictures} holds no picture; give a folder of them, or leave --pictures out")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        done = convert(
            source,
            out,
            to,
            pictures=shown,
            told=told or None,
            network=model,
            classes=classes.split(",") if classes else None,
            in_channels=in_channels,
            stem=stem,
            part=part,
            allow_partial=allow_partial,
        )
    for warning in said:
        print(warning.message, file=sys.stderr)
    if as_json:
        print(json.dumps(done.to_dict(), indent=2, ensure_ascii=False))
    else:
        print(report(done))
    if allow_partial and "coverage" in done.model.card.origin:
        raise typer.Exit(3)


def report(done: Conversion) -> str:
    """Return the agreement report as lines of text."""
    card = done.model.card
    checkpoint = card.origin.get("checkpoint", {})
    lines = [
        f"{done.out}: {card.architecture.name}, {len(card.classes)} classes, for {done.dialect}",
        f"{'level':8} {'largest difference':>19} {'relative':>9}   (noise, as read back)",
    ]
    lines += [f"{d.level:8} {d.largest:19.3g} {d.relative:9.2g}" for d in done.random.levels]
    lines.append(_answers("as read back", done.pictures))
    if done.original:
        lines.append(_answers(done.asked, done.original))
        worst = done.original.worst
        lines.append(f"  largest relative difference {worst.relative:.2g}, at {worst.level}")
    elif done.dialect != "resnets":
        lines.append(f"the original was not asked: {done.asked}")
    lines += [f"adapted: {note}" for note in card.origin.get("adapted", ())]
    if checkpoint.get("licence"):
        lines.append(f"licence: {checkpoint['licence']}")
    return "\n".join(lines)


def _answers(who: str, result: Any) -> str:
    if result.same_answers is None:
        return (
            f"{who}: {result.pictures} pictures, levels equal within {result.worst.relative:.2g} (no head, no answers)"
        )
    return f"{who}: the same answer on {result.same_answers} of {result.pictures} pictures"
