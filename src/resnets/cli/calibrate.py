"""`resnets calibrate`: a model file whose probabilities mean what they say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from resnets.cli.asking import parse_asking, parse_reading_for, say, show, skipped_lines
from resnets.cli.options import (
    BatchSize,
    Device,
    Json,
    Manifest,
    Map,
    Read,
    Split,
    Threads,
    Views,
    Workers,
    check_output,
    set_threads,
)

if TYPE_CHECKING:
    from resnets.evaluation.calibrate import Calibrated


def command(
    model: Annotated[str, typer.Argument(help="A model file, or any checkpoint that states enough.")],
    data: Annotated[str, typer.Argument(help="Labelled pictures that the model was not trained on.")],
    out: Annotated[Path, typer.Option("--out", help="The model file to write.")],
    coverage: Annotated[
        float | None,
        typer.Option("--coverage", help="Share of pictures to answer, such as 0.95; of the others: unknown."),
    ] = None,
    split: Split = "test",
    batch_size: BatchSize = 256,
    views: Views = "one",
    map_: Map = None,
    read: Read = None,
    manifest: Manifest = None,
    workers: Workers = None,
    as_json: Json = False,
    device: Device = "auto",
    threads: Threads = None,
) -> None:
    """Fit a temperature to labelled pictures, and write a model file with it.

    Probabilities then mean what they say on pictures like these; no answer changes. Evaluate it on other pictures.
    """
    how = parse_asking(split, batch_size, device, workers, views, map_)
    check_output("--out", out, model, data)
    set_threads(threads)
    from resnets.evaluation.calibrate import calibrate, check_no_artefact
    from resnets.evaluation.sides import gather_for
    from resnets.inference.models import open_model
    from resnets.weights.modelfile import save

    loaded = open_model(model)
    check_no_artefact(loaded)
    dataset = gather_for(loaded.card, data, how["split"], parse_reading_for(loaded.card, read), manifest)
    say(dataset.notes, as_json=as_json)
    found = calibrate(loaded, dataset, coverage=coverage, **how)
    save(found.model, out)
    say(found.notes, as_json=as_json)
    show(found.to_dict(), _text(found, out), as_json=as_json)
    if found.skipped or found.warning:
        raise typer.Exit(3)


def _text(found: Calibrated, out: Path) -> str:
    said, judged = found.model.card.calibration, found.cross_fitted
    lines = [
        f"temperature {said['temperature']:.4g}, fitted to {found.pictures:,} pictures",
        f"ECE         {judged.before.ece:.2%} before, {judged.after.ece:.2%} after (on pictures not fitted to)",
    ]
    if "unknown_below" in said:
        lines.append(
            f"unknown     below {said['unknown_below']:.1%}: {said['coverage']:.0%} of such pictures get an answer"
        )
    return "\n".join([*lines, f"wrote {out}", *skipped_lines(found.skipped), *filter(None, [found.warning])])
