"""`resnets predict`: what is in these pictures."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from resnets.cli.options import BatchSize, Device, Json, Threads, Workers, check_output, set_threads

if TYPE_CHECKING:
    from resnets.inference.predict import Prediction
    from resnets.inference.records import Written

Images = Annotated[
    list[str], typer.Argument(help="Pictures, folders of them, @FILE with a path on each line, or - for such lines.")
]
EngineName = Annotated[str, typer.Option("--engine", help="What runs it: auto, torch, compiled, openvino, onnx.")]
PrecisionName = Annotated[str, typer.Option("--precision", help="Of the numbers in it: fp32 or bf16.")]


def command(
    model: Annotated[str, typer.Argument(help="A model file, or any checkpoint that states enough.")],
    images: Images,
    top: Annotated[int, typer.Option("--top", min=1, help="How many classes to name.")] = 5,
    out: Annotated[
        str, typer.Option("--out", metavar="FILE", help="A .jsonl, .csv or .parquet, or - for the standard output.")
    ] = "-",
    batch_size: BatchSize = 32,
    as_json: Json = False,
    engine: EngineName = "auto",
    precision: PrecisionName = "fp32",
    workers: Workers = None,
    device: Device = "auto",
    threads: Threads = None,
) -> None:
    """Name what is in pictures: a line each, JSON lines with --json, or a file with --out.

    The same command goes on where a file was left unfinished. A model for several classes in one picture names all
    that are above 50 %.
    """
    set_threads(threads)
    images = [str(image) for image in images]
    check_lists(images, out, model)
    from resnets.inference.engines import make_engine
    from resnets.inference.models import open_model
    from resnets.inference.predict import check_top, pictures, predictions
    from resnets.inference.writing import identity_of, write_predictions
    from resnets.net.device import find_device

    find_device(device)  # refused before pictures are looked for
    loaded = open_model(model)
    card = loaded.card
    check_top(card, top)
    files, count = meant(images, lambda paths: pictures(paths, card.preprocess))
    runs = make_engine(
        loaded, engine, cast("Any", precision),
        threads=threads, batch_size=batch_size, device=device, pictures=count,
    )  # fmt: skip
    how: dict[str, Any] = {"top": top, "batch_size": batch_size, "workers": workers}
    if out != "-":
        identity = identity_of(loaded)
        tell(write_predictions(card, runs, files, out, identity=identity, **how), as_json=as_json)
        return
    bad = 0
    for prediction in itertools.chain.from_iterable(predictions(card, runs, files, **how)):
        bad += prediction.error is not None
        print(json.dumps(prediction.to_dict(), ensure_ascii=False) if as_json else _text(prediction))
    if bad:
        raise typer.Exit(3)


def _text(prediction: Prediction) -> str:
    if prediction.error is not None:
        return f"{prediction.path}  error: {prediction.error}"
    several = prediction.classes is not None
    ranked = ", ".join(f"{name} {share:.1%}" for name, share in prediction.classes or prediction.top)
    none = "none above 50 %: " if several and not prediction.classes else ""
    unknown = "unknown: " if prediction.unknown else ""
    return f"{prediction.path}  {none}{unknown}{ranked}"


def check_lists(images: list[str], out: str, model: str) -> None:
    """Raise `ValueError` where --out cannot be written, or is what is read."""
    from resnets.inference.listing import lists

    if out != "-":
        check_output("--out", Path(out), model, *lists(images))


MANY = 10_000
"""Pictures from which on their number changes nothing of the choice of an engine."""


def meant(images: list[str], pictures: Any) -> tuple[Iterable[Path], int | None]:
    """Return the files that the words of a command line stand for, and how many there are, up to `MANY`.

    Of what comes through a pipe the number is None: to count it would keep the first picture waiting. Raises
    `ValueError` where there are none.
    """
    from resnets.inference.listing import listed

    files = pictures(listed(images))
    head = list(itertools.islice(files, 1 if "-" in images else MANY))
    if not head:
        raise ValueError(f"there is no picture in {', '.join(images)} of a format that this model reads")
    return itertools.chain(head, files), None if "-" in images else len(head)


def tell(written: Written, *, as_json: bool) -> None:
    """Print what a file holds now, and exit with 3 where a picture could not be read."""
    if as_json:
        print(json.dumps(written.to_dict(), ensure_ascii=False))
    else:
        before = f", {written.kept:,} of them there before" if written.kept else ""
        bad = f"; {written.unreadable:,} could not be read" if written.unreadable else ""
        print(f"{written.path}: {written.pictures:,} picture{'s' * (written.pictures != 1)}{before}{bad}")
    if written.unreadable:
        raise typer.Exit(3)
