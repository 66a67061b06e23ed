"""`resnets robustness`: how a model does on corrupted pictures, also against another model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from resnets.cli.asking import parse_asking, parse_reading_for, say, show, skipped_lines
from resnets.cli.options import BatchSize, Device, Json, Manifest, Map, Read, Split, Threads, Workers, set_threads

if TYPE_CHECKING:
    from resnets.evaluation.robustness import RobustnessReport


def command(
    model: Annotated[str, typer.Argument(help="A model file, or any checkpoint that states enough.")],
    data: Annotated[str, typer.Argument(help="Labelled pictures, as for resnets evaluate.")],
    reference: Annotated[
        str | None, typer.Option("--reference", metavar="MODEL", help="Another model, whose errors are the measure.")
    ] = None,
    corruption: Annotated[
        list[str] | None, typer.Option("--corruption", metavar="NAME", help="One of the fifteen; default: all.")
    ] = None,
    severity: Annotated[
        list[int] | None, typer.Option("--severity", min=1, max=5, help="From 1 to 5; default: all.")
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Pictures, evenly spaced; default: all.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the chance in a corruption.")] = 0,
    split: Split = "test",
    batch_size: BatchSize = 256,
    map_: Map = None,
    read: Read = None,
    manifest: Manifest = None,
    workers: Workers = None,
    as_json: Json = False,
    device: Device = "auto",
    threads: Threads = None,
) -> None:
    """Evaluate a model on noisy, blurred and badly stored pictures, and in bad weather.

    Fifteen corruptions in five severities (Hendrycks and Dietterich 2019), done to each picture at the size that the
    model is shown. With --reference also the paper's mCE and relative mCE.
    """
    how = parse_asking(split, batch_size, device, workers, map_=map_)
    set_threads(threads)
    from resnets.evaluation.corruptions import CORRUPTIONS, SEVERITIES
    from resnets.evaluation.robustness import robustness
    from resnets.inference.models import open_model

    loaded = open_model(model)
    report = robustness(
        loaded,
        data,
        reference,
        corruptions=corruption or tuple(CORRUPTIONS),
        severities=severity or SEVERITIES,
        limit=limit,
        seed=seed,
        manifest=manifest,
        reading=parse_reading_for(loaded.card, read),
        **how,
    )
    say(report.notes, as_json=as_json)
    show(report.to_dict(), _text(report), as_json=as_json)
    say(skipped_lines(report.skipped), as_json=as_json)
    if report.skipped:
        raise typer.Exit(3)


def _text(report: RobustnessReport) -> str:
    from resnets.evaluation.corruptions import CORRUPTIONS

    clean, severities = report.clean, "".join(f"{severity:9}" for severity in report.severities)
    against = f"{'CE':>9}{'relative':>10}" if report.reference is not None else ""
    interval = f"{clean.low:.2%} to {clean.high:.2%} at 95 %"
    lines = [
        f"clean top-1       {clean.value:.2%}  ({interval}; {report.pictures:,} pictures)",
        f"corrupted top-1   {report.top1:.2%}  (mean of corruptions and severities)",
        "",
        f"{'top-1 at severity':26}{severities}{against}",
    ]
    for name, shares in report.corrupted.items():
        cells = "".join(f"{share.value:9.2%}" for share in shares)
        if report.reference is not None:
            cells += f"{_share(report.corruption_errors[name]):>9}{_share(report.relative_errors[name]):>10}"
        lines.append(f"{CORRUPTIONS[name]:8}{name:18}{cells}")
    return "\n".join([*lines, "", report.sentence()])


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"
