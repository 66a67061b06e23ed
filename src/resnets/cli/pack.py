"""`resnets pack`: pictures decoded once, into one file that training and evaluation read at the disk's speed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from resnets.cli.options import Manifest, Pixels, Read, Size, Workers, parse_pixels, parse_reading, parse_size


def command(
    data: Annotated[str, typer.Argument(help="What train takes: a folder, a table, an archive, idx or CIFAR files.")],
    out: Annotated[Path, typer.Argument(help="The file to write, such as photos.pack.")],
    model: Annotated[
        str | None, typer.Option("--model", help="A model file, whose way of decoding is used; default: train's.")
    ] = None,
    size: Size = None,
    side: Annotated[
        int | None, typer.Option("--side", min=1, help="Shorter side kept; default: what the model resizes to.")
    ] = None,
    set_: Pixels = None,
    read: Read = None,
    manifest: Manifest = None,
    workers: Workers = None,
) -> None:
    """Decode pictures once and keep them in one file; give that to train and evaluate in place of DATA."""
    from resnets.cli.progress import Progress
    from resnets.data.gather import gather
    from resnets.data.measure import suited_preprocess
    from resnets.data.pack import check_place, pack
    from resnets.weights.load import load

    check_place(out)
    channels, pixels = parse_pixels(set_)
    policy = load(model).card.preprocess if model else None
    reading = parse_reading(read, policy.formats if policy else None)
    dataset = gather(data, reading, manifest)
    for note in dataset.notes:
        print(note)
    policy = policy or suited_preprocess(dataset, reading, channels)
    if (sides := parse_size(size)) is not None:
        policy = policy.at_size(sides)
    policy = replace(policy, **pixels)
    with Progress("packing") as progress:
        bad = pack(dataset, out, policy, side=side, workers=workers, seen=progress.seen)
    total = sum(len(source) for source in (dataset.train, dataset.test) if source is not None)
    print(f"{out}: {total - len(bad):,} pictures, {out.stat().st_size / 2**20:,.1f} MiB")
    for name, reason in bad:
        print(f"left out {name}: {reason}")
    if bad:
        raise typer.Exit(3)
