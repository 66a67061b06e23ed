"""`resnets check`: everything that is wrong with a data set and knowable before the first step."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from resnets.cli.options import Json, Pixels, Read, Size, Workers, parse_pixels, parse_reading, parse_size
from resnets.cli.progress import Progress
from resnets.spec.preprocess import IMAGENET, Colour, Preprocess

if TYPE_CHECKING:
    from resnets.data.check.check import Checked
    from resnets.data.check.findings import Finding

_EXAMPLES = 2
_LONGEST = 100


def command(
    data: Annotated[str, typer.Argument(help="Whatever train takes: a folder of classes, an archive, a table, ...")],
    model: Annotated[
        str | None, typer.Option("--model", help="A network's name or a model file; its size and stride are used.")
    ] = None,
    size: Size = None,
    set_: Pixels = None,
    read: Read = None,
    manifest: Annotated[
        Path | None, typer.Option("--manifest", help="Where to write which pictures are left out.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--report", help="Where to write a page with pictures (.html).")
    ] = None,
    as_json: Json = False,
    workers: Workers = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Look at every file again.")] = False,
    keep: Annotated[
        list[str] | None, typer.Option("--keep", metavar="RULE", help="Leave no picture out by this rule.")
    ] = None,
    leave_out: Annotated[
        list[str] | None, typer.Option("--leave-out", metavar="RULE", help="Leave the pictures of this rule out.")
    ] = None,
) -> None:
    """Check a data set before it costs anything; exits with 0 if nothing is found and 3 if something is."""
    from resnets.data.check.check import check
    from resnets.weights.wanted import wanted

    if manifest is not None and report is not None and manifest.resolve() == report.resolve():
        raise ValueError(f"--manifest and --report are both {manifest}; give each a file of its own")
    channels, pixels = parse_pixels(set_)
    preprocess, stride = wanted(model, parse_size(size))
    reading = parse_reading(read, preprocess.formats if preprocess is not None else None)
    if preprocess is None and (channels or pixels):
        preprocess = replace(IMAGENET, profile="srgb")
    if preprocess is not None:
        preprocess = _of_channels(replace(preprocess, formats=reading.formats, **pixels), channels)
    with Progress("checking") as progress:
        checked = check(
            data,
            reading=reading,
            preprocess=preprocess,
            stride=stride,
            workers=workers or None,
            use_cache=not no_cache,
            keep=keep or (),
            leave_out=leave_out or (),
            progress=progress.start,
        )
    written = _write(checked, manifest, report)
    if as_json:
        print(json.dumps(checked.to_dict(), indent=2, ensure_ascii=False))
    else:
        print("\n".join([*_lines(checked), *written]))
    if checked.findings:
        raise typer.Exit(3)


def _of_channels(preprocess: Preprocess, channels: int | None) -> Preprocess:
    """The preprocess in so many channels; what their mean is does not matter to a check."""
    if channels in (None, preprocess.channels):
        return preprocess
    colour: Colour = "grey" if channels == 1 else "rgb" if channels == 3 else "bands"
    return replace(preprocess, colour=colour, mean=(0.5,) * channels, std=(0.25,) * channels)


def _write(checked: Checked, manifest: Path | None, report: Path | None) -> list[str]:
    from resnets.data.manifest import write_manifest
    from resnets.files import atomic

    written = []
    if manifest is not None:
        write_manifest(manifest, checked.manifest())
        written.append(f"manifest: {manifest}   (resnets train DATA --manifest {manifest})")
    if report is not None:
        from resnets.data.check.report import report_html

        atomic.write(report, report_html(checked).encode("utf-8"))
        written.append(f"report:   {report}")
    return written


def _lines(checked: Checked) -> list[str]:
    """Return what was found, a line for each rule with an example or two, and what is left out."""
    from resnets.data.check.rules import RULES

    lines = [*checked.information]
    if checked.refusal is not None:
        lines.append(f"As they are, train and evaluate refuse these data: {checked.refusal}")
    found = Counter(finding.rule for finding in checked.findings)
    if found:
        lines.append("")
    width = max(map(len, found), default=0)
    for name in (name for name in RULES if found[name]):
        findings = checked.of_rule(name)
        lines.append(f"{name:{width}}  {found[name]:>7,}  {RULES[name].sentence}")
        lines += [f"{'':{width}}           {_example(checked, finding)}" for finding in findings[:_EXAMPLES]]
        if len(findings) > _EXAMPLES:
            lines.append(f"{'':{width}}           and {len(findings) - _EXAMPLES:,} more")
    left_out = checked.manifest().by_rule
    lines.append("")
    if not found:
        lines.append(f"Nothing was found in {len(checked.pictures):,} pictures.")
    if left_out:
        said = ", ".join(f"{left_out[rule]:,} {rule}" for rule in RULES if rule in left_out)
        lines.append(f"The manifest leaves out {sum(left_out.values()):,} pictures: {said}.")
    else:
        lines.append("The manifest leaves nothing out.")
    return [_printable(line) for line in lines]


def _example(checked: Checked, finding: Finding) -> str:
    from resnets.data.manifest import name_in_manifest

    names = [name_in_manifest(*checked.pictures.place(number)) for number in finding.pictures[:_EXAMPLES]]
    named = " = ".join([*names, *finding.places[:_EXAMPLES]])
    said = f"{named}: {finding.reason}" if named else finding.reason
    return said if len(said) <= 2 * _LONGEST else f"{said[: 2 * _LONGEST]}..."


def _printable(line: str) -> str:
    """A file's name may hold what moves a terminal's cursor."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in line)
