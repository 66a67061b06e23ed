"""The classes on a judgement's page: which are taken for which, and how each was found."""

from __future__ import annotations

import numpy as np

from resnets.evaluation.judge import AnyReport
from resnets.evaluation.per_class import ClassResult
from resnets.evaluation.report import Report
from resnets.page.judgement import Block, Cell, Chart, Section, Share, Table, Words
from resnets.page.matrix import FEW, MOST, heat_map, matrix_table
from resnets.page.texts import Language, text

PAIRS = 15
"""Pairs of classes that are listed as the most confused."""

OPEN = 24
"""Classes of a table that is not folded."""

LOWEST = 12
"""Classes that are shown of a longer one, the worst first."""

MOST_ROWS = 2_000
"""Of the table of classes."""


def confusion_section(report: Report, language: Language) -> Section:
    """Return the confusion matrix, and the pairs that are confused most."""
    counts = np.array(report.confusion, np.int64)
    blocks: list[Block] = []
    if len(counts) <= FEW:
        blocks.append(
            matrix_table(
                counts,
                report.classes,
                title="",
                caption=text("matrix_caption", language),
                said=text("cell", language, count="{count}", true="{true}", answer="{answer}"),
            )
        )
    elif len(counts) <= MOST:
        svg = heat_map(
            counts,
            title=text("confusion", language),
            true=text("axis_true", language),
            answer=text("axis_answer", language),
        )
        blocks.append(Chart(title="", svg=svg, caption=text("heat_caption", language), is_wide=True))
    else:
        blocks.append(Words(words=text("heat_none", language, count=len(counts)), is_quiet=True))
    blocks.append(_pairs(counts, report.classes, language))
    return Section(name="confusion", title=text("confusion", language), blocks=tuple(blocks))


def _pairs(counts: np.ndarray, classes: tuple[str, ...], language: Language) -> Block:
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:PAIRS]
    pairs = [divmod(int(place), len(classes)) for place in order if wrong.flat[place]]
    if not pairs:
        return Words(words=text("no_pairs", language))
    totals = counts.sum(1)
    return Table(
        title=text("pairs", language),
        columns=tuple(text(key, language) for key in ("class", "taken_for", "pictures", "share_of_class")),
        figures=(2, 3),
        rows=tuple((classes[t], classes[p], f"{wrong[t, p]:,}", f"{wrong[t, p] / totals[t]:.1%}") for t, p in pairs),
    )


def class_section(report: AnyReport, language: Language) -> Section:
    """Return how each class was found: all of them, and of many the worst first, with the others folded away."""
    several = not isinstance(report, Report)
    names = ("class", "pictures", *(["ap"] if several else []), "precision", "recall", "f1_short")
    columns = ("#", *(text(name, language) for name in names), *([] if several else [text("most_often", language)]))
    figures = (0, *range(2, len(names) + 1))
    often = _most_often(report) if isinstance(report, Report) else [""] * len(report.classes)
    results = report.per_class  # counted once: it is a sum over the whole confusion
    rows = [_row(number, one, often[number], several) for number, one in enumerate(results)]
    blocks: list[Block] = [Words(words=text("above_half", language), is_quiet=True)] if several else []
    if len(rows) <= OPEN:
        blocks.append(Table(columns=columns, rows=tuple(rows), figures=figures, is_sortable=True))
    else:
        known = [place for place, one in enumerate(results) if _quality(one, several) is not None]
        worst = sorted(known, key=lambda place: (_quality(results[place], several), place))[:LOWEST]
        number = text("ap" if several else "f1_short", language)
        title = text("lowest", language, count=len(worst), number=number)
        shown = tuple(rows[place] for place in worst)
        key = "all_classes" if len(rows) <= MOST_ROWS else "first_classes"
        fold = text(key, language, count=len(rows), shown=MOST_ROWS)
        blocks += [
            Table(columns=columns, rows=shown, figures=figures, title=title),
            Table(columns=columns, rows=tuple(rows[:MOST_ROWS]), figures=figures, fold=fold, is_sortable=True),
        ]
    return Section(name="classes", title=text("classes", language), blocks=tuple(blocks))


def _quality(one: ClassResult, several: bool) -> float | None:
    return one.average_precision if several else one.f1


def _row(number: int, one: ClassResult, often: str, several: bool) -> tuple[Cell, ...]:
    ranked = [_share(one.average_precision)] if several else []
    cells = (str(number), one.name, f"{one.pictures:,}", *ranked, _share(one.precision), _share(one.recall))
    f1 = "–" if one.f1 is None else Share(words=f"{one.f1:.1%}", value=one.f1)
    return (*cells, f1, *([] if several else [often]))


def _most_often(report: Report) -> list[str]:
    counts = np.array(report.confusion, np.int64)
    np.fill_diagonal(counts, 0)
    firsts = counts.argmax(1)
    return [
        f"{report.classes[first]} ({row[first]:,})" if row[first] else ""
        for row, first in zip(counts, firsts, strict=True)
    ]


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"
