"""`resnets bench-data`: how fast pictures get from disk to device here, step by step."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Annotated, Any

import typer

from resnets.cli.options import (
    Device,
    Json,
    Manifest,
    Pixels,
    Read,
    Size,
    Workers,
    parse_pixels,
    parse_reading,
    parse_size,
)


def command(
    data: Annotated[str, typer.Argument(help="What train takes: a folder, a table, an archive, a pack ...")],
    model: Annotated[
        str | None, typer.Option("--model", help="A model file: also compare its answers on exact and fast decoding.")
    ] = None,
    size: Size = None,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Pictures at a time.")] = 64,
    augmentation: Annotated[str, typer.Option("--augmentation", help="A row of the augmentations.")] = "photos",
    pictures: Annotated[int, typer.Option("--pictures", min=8, help="Pictures that are tried, at most.")] = 256,
    set_: Pixels = None,
    read: Read = None,
    manifest: Manifest = None,
    workers: Workers = None,
    as_json: Json = False,
    device: Device = "auto",
) -> None:
    """Measure disk, decoding, augmentation and transfer in pictures a second, and the whole loader."""
    from resnets.data.augmentation.rows import AUGMENTATIONS
    from resnets.data.bench import bench
    from resnets.data.gather import gather
    from resnets.data.measure import suited_preprocess
    from resnets.evaluation.drift import drift
    from resnets.net.device import find_device
    from resnets.weights.load import load

    if augmentation not in AUGMENTATIONS:
        raise ValueError(f"--augmentation {augmentation} is not possible; allowed: {', '.join(AUGMENTATIONS)}")
    channels, pixels = parse_pixels(set_)
    trained = load(model) if model else None
    reading = parse_reading(read, trained.card.preprocess.formats if trained else None)
    dataset = gather(data, reading, manifest)
    source = dataset.train if dataset.train is not None else dataset.test
    if source is None:
        raise ValueError(f"{dataset.name} holds no pictures")
    policy = trained.card.preprocess if trained else suited_preprocess(dataset, reading, channels)
    if (sides := parse_size(size)) is not None:
        policy = policy.at_size(sides)
    policy = replace(policy, **pixels)
    rates = []
    measured = bench(
        source,
        policy,
        AUGMENTATIONS[augmentation],
        batch_size=batch_size,
        workers=workers,
        device=find_device(device),
        pictures=pictures,
    )
    for rate in measured:
        rates.append(rate)
        if not as_json:
            many = f"{rate.workers} worker{'s' * (rate.workers != 1)}"
            spread = "" if rate.lowest == rate.highest else f"  ({rate.lowest:,.0f} to {rate.highest:,.0f})"
            print(f"{rate.step:34}  {many:10}  {rate.rate:10,.0f} pictures/s{spread}", flush=True)
    facts: dict[str, Any] = {"rates": [rate.to_dict() for rate in rates]}
    if trained is not None:
        found = drift(trained, dataset, device=device)
        facts["drift"] = found.to_dict()
        if not as_json:
            print(found.sentence())
    if as_json:
        print(json.dumps(facts, indent=2))
