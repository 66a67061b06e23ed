"""`resnets bench`: how fast every engine and precision here runs a model, and how true to it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from resnets.cli.asking import parse_map, parse_reading_for, show
from resnets.cli.options import Json, Manifest, Map, Read, Split, check_choice, check_output

if TYPE_CHECKING:
    from resnets.deployment.bench_rows import Bench, Row

UNIT = "pictures a second"


def command(
    model: Annotated[str, typer.Argument(help="A model file, a checkpoint that states enough, or an artefact.")],
    artefact: Annotated[
        list[str] | None, typer.Option("--artefact", metavar="PATH", help="An export of it, measured beside it.")
    ] = None,
    data: Annotated[
        str | None, typer.Option("--data", help="Labelled pictures: for accuracy, and for the ranges of int8.")
    ] = None,
    split: Split = "test",
    map_: Map = None,
    read: Read = None,
    manifest: Manifest = None,
    engine: Annotated[
        list[str] | None, typer.Option("--engine", help="torch, compiled, openvino, onnx; default: all of them.")
    ] = None,
    precision: Annotated[
        list[str] | None, typer.Option("--precision", help="fp32, bf16, int8; default: all of them.")
    ] = None,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Pictures at a time.")] = 16,
    seconds: Annotated[float, typer.Option("--seconds", min=0.01, help="Of measuring each engine.")] = 5.0,
    plot: Annotated[Path | None, typer.Option("--plot", metavar="FILE.svg", help="Draw the speeds, too.")] = None,
    as_json: Json = False,
    threads: Annotated[int | None, typer.Option("--threads", min=1, help="Of each engine.")] = None,
) -> None:
    """Measure a model on every engine and precision here: speed, memory, agreement, and with --data accuracy.

    Each engine has a process of its own, and their rounds alternate. What cannot run has a line that says why. What is
    measured is remembered for `--engine auto`.
    """
    check_choice("--split", split, ("test", "train", "all"))
    if plot is not None:
        if plot.suffix.lower() != ".svg":
            raise ValueError(f"--plot {plot} is not possible; give the name of a .svg")
        check_output("--plot", plot, model)
    from resnets.deployment.bench import bench
    from resnets.deployment.labelled import Labelled
    from resnets.inference.speeds import Memory, speeds_file

    labelled = None
    if data is not None:
        labelled = Labelled(
            data=data,
            split=cast("Any", split),
            reading=_reading(model, read),
            manifest=manifest,
            classes=parse_map(map_),
        )
    found = bench(
        model,
        artefacts=artefact or (),
        labelled=labelled,
        engines=engine or (),
        precisions=cast("Any", precision or ()),
        batch_size=batch_size,
        threads=threads,
        seconds=seconds,
        memory=Memory(speeds_file()),
    )
    if plot is not None:
        from resnets.files import atomic

        atomic.write(plot, chart(found).encode())
    show(found.to_dict(), text(found), as_json=as_json)


def _reading(model: str, read: list[str] | None) -> Any:
    if not read:
        return None
    from resnets.inference.models import open_model

    return parse_reading_for(open_model(model).card, read)


HEADS = ("engine", "", UNIT, "one picture: p50, p99", "ready", "memory", "of the limit", "differs by", "changed")


def text(found: Bench) -> str:
    """Return a table of what was measured, and below it what could not be."""
    measured = [row for row in found.rows if row.reason is None]
    heads = [*HEADS, *([found.measure] if found.measure else [])]
    lines = [heads, *(_cells(row, found) for row in measured)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    table = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines] if measured else []
    first = (
        f"{found.model}: {_operations(2 * found.macs)} operations a picture, {found.batch_size} pictures at a time, "
        f"{found.threads} thread{'s' * (found.threads != 1)}"
    )
    cannot = [f"{_name(row)} cannot run: {row.reason}" for row in found.rows if row.reason is not None]
    return "\n".join([first, *table, *cannot])


def _cells(row: Row, found: Bench) -> list[str]:
    one, other = row.latency(0.5), row.latency(0.99)
    share = row.roofline(found.macs)
    cells = [
        row.engine,
        row.precision + (f" ({row.artefact})" if row.artefact else ""),
        "" if row.rate is None else f"{_number(row.rate)} ({_number(min(row.rates))} to {_number(max(row.rates))})",
        "" if one is None or other is None else f"{1e3 * one:.3g}, {1e3 * other:.3g} ms",
        "" if row.load is None else f"{row.load:.1f} s",
        "" if row.memory is None else f"{row.memory / 1e6:,.0f} MB",
        "" if share is None else f"{share:.0%}",
        "" if row.difference is None else f"{row.difference:.1e}",
        "" if row.changed is None else f"{row.changed:,} of {row.pictures:,}",
    ]
    if found.measure:
        accuracy = row.accuracy
        cells.append("" if accuracy is None else f"{accuracy.value:.2%} ({accuracy.low:.2%} to {accuracy.high:.2%})")
    return cells


def chart(found: Bench) -> str:
    """Return the speeds as bars, as an SVG document."""
    from resnets.page.speeds import SpeedBar, speed_chart

    kinds = ("fp32", "bf16", "int8")
    lines = [
        SpeedBar(
            label=_name(row),
            kind=kinds.index(row.precision),
            value=row.rate,
            low=min(row.rates, default=0.0),
            high=max(row.rates, default=0.0),
            note=f"cannot run: {row.reason}" if row.rate is None else _number(row.rate),
        )
        for row in found.rows
    ]
    return speed_chart(f"{found.model}, {found.batch_size} pictures at a time", lines, UNIT)


def _name(row: Row) -> str:
    return f"{row.engine} {row.precision}" + (f" ({row.artefact})" if row.artefact else "")


def _operations(count: int) -> str:
    return f"{count / 1e9:.3g} billion" if count >= 1e8 else f"{count / 1e6:.3g} million"


def _number(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"
