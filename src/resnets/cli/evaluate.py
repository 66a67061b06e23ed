"""`resnets evaluate`: how good a model file is on labelled pictures."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from resnets.cli.options import Device, Json, Manifest, Read, Threads, Workers, parse_reading, set_threads
from resnets.spec.preprocess import Preprocess

if TYPE_CHECKING:
    from resnets.evaluation.report import Report
    from resnets.evaluation.several import SeveralReport


def command(
    model: Annotated[str, typer.Argument(help="A model file, or any checkpoint that states enough.")],
    data: Annotated[str, typer.Argument(help="What train takes: a folder of classes, a table, an archive, digits ...")],
    split: Annotated[str, typer.Option("--split", help="test or train.")] = "test",
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Pictures at a time.")] = 256,
    decoding: Annotated[
        str | None, typer.Option("--decoding", help="exact or fast; default: as the model file says.")
    ] = None,
    read: Read = None,
    manifest: Manifest = None,
    workers: Workers = None,
    as_json: Json = False,
    device: Device = "auto",
    threads: Threads = None,
) -> None:
    """Evaluate a model file: accuracy with its interval, overall and for each class.

    Where pictures may have several classes: mean average precision, and how each class was found.
    """
    if split not in ("test", "train"):
        raise ValueError(f"--split {split} is not possible; allowed: test, train")
    set_threads(threads)
    from resnets.data.gather import gather
    from resnets.evaluation.evaluate import evaluate, reading_of
    from resnets.evaluation.several import SeveralReport
    from resnets.weights.load import load

    trained = load(model)
    if decoding is not None:
        card = trained.card
        policy = Preprocess.from_dict({**card.preprocess.to_dict(), "decoding": decoding})
        trained = replace(trained, card=replace(card, preprocess=policy))
    reading = parse_reading(read, trained.card.preprocess.formats) if read else reading_of(trained.card)
    dataset = gather(data, reading, manifest)
    for note in dataset.notes:
        print(note, file=sys.stderr if as_json else sys.stdout)
    report = evaluate(trained, dataset, split=split, batch_size=batch_size, device=device, workers=workers)  # type: ignore[arg-type]
    if as_json:
        print(json.dumps(report.to_dict(), indent=2, ensure_ascii=False))
    else:
        print(_several(report) if isinstance(report, SeveralReport) else _one(report))
        for path, reason in report.skipped:
            print(f"skipped {path}: {reason}")
    if report.skipped:
        raise typer.Exit(3)


def _one(report: Report) -> str:
    low, high = report.interval()
    shares = f"{low:.2%} to {high:.2%} at 95 %; {report.right:,} of {report.pictures:,}"
    lines = [f"top-1     {report.top1:.2%}  ({shares})"]
    if len(report.classes) > 5:
        lines.append(f"top-5     {report.top5:.2%}")
    lines.append(f"loss      {report.loss:.4f}")
    width = max(map(len, report.classes))
    for index, (name, row) in enumerate(zip(report.classes, report.confusion, strict=True)):
        share = f"{row[index] / sum(row):.2%}" if sum(row) else "no picture"
        lines.append(f"  {name:{width}}  {share}  of {sum(row):,}")
    return "\n".join(lines)


def _several(report: SeveralReport) -> str:
    width = max(map(len, report.classes))
    lines = [
        f"mAP       {report.headline[1]:.2%}  (mean of the classes that occur; {report.pictures:,} pictures)",
        f"loss      {report.loss:.4f}",
        f"  {'':{width}}  {_cells('AP', 'precision', 'recall', 'F1')}  where above 50 %",
    ]
    for one in report.per_class:
        numbers = (one.average_precision, one.precision, one.recall, one.f1)
        cells = _cells(*("-" if share is None else f"{share:.2%}" for share in numbers))
        lines.append(f"  {one.name:{width}}  {cells}  in {one.pictures:,}")
    return "\n".join(lines)


def _cells(*texts: str) -> str:
    return "  ".join(f"{text:>9}" for text in texts)
