"""`resnets evaluate`: how good a model file is on labelled pictures."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from resnets.cli.evaluate_text import report_text
from resnets.cli.options import (
    Device,
    Json,
    Language,
    Manifest,
    Read,
    Threads,
    Workers,
    check_choice,
    check_output,
    parse_reading,
    set_threads,
)
from resnets.files import bounded, strict_json
from resnets.files.errors import FileError
from resnets.page.texts import LANGUAGES
from resnets.spec.preprocess import Preprocess

if TYPE_CHECKING:
    from resnets.data.dataset import DataSet
    from resnets.evaluation.answers import Answers
    from resnets.evaluation.classes import How
    from resnets.evaluation.judge import AnyReport
    from resnets.weights.modelfile import Model

MOST_BYTES = 16 << 20
"""Of a file that maps classes."""


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
    views: Annotated[
        str, typer.Option("--views", help="Of each picture, whose answers are averaged: one, flips or ten-crop.")
    ] = "one",
    map_: Annotated[
        str | None,
        typer.Option("--map", metavar="common|FILE", help="Classes that differ: leave out, or as a JSON file says."),
    ] = None,
    slice_: Annotated[
        list[str] | None, typer.Option("--slice", metavar="COLUMN", help="Tell pictures apart by a table's column.")
    ] = None,
    page: Annotated[
        Path | None, typer.Option("--report", metavar="FILE.html", help="Write a page with everything, to look at.")
    ] = None,
    language: Language = "en",
    as_json: Json = False,
    device: Device = "auto",
    threads: Threads = None,
) -> None:
    """Evaluate a model file: accuracy with its interval, overall and for each class, and calibration.

    Where pictures may have several classes: mean average precision, and how each class was found.
    """
    check_choice("--views", views, ("one", "flips", "ten-crop"))
    check_choice("--split", split, ("test", "train"))
    check_choice("--lang", language, LANGUAGES)
    check_page(page, model, data)
    set_threads(threads)
    from resnets.data.gather import gather
    from resnets.evaluation.evaluate import answer, of_answered, read_columns, reading_of
    from resnets.evaluation.judge import judge
    from resnets.weights.load import load

    trained = load(model)
    if decoding is not None:
        card = trained.card
        policy = Preprocess.from_dict({**card.preprocess.to_dict(), "decoding": decoding})
        trained = replace(trained, card=replace(card, preprocess=policy))
    reading = parse_reading(read, trained.card.preprocess.formats) if read else reading_of(trained.card)
    dataset = gather(data, reading, manifest)
    told_apart = read_columns(data, slice_ or (), reading)
    told = sys.stderr if as_json else sys.stdout
    for note in dataset.notes:
        print(note, file=told)
    answers = answer(
        trained,
        dataset,
        split=split,  # type: ignore[arg-type]
        batch_size=batch_size,
        device=device,
        workers=workers,
        classes=parse_map(map_),
        views=views,  # type: ignore[arg-type]
    )
    report = judge(answers, trained.card.calibration.get("temperature"), of_answered(answers, told_apart))
    if page is not None:
        how = {"split": split, "views": views, "classes": map_ or "exact", "device": device}
        _write_page(page, report, answers, trained, dataset, how, manifest, language)
    for note in report.notes:
        print(note, file=told)
    if as_json:
        print(json.dumps(report.to_dict(), indent=2, ensure_ascii=False))
    else:
        print(report_text(report))
        for path, reason in report.skipped:
            print(f"skipped {path}: {reason}")
        if page is not None:
            print(f"report    {page}")
    if report.skipped:
        raise typer.Exit(3)


def check_page(page: Path | None, *inputs: str) -> None:
    """Raise `ValueError` where a page could not be written, or over an input, before anything is spent on it."""
    if page is not None:
        check_output("--report", page, *inputs)
    if page is not None and page.is_dir():
        raise ValueError(f"--report {page} is a folder; give the name of a file, such as {page / 'report.html'}")
    if page is not None and not page.parent.is_dir():
        raise ValueError(f"--report {page}: there is no folder {page.parent}; make it first: mkdir -p {page.parent}")


def _write_page(
    page: Path,
    report: AnyReport,
    answers: Answers,
    model: Model,
    dataset: DataSet,
    how: Mapping[str, Any],
    manifest: Path | None,
    language: str,
) -> None:
    import torch

    from resnets.data.manifest import read_manifest
    from resnets.evaluation.page import Circumstances, write_report
    from resnets.evaluation.page_facts import environment
    from resnets.net.device import find_device

    recipe = model.card.origin.get("recipe")
    around = Circumstances(
        data={"name": dataset.name, "sha256": dataset.fingerprint, "split": dataset.split},
        split=how["split"],
        notes=dataset.notes,
        command=shlex.join(["resnets", *sys.argv[1:]]),
        environment=environment(device=find_device(how["device"]).type, threads=torch.get_num_threads()),
        manifest=None if manifest is None else read_manifest(manifest),
        recipe=recipe if isinstance(recipe, dict) else {},
        asked=how,
    )
    write_report(page, report, answers, model.card, around, language=language)  # type: ignore[arg-type]


def parse_map(text: str | None) -> How:
    """Return how classes are matched, from "common" or the name of a JSON file; raise `ValueError` for any other."""
    if text is None:
        return "exact"
    if text == "common":
        return "common"
    try:
        found = strict_json.loads(bounded.read(text, MOST_BYTES), MOST_BYTES)
    except FileError as error:
        raise ValueError(f"--map {text} cannot be read: {error}") from None
    if not isinstance(found, dict) or not all(value is None or isinstance(value, str) for value in found.values()):
        raise ValueError(
            f'--map {text} must hold one JSON object: {{"data\'s name": "model\'s name", "another": null}}'
        )
    return found
