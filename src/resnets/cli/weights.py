"""`resnets weights`: the catalogue of published weights; fetch them, check them, carry them to another machine."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from resnets.cli.options import Json
from resnets.files.errors import FileError
from resnets.weights.hub.errors import FetchError

app = typer.Typer(
    help="Published weights: list, fetch, check, bundle. Only `pull` and `bundle` use the network.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Cache = Annotated[
    Path | None,
    typer.Option("--cache", help="Folder; default: RESNETS_CACHE, or resnets in XDG_CACHE_HOME or ~/.cache."),
]
Mirror = Annotated[
    str | None, typer.Option("--mirror", metavar="URL", help="Fetch from here instead: https://hf-mirror.com.")
]

IMAGENET_TERMS = (
    "All were trained or fine-tuned on ImageNet, whose own terms are for research; the licence is the publisher's word."
)


@app.command("list")
def list_(
    pattern: Annotated[str, typer.Argument(help="Part of a name, or a shell pattern; none lists all.")] = "*",
    commercial_only: Annotated[
        bool, typer.Option("--commercial-only", help="Leave out licences that forbid commercial use.")
    ] = False,
    as_json: Json = False,
    cache: Cache = None,
) -> None:
    """List published weights: network, accuracy with its input size, licence, size, and whether they are here."""
    from resnets.weights.hub.cache import is_cached
    from resnets.weights.hub.catalogue import CATALOGUE, rows
    from resnets.weights.hub.resolve import resolve

    found = rows(pattern, commercial_only=commercial_only)
    here = {row.name: is_cached(resolve(row.name), cache) for row in found}
    if as_json:
        print(json.dumps([row.to_dict() | {"cached": here[row.name]} for row in found], indent=2))
        return
    if not found:
        raise ValueError(f"none of {len(CATALOGUE)} names matches {pattern!r}; try `resnets weights list resnet50`")
    width = max(len(row.name) for row in found)
    for row in found:
        best = "  ".join(f"{t.top1:.2f}% at {t.preprocess.size[0]}" for t in row.tested if t.top1 is not None)
        size = f"{row.mebibytes:.0f} MiB" if row.mebibytes else "-"
        print(
            f"{row.name:{width}}  {row.architecture:16}  {best or '-':32}  {row.licence:12}  {size:>7}"
            f"{'  here' if here[row.name] else ''}"
        )
    print(IMAGENET_TERMS)


@app.command()
def pull(
    references: Annotated[
        list[str] | None,
        typer.Argument(metavar="REFERENCE...", help="hf:timm/resnet50.a1_in1k, ResNet50_Weights.DEFAULT, ..."),
    ] = None,
    mirror: Mirror = None,
    from_: Annotated[
        Path | None, typer.Option("--from", metavar="BUNDLE", help="Take them from a bundle, without the network.")
    ] = None,
    accept: Annotated[
        bool, typer.Option("--accept", help="Take files put in place by hand of which no hash is published.")
    ] = False,
    again: Annotated[bool, typer.Option("--again", help="Fetch anew what is there or damaged.")] = False,
    cache: Cache = None,
) -> None:
    """Fetch weights, unless they are here, and print where they are."""
    from resnets.weights.hub.bundle import references as held
    from resnets.weights.hub.pull import pull
    from resnets.weights.hub.resolve import resolve

    wanted = references or (held(from_) if from_ else ())
    if not wanted:
        raise ValueError("say which: resnets weights pull hf:timm/resnet50.a1_in1k; `resnets weights list` has names")
    for reference in wanted:  # a slip in the last name is told before the first is fetched
        resolve(reference)
    with _bars() as progress:
        _each(
            wanted,
            lambda reference: pull(
                reference,
                cache=cache,
                mirror=mirror,
                accept=accept,
                again=again,
                from_bundle=from_,
                progress=progress,
            ),
        )


@app.command()
def verify(
    where: Annotated[Path | None, typer.Argument(help="A bundle, folder or tar; none: the cache.")] = None,
    as_json: Json = False,
    cache: Cache = None,
) -> None:
    """Hash every file of the cache, or of a bundle, and name those that are not what they were."""
    from resnets.weights.hub.bundle import verify_bundle
    from resnets.weights.hub.cache import verify_cache

    findings = verify_cache(cache) if where is None else verify_bundle(where)
    bad = [finding for finding in findings if finding.problem]
    if as_json:
        print(
            json.dumps([{"reference": f.reference, "path": f.path, "problem": f.problem} for f in findings], indent=2)
        )
    else:
        for finding in findings:
            print(f"{finding.path}  {finding.problem or 'ok'}")
        print(f"{len(findings) - len(bad)} of {len(findings)} files are the recorded ones")
    if bad:
        raise typer.Exit(3)


@app.command()
def bundle(
    references: Annotated[list[str], typer.Argument(metavar="REFERENCE...", help="As for pull.")],
    out: Annotated[Path, typer.Option("--out", help="A new folder, or a new file that ends in .tar.")],
    mirror: Mirror = None,
    cache: Cache = None,
) -> None:
    """Fetch weights if needed, and write them with their hashes and licences to carry elsewhere."""
    from resnets.weights.hub.pull import bundle

    with _bars() as progress:
        print(_told(lambda: bundle(references, out, cache=cache, mirror=mirror, progress=progress)))


def _each(references: list[str] | tuple[str, ...], do: Callable[[str], Path]) -> None:
    """Do all that can be done; 1 if nothing could, 3 if something could not."""
    failed = 0
    for reference in references:
        try:
            print(do(reference), flush=True)
        except (FetchError, FileError) as error:
            print(f"error: {error}", file=sys.stderr)
            failed += 1
    if failed:
        raise typer.Exit(1 if failed == len(references) else 3)


def _told(do: Callable[[], Path]) -> Path:
    try:
        return do()
    except FetchError as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from None


@contextlib.contextmanager
def _bars() -> Iterator[Callable[[str, int, int | None], None] | None]:
    """A bar for each file on a terminal; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=Console(stderr=True)) as bars:

        def progress(name: str, here: int, total: int | None) -> None:
            task = tasks.setdefault(name, TaskID(-1))
            if task == -1:
                task = tasks[name] = bars.add_task(name, total=total)
            bars.update(task, completed=here, total=total)

        yield progress
