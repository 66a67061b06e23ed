"""The page of a judgement: a report and the answers behind it, as one HTML file to look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from resnets.data.manifest import Manifest
from resnets.evaluation.answers import Answers
from resnets.evaluation.judge import AnyReport
from resnets.evaluation.page_facts import data_section, facts_sections, findings_sections, repeat_section
from resnets.evaluation.page_numbers import number_sections, tiles
from resnets.evaluation.page_pictures import picture_sections
from resnets.files import atomic
from resnets.page.judgement import Judgement, Section, Table, Tile, Words, render
from resnets.page.texts import Language, text
from resnets.spec.card import Card


@dataclass(frozen=True, kw_only=True, slots=True)
class Circumstances:
    """What a page says beside the numbers. What is None or empty is left out, or said to be absent.

    `command` is what to type to have it again; `lines` are a run's metrics, `findings` what its doctor said.
    """

    data: Mapping[str, object]  # "name", "sha256" and whatever else is to be said of the data
    split: str = "test"
    notes: tuple[str, ...] = ()
    command: str = ""
    has_files: bool = True  # of data, which the command can name
    environment: Mapping[str, object] = field(default_factory=dict)
    manifest: Manifest | None = None
    lines: Sequence[Mapping[str, Any]] = ()
    findings: Sequence[Mapping[str, Any]] = ()
    recipe: Mapping[str, object] = field(default_factory=dict)
    asked: Mapping[str, object] = field(default_factory=dict)  # the rest of a run's request
    skipped: tuple[tuple[str, str], ...] = ()
    is_run: bool = False


def write_report(
    path: str | Path,
    report: AnyReport,
    answers: Answers,
    card: Card,
    around: Circumstances,
    *,
    language: Language = "en",
) -> None:
    """Write the page of a judgement to `path`, at once.

    It is one file that asks nobody for anything, with small copies of some pictures in it. Raises `FileError` and
    `OSError` as `atomic.write` does, and `ValueError` for a language that there is none in.
    """
    atomic.write(path, report_html(report, answers, card, around, language=language).encode("utf-8"))


def report_html(
    report: AnyReport | None,
    answers: Answers | None,
    card: Card,
    around: Circumstances,
    *,
    language: Language = "en",
    curves: Section | None = None,
    first: tuple[Tile, ...] = (),
) -> str:
    """Return the page of a judgement as HTML; a run without test pictures has neither report nor answers."""
    return render(describe(report, answers, card, around, language=language, curves=curves, first=first))


def describe(
    report: AnyReport | None,
    answers: Answers | None,
    card: Card,
    around: Circumstances,
    *,
    language: Language = "en",
    curves: Section | None = None,
    first: tuple[Tile, ...] = (),
) -> Judgement:
    """Return the page of a judgement as plain data.

    `curves` are what a run's page begins with, and `first` the tiles before those of the report.
    """
    data = str(around.data.get("name", ""))
    return Judgement(
        language=language,
        title=text(
            "title_run" if around.is_run else "title_evaluation",
            language,
            model=card.architecture.name,
            data=data,
        ),
        subtitle=_subtitle(report, around, language),
        tiles=(*first, *(() if report is None else tiles(report, language))),
        sections=tuple(_sections(report, answers, card, around, language, curves)),
        footer=text("footer", language, version=version("resnets")),
    )


def _sections(
    report: AnyReport | None,
    answers: Answers | None,
    card: Card,
    around: Circumstances,
    language: Language,
    curves: Section | None,
) -> Iterator[Section]:
    notes = (*around.notes, *(report.notes if report is not None else ()))
    if notes:
        blocks = tuple(Words(words=note, is_english=language != "en") for note in dict.fromkeys(notes))
        yield Section(name="notes", title=text("notes", language), blocks=blocks)
    if curves is not None:
        yield curves
    if report is not None and answers is not None:
        yield from number_sections(report, answers, card, language)
        yield from picture_sections(answers, card, language)
    yield from findings_sections(around.manifest, around.findings, language, is_run=around.is_run)
    yield from facts_sections(card, around.recipe, around.asked, around.environment, language)
    yield data_section(around.data, around.split, language)
    skipped = around.skipped or (report.skipped if report is not None else ())
    if skipped:
        fold = text("skipped_fold", language, count=len(skipped))
        columns = (text("picture", language), text("reason", language))
        table = Table(columns=columns, rows=tuple(skipped), fold=fold)
        yield Section(name="skipped", title=text("skipped", language), blocks=(table,))
    if around.command:
        yield repeat_section(around.command, language, has_files=around.has_files)


def _subtitle(report: AnyReport | None, around: Circumstances, language: Language) -> str:
    sha256 = str(around.data.get("sha256", ""))[:12]
    if report is None:
        return text("subtitle_untested", language, sha256=sha256)
    split = text(around.split, language)
    return text("subtitle", language, count=report.pictures, split=split, classes=len(report.classes), sha256=sha256)
