"""`resnets export`: a model for the fastest engine, refused where its answers change."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from resnets.cli.asking import parse_map, parse_reading_for, say, show
from resnets.cli.options import Json, Manifest, Map, Read, Split, Threads, check_choice, set_threads

if TYPE_CHECKING:
    from resnets.deployment.export import Exported

ENDINGS = {"onnx": ".onnx", "openvino": "-openvino", "torch": ".pt2"}
"""What is put behind the model's name, and its precision, where --out is not given."""


def command(
    model: Annotated[str, typer.Argument(help="A model file, or any checkpoint that states enough.")],
    to: Annotated[str, typer.Option("--to", help="onnx, openvino or torch.")] = "openvino",
    out: Annotated[
        Path | None, typer.Option("--out", help="The file or folder to write; default: beside MODEL.")
    ] = None,
    int8: Annotated[bool, typer.Option("--int8", help="Whole numbers of 8 bits; needs --data.")] = False,
    bf16: Annotated[bool, typer.Option("--bf16", help="Floats of 16 bits.")] = False,
    data: Annotated[str | None, typer.Option("--data", help="Labelled pictures that it is judged by.")] = None,
    split: Split = "test",
    map_: Map = None,
    read: Read = None,
    manifest: Manifest = None,
    levels: Annotated[
        str | None, typer.Option("--levels", metavar="C3,C5", help="Levels that come out beside the logits.")
    ] = None,
    tolerance: Annotated[
        float, typer.Option("--tolerance", min=0, max=100, help="Points of accuracy that may be lost.")
    ] = 0.2,
    force: Annotated[bool, typer.Option("--force", help="Write it even so; the artefact says so of itself.")] = False,
    as_json: Json = False,
    threads: Threads = None,
) -> None:
    """Write a model for another engine, and prove that it answers as the model does.

    With --data it has to pass a gate: no more than 0.2 points of accuracy lost as seen, and surely no more than 1. Else
    nothing is written, and it is said how many pictures would decide it.
    """
    check_choice("--to", to, tuple(ENDINGS))
    if int8 and bf16:
        raise ValueError("--int8 and --bf16 are two precisions; give one of them")
    set_threads(threads)
    from resnets.deployment.export import export
    from resnets.deployment.gate import LIMIT
    from resnets.inference.models import open_model

    precision = "int8" if int8 else "bf16" if bf16 else "fp32"
    where = out or _beside(model, to, precision)
    if where.exists() and Path(model).exists() and where.samefile(model):
        raise ValueError(f"{where} is the model that is read, and would be lost; give --out another name")
    loaded = open_model(model)
    done = export(
        loaded,
        where,
        cast("Any", to),
        precision=cast("Any", precision),
        data=data,
        split=cast("Any", split),
        reading=parse_reading_for(loaded.card, read),
        manifest=manifest,
        classes=parse_map(map_),
        levels=tuple(levels.split(",")) if levels else (),
        tolerance=tolerance / 100,
        limit=max(LIMIT, tolerance / 100),
        force=force,
    )
    say(done.notes, as_json=as_json)
    show(done.to_dict(), _text(done), as_json=as_json)
    if done.is_forced:
        raise typer.Exit(3)


def _beside(model: str, to: str, precision: str) -> Path:
    """Beside a model: m.onnx, m-int8.onnx, m-bf16-openvino."""
    if not Path(model).exists() and ":" in model:
        raise ValueError(f"{model} is in the cache, where nothing else is written; give --out NAME")
    return Path(model).with_name(Path(model).stem + (f"-{precision}" if precision != "fp32" else "") + ENDINGS[to])


def _text(done: Exported) -> str:
    lines = [f"random pictures: {done.random.sentence()}", "batches of 1, 2 and 7: the same answers"]
    if done.repair is not None:
        kept = ", ".join(f"{name} ({done.repair.costs[name]:.0%} of the error)" for name in done.repair.kept)
        lines.append(f"int8: {done.repair.layers} layers" + (f"; in float after repair: {kept}" if kept else ""))
    if done.gate is not None:
        lines.append(f"gate: {done.gate.sentence()}")
    else:
        lines.append("gate: not asked; --data DATA compares the answers to labelled pictures")
    forced = ", though its gate did not pass (--force)" if done.is_forced else ""
    return "\n".join([*lines, f"wrote {done.path}{forced}"])
