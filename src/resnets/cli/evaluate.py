"""`resnets evaluate`: how good a model file is on labelled pictures."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from resnets.cli.options import Device, Json, Threads, set_threads


def command(
    model: Annotated[str, typer.Argument(help="A model file, or any checkpoint that states enough.")],
    data: Annotated[str, typer.Argument(help="digits, a folder of classes, MNIST idx files, or CIFAR batches.")],
    split: Annotated[str, typer.Option("--split", help="test or train.")] = "test",
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Pictures at a time.")] = 256,
    as_json: Json = False,
    device: Device = "auto",
    threads: Threads = None,
) -> None:
    """Evaluate a model file: accuracy with its interval, overall and for each class."""
    if split not in ("test", "train"):
        raise ValueError(f"--split {split} is not possible; allowed: test, train")
    set_threads(threads)
    from resnets.data.open import open_data
    from resnets.evaluation.evaluate import evaluate
    from resnets.weights.load import load

    trained, dataset = load(model), open_data(data)
    for note in dataset.notes:
        print(note, file=sys.stderr if as_json else sys.stdout)
    report = evaluate(trained, dataset, split=split, batch_size=batch_size, device=device)  # type: ignore[arg-type]
    if as_json:
        print(json.dumps(report.to_dict(), indent=2, ensure_ascii=False))
    else:
        low, high = report.interval()
        print(
            f"top-1     {report.top1:.2%}  ({low:.2%} to {high:.2%} at 95 %; {report.right:,} of {report.pictures:,})"
        )
        if len(report.classes) > 5:
            print(f"top-5     {report.top5:.2%}")
        print(f"loss      {report.loss:.4f}")
        width = max(map(len, report.classes))
        for index, (name, row) in enumerate(zip(report.classes, report.confusion, strict=True)):
            share = f"{row[index] / sum(row):.2%}" if sum(row) else "no picture"
            print(f"  {name:{width}}  {share}  of {sum(row):,}")
        for path, reason in report.skipped:
            print(f"skipped {path}: {reason}")
    if report.skipped:
        raise typer.Exit(3)
