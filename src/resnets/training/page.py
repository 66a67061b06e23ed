"""The page of a run: how it went, how good its model is, what was found on the way, and what to type to repeat it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from resnets.data.dataset import DataSet
from resnets.data.manifest import Manifest, read_manifest
from resnets.evaluation.answers import Answers
from resnets.evaluation.judge import judge
from resnets.evaluation.page import Circumstances, report_html
from resnets.evaluation.page_facts import environment
from resnets.files import atomic
from resnets.page.charts import Curve, axis, curve_chart, loss_axis, share_axis
from resnets.page.judgement import Block, Chart, Section, Words
from resnets.page.texts import Language, text
from resnets.spec.card import Card
from resnets.training.repeat import repeat_command
from resnets.training.request import Request
from resnets.training.run import RunFolder

Skipped = Sequence[tuple[str, str]]
Line = Mapping[str, Any]


def write_run_report(
    folder: RunFolder,
    asked: Request,
    dataset: DataSet,
    card: Card,
    answers: Answers | None,
    skipped: Skipped = (),
    *,
    language: Language = "en",
) -> str | None:
    """Write OUT/report.html from what is in a run's folder and the answers to its test pictures (None: there are none).

    Returns None, or why there is no page: by then the model is saved, and whatever is wrong with a page about it, such
    as a disk without room, must not look like a failure of the run.
    """
    path = folder.page
    try:
        page = run_html(folder, asked, dataset, card, answers, skipped, language=language)
        atomic.write(path, page.encode("utf-8"))
    except Exception as error:
        return f"{path} could not be written ({type(error).__name__}: {error}); the model is saved all the same"
    return None


def run_html(
    folder: RunFolder,
    asked: Request,
    dataset: DataSet,
    card: Card,
    answers: Answers | None,
    skipped: Skipped = (),
    *,
    language: Language = "en",
) -> str:
    """Return the page of a run as HTML."""
    lines = folder.lines()
    command, has_files = repeat_command(asked, folder)
    around = Circumstances(
        data={"name": dataset.name, "sha256": dataset.fingerprint, "split": dataset.split},
        notes=dataset.notes,
        command=command,
        has_files=has_files,
        environment=environment(**{key: value for key, value in asked.machine.items() if key != "torch"}),
        manifest=_manifest(folder),
        findings=_findings(folder),
        recipe=asked.recipe.to_dict(),
        asked=_asked(asked),
        skipped=tuple(skipped),
        is_run=True,
    )
    report = None if answers is None else judge(answers, card.calibration.get("temperature"))
    return report_html(report, answers, card, around, language=language, curves=curves_section(lines, language))


def curves_section(lines: Sequence[Line], language: Language) -> Section | None:
    """Return the curves of a run from its metric lines; None without a line."""
    trained = [line for line in lines if "epoch" in line]
    if not trained:
        return None
    split = str(next((line["split"] for line in trained if "split" in line), ""))
    held = text(split, language) if split else ""
    score = "map" if any("map" in line for line in trained) else "top1"
    title = text("curve_map", language, split=held) if score == "map" else text("curve_accuracy", language)
    series = {
        "loss": (text("curve_loss", language), {"loss": text("train", language), "validation_loss": held}, False),
        "score": (title, {"accuracy": text("train", language), score: held}, True),
        "lr": (text("curve_lr", language), {"lr": text("train", language)}, False),
    }
    x = axis([0.0, *(float(line["epoch"]) for line in trained)])
    blocks: list[Block] = []
    for name, keys, is_share in series.values():
        curves = [Curve(name=label, points=_points(trained, key)) for key, label in keys.items()]
        values = [value for one in curves for _, value in one.points]
        if values:
            y = share_axis(values) if is_share else loss_axis(values)
            svg = curve_chart(name, curves, x_label=text("epoch", language), x=x, y=y)
            blocks.append(Chart(title=name, svg=svg))
    last = trained[-1]
    length = duration(float(last.get("seconds", 0.0)))
    words = text("trained_for", language, epochs=last["epoch"], steps=last["step"], seconds=length)
    blocks.append(Words(words=words, is_quiet=True))
    return Section(name="curves", title=text("curves", language), blocks=tuple(blocks))


def _points(lines: Sequence[Line], key: str) -> tuple[tuple[float, float], ...]:
    return tuple((float(line["epoch"]), float(line[key])) for line in lines if key in line and isfinite(line[key]))


def duration(seconds: float) -> str:
    """Return a length of time in the unit that suits it.

    >>> duration(71), duration(7200)
    ('71 s', '2.0 h')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _asked(asked: Request) -> dict[str, object]:
    facts: dict[str, Any] = asked.to_dict()
    return {**{key: facts[key] for key in ("model", "facts", "size", "pixels", "cache")}, **facts["reading"]}


def _manifest(folder: RunFolder) -> Manifest | None:
    return read_manifest(folder.manifest) if folder.manifest.exists() else None


def _findings(folder: RunFolder) -> list[dict[str, Any]]:
    if not folder.findings.exists():
        return []
    return [json.loads(line) for line in folder.findings.read_text("utf-8").splitlines()]
