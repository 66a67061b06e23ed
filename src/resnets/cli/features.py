"""`resnets features`: what a network sees in these pictures, as numbers."""

from __future__ import annotations

from typing import Annotated, Any, cast

import typer

from resnets.cli.options import BatchSize, Device, Json, Threads, Workers, set_threads
from resnets.cli.predict import EngineName, Images, PrecisionName, check_lists, meant, tell


def command(
    model: Annotated[str, typer.Argument(help="A model file, or any checkpoint that states enough.")],
    images: Images,
    out: Annotated[str, typer.Option("--out", metavar="FILE", help="A .npz, .parquet or .csv.")],
    level: Annotated[
        str | None, typer.Option("--level", help="Maps of this level, such as C4; default: the last, its mean.")
    ] = None,
    batch_size: BatchSize = 32,
    as_json: Json = False,
    engine: EngineName = "auto",
    precision: PrecisionName = "fp32",
    workers: Workers = None,
    device: Device = "auto",
    threads: Threads = None,
) -> None:
    """Write what a network sees in each picture: a vector, or with --level a map.

    The same command goes on where a file was left unfinished. A model without a head will do.
    """
    set_threads(threads)
    if out == "-":
        raise ValueError("--out - is not possible for features; give the name of a .npz, .parquet or .csv")
    check_lists(images, out, model)
    from resnets.inference.engines import make_engine
    from resnets.inference.features import row_shape, source_level
    from resnets.inference.listing import pictures
    from resnets.inference.models import open_model
    from resnets.inference.writing import identity_of, write_features
    from resnets.net.device import find_device

    find_device(device)  # refused before pictures are looked for
    loaded = open_model(model)
    card = loaded.card
    row_shape(card, level)
    files, count = meant(images, lambda paths: pictures(paths, card.preprocess))
    levels = (source_level(card, level),)
    runs = make_engine(
        loaded,
        engine,
        cast("Any", precision),
        threads=threads,
        levels=levels,
        batch_size=batch_size,
        device=device,
        pictures=count,
    )
    how: dict[str, Any] = {"level": level, "batch_size": batch_size, "workers": workers}
    tell(write_features(card, runs, files, out, identity=identity_of(loaded), **how), as_json=as_json)
