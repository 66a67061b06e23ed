"""`resnets predict`: what is in these pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from resnets.cli.options import Device, Json, Threads, set_threads


def command(
    model: Annotated[str, typer.Argument(help="A model file, or any checkpoint that states enough.")],
    images: Annotated[list[Path], typer.Argument(help="Pictures, or folders of them.")],
    top: Annotated[int, typer.Option("--top", min=1, help="How many classes to name.")] = 5,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Pictures at a time.")] = 32,
    as_json: Json = False,
    device: Device = "auto",
    threads: Threads = None,
) -> None:
    """Name what is in pictures: a line each, or JSON lines with --json.

    A model for several classes in one picture names all that are above 50 %.
    """
    set_threads(threads)
    from resnets.inference.predict import predict
    from resnets.weights.load import load

    bad = count = 0
    for prediction in predict(load(model), images, top=top, batch_size=batch_size, device=device):
        count += 1
        bad += prediction.error is not None
        if as_json:
            print(json.dumps(prediction.to_dict(), ensure_ascii=False))
        elif prediction.error is not None:
            print(f"{prediction.path}  error: {prediction.error}")
        else:
            several = prediction.classes is not None
            ranked = ", ".join(f"{name} {share:.1%}" for name, share in prediction.classes or prediction.top)
            none = "none above 50 %: " if several and not prediction.classes else ""
            unknown = "unknown: " if prediction.unknown else ""
            print(f"{prediction.path}  {none}{unknown}{ranked}")
    if not count:
        raise ValueError(f"there is no picture in {', '.join(map(str, images))} of a format that this model reads")
    if bad:
        raise typer.Exit(3)
