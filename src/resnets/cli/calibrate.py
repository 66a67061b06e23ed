"""`resnets calibrate`: a model file whose probabilities mean what they say."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from resnets.cli.options import (
    Device,
    Json,
    Manifest,
    Read,
    Threads,
    Workers,
    check_choice,
    check_output,
    parse_reading,
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
    split: Annotated[str, typer.Option("--split", help="test or train.")] = "test",
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Pictures at a time.")] = 256,
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
    check_choice("--split", split, ("test", "train"))
    check_output("--out", out, model, data)
    set_threads(threads)
    from resnets.data.gather import gather
    from resnets.evaluation.calibrate import calibrate
    from resnets.evaluation.evaluate import reading_of
    from resnets.weights.load import load
    from resnets.weights.modelfile import save

    loaded = load(model)
    reading = parse_reading(read, loaded.card.preprocess.formats) if read else reading_of(loaded.card)
    dataset = gather(data, reading, manifest)
    how: dict[str, Any] = {"split": split, "batch_size": batch_size, "device": device, "workers": workers}
    found = calibrate(loaded, dataset, coverage=coverage, **how)
    save(found.model, out)
    for note in (*dataset.notes, *found.notes):
        print(note, file=sys.stderr if as_json else sys.stdout)
    print(json.dumps(found.to_dict(), indent=2, ensure_ascii=False) if as_json else _text(found, out))
    if found.skipped:
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
    skipped = [f"skipped {path}: {reason}" for path, reason in found.skipped]
    return "\n".join([*lines, f"wrote {out}", *skipped])
