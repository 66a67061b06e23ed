"""`resnets evaluate`: how good a model file is on labelled pictures."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from resnets.cli.asking import parse_asking, parse_reading_for, say, show, skipped_lines
from resnets.cli.evaluate_text import report_text
from resnets.cli.options import (
    BatchSize,
    Device,
    Json,
    Language,
    Manifest,
    Map,
    Read,
    Split,
    Threads,
    Views,
    Workers,
    check_choice,
    check_output,
    set_threads,
)
from resnets.page.texts import LANGUAGES
from resnets.spec.preprocess import Preprocess

if TYPE_CHECKING:
    from resnets.data.dataset import DataSet
    from resnets.evaluation.answers import Answers
    from resnets.evaluation.judge import AnyReport
    from resnets.weights.modelfile import Model


def command(
    model: Annotated[str, typer.Argument(help="A model file, or any checkpoint that states enough.")],
    data: Annotated[str, typer.Argument(help="What train takes: a folder of classes, a table, an archive, digits ...")],
    split: Split = "test",
    batch_size: BatchSize = 256,
    decoding: Annotated[
        str | None, typer.Option("--decoding", help="exact or fast; default: as the model file says.")
    ] = None,
    read: Read = None,
    manifest: Manifest = None,
    workers: Workers = None,
    views: Views = "one",
    map_: Map = None,
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
    how = parse_asking(split, batch_size, device, workers, views, map_)
    check_choice("--lang", language, LANGUAGES)
    if page is not None:
        check_output("--report", page, model, data)
    set_threads(threads)
    from resnets.evaluation.evaluate import answer, of_answered, read_columns
    from resnets.evaluation.judge import judge
    from resnets.evaluation.sides import gather_for, reading_of
    from resnets.inference.models import open_model

    trained = open_model(model)
    if decoding is not None:
        card = trained.card
        policy = Preprocess.from_dict({**card.preprocess.to_dict(), "decoding": decoding})
        trained = replace(trained, card=replace(card, preprocess=policy))
    reading = parse_reading_for(trained.card, read)
    dataset = gather_for(trained.card, data, how["split"], reading, manifest)
    told_apart = read_columns(data, slice_ or (), reading or reading_of(trained.card))
    say(dataset.notes, as_json=as_json)
    answers = answer(trained, dataset, **how)
    report = judge(answers, trained.card.calibration.get("temperature"), of_answered(answers, told_apart))
    if page is not None:
        asked = {"split": split, "views": views, "classes": map_ or "exact", "device": device}
        _write_page(page, report, answers, trained, dataset, asked, manifest, language)
    say(report.notes, as_json=as_json)
    lines = [report_text(report), *skipped_lines(report.skipped), *([f"report    {page}"] if page else [])]
    show(report.to_dict(), "\n".join(lines), as_json=as_json)
    if report.skipped:
        raise typer.Exit(3)


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
