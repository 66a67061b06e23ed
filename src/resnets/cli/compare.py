"""`resnets compare`: what two models state differently, and whether their gap on pictures is noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

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
    set_threads,
)

if TYPE_CHECKING:
    from resnets.evaluation.compare import Comparison


def command(
    one: Annotated[str, typer.Argument(help="A model file, or any checkpoint that states enough.")],
    other: Annotated[str, typer.Argument(help="Another one.")],
    data: Annotated[str | None, typer.Argument(help="Labelled pictures to compare them on.")] = None,
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
    """Compare two models: architecture, preprocessing, classes, recipe; and on data whether their gap is noise.

    On data: each one's accuracy with its interval, their gap with its paired interval, and McNemar's exact test.
    """
    how = parse_asking(split, batch_size, device, workers, views, map_)
    set_threads(threads)
    from resnets.evaluation.compare import compare
    from resnets.inference.models import open_model

    models = open_model(one), open_model(other)
    found = compare(*models, data, **how, manifest=manifest, reading=parse_reading_for(models[0].card, read))
    say(found.notes, as_json=as_json)
    show(found.to_dict(), _text(found, one, other), as_json=as_json)
    if any(report.skipped for report in found.reports or ()):
        raise typer.Exit(3)


def _text(found: Comparison, one: str, other: str) -> str:
    from resnets.evaluation.stated import PARTS

    lines = [f"first     {one}", f"second    {other}"]
    for part in PARTS:
        facts = getattr(found, part)
        lines += ["", part if facts else f"{part}: the same"]
        for fact in facts:
            means = f"  ({fact.means})" if fact.means else ""
            lines.append(f"  {fact.name:18} {_short(fact.one)} | {_short(fact.other)}{means}")
    lines += ["", "weights: the same, to the bit" if found.same_numbers else "weights: other ones"]
    if found.reports and found.paired:
        lines.append("")
        for which, report in zip(("first", "second"), found.reports, strict=True):
            name, score = report.headline
            interval = report.intervals[name]
            lines.append(f"{which:9} {name} {score:.2%}  ({interval.low:.2%} to {interval.high:.2%} at 95 %)")
        lines += ["", found.paired.sentence()]
        skipped = dict(pair for report in found.reports for pair in report.skipped)
        lines += skipped_lines(skipped.items())
    return "\n".join(lines)


def _short(value: Any) -> str:
    text = (", ".join(map(str, value)) or "none") if isinstance(value, list) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
