"""The numbers of a judgement's page: headlines, confusion, classes, calibration, coverage and slices."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from resnets.evaluation.answers import Answers
from resnets.evaluation.calibration import Calibration, Reliability, confidence
from resnets.evaluation.intervals import Interval
from resnets.evaluation.judge import AnyReport
from resnets.evaluation.page_classes import class_section, confusion_section
from resnets.evaluation.report import Report
from resnets.evaluation.selective import RiskCoverage
from resnets.evaluation.slices import Slice
from resnets.page.charts import SHARES, Curve, curve_chart, share_axis
from resnets.page.judgement import Block, Cell, Chart, Section, Share, Table, Tile, Words
from resnets.page.reliability import Bin, reliability_chart
from resnets.page.texts import Language, probability, text
from resnets.spec.card import Card

COVERAGES = (0.5, 0.7, 0.8, 0.9, 0.95, 1.0)
"""Shares of the pictures that the table of risks has a row for."""

SHOWN_VALUES = 12
"""Of a column; the others are folded away."""


def tiles(report: AnyReport, language: Language) -> tuple[Tile, ...]:
    """Return the headline numbers, with the intervals that there are."""
    numbers = dict((report.headline, ("f1", report.f1)))
    if isinstance(report, Report) and len(report.classes) > 5:
        numbers = {"top1": report.top1, "top5": report.top5, "f1": report.f1}
    made = [
        Tile(figure=f"{value:.2%}", label=text(name, language), detail=_interval(report.intervals.get(name), language))
        for name, value in numbers.items()
    ]
    found = report.calibration
    if found is not None:
        after = text("ece_after", language, after=f"{found.after.ece:.2%}", temperature=f"{found.temperature:.4g}")
        made.append(Tile(figure=f"{found.before.ece:.2%}", label=text("ece", language), detail=after))
    made.append(Tile(figure=f"{report.loss:.4f}", label=text("loss", language)))
    right = ""
    if isinstance(report, Report):
        right = text("right_of", language, right=report.right, count=report.pictures)
    if report.skipped:
        right = "; ".join(filter(None, (right, text("skipped_count", language, count=len(report.skipped)))))
    made.append(Tile(figure=f"{report.pictures:,}", label=text("pictures", language), detail=right))
    return tuple(made)


def number_sections(report: AnyReport, answers: Answers, card: Card, language: Language) -> Iterator[Section]:
    """Yield what a report says, in the order in which it is asked: how good, where not, and can it be believed."""
    if isinstance(report, Report) and len(report.classes) > 1:
        yield confusion_section(report, language)
    yield class_section(report, language)
    if report.calibration is not None:
        yield _calibration(report.calibration, language, has_own="temperature" in card.calibration)
    if isinstance(report, Report) and report.coverage is not None:
        yield _coverage(report.coverage, answers, card, language)
    if report.slices:
        yield _slices(report.slices, language, several=not isinstance(report, Report))


def _interval(found: Interval | None, language: Language) -> str:
    if found is None:
        return ""
    return text("interval", language, low=f"{found.low:.2%}", high=f"{found.high:.2%}")


def _calibration(found: Calibration, language: Language, *, has_own: bool) -> Section:
    before, after = found.before, found.after
    temperature = f"{found.temperature:.4g}"
    charts = (
        _reliability(before, text("reliability_before", language, ece=f"{before.ece:.2%}"), language),
        _reliability(
            after, text("reliability_after", language, ece=f"{after.ece:.2%}", temperature=temperature), language
        ),
    )
    numbers = Table(
        columns=("", text("before", language), text("after", language)),
        figures=(1, 2),
        rows=(
            ("ECE", f"{before.ece:.2%}", f"{after.ece:.2%}"),
            (text("nll", language), f"{before.loss:.4f}", f"{after.loss:.4f}"),
            (text("brier", language), f"{before.brier:.4f}", f"{after.brier:.4f}"),
        ),
    )
    lead = Words(words=text("reliability_caption", language), is_quiet=True)
    source = Words(words=text("from_card" if has_own else "from_halves", language), is_quiet=True)
    return Section(name="calibration", title=text("calibration", language), blocks=(lead, *charts, numbers, source))


def _reliability(one: Reliability, title: str, language: Language) -> Chart:
    bins = [Bin(b.lower, b.upper, b.count, b.confidence, b.accuracy) for b in one.bins]
    svg = reliability_chart(
        title,
        bins,
        happened=text("happened", language),
        gap=text("gap", language),
        x_label=text("confidence", language),
        counts_label=text("share_of_answers", language),
    )
    return Chart(title=title, svg=svg)


def _coverage(found: RiskCoverage, answers: Answers, card: Card, language: Language) -> Section:
    title = text("coverage_chart", language)
    points = tuple((point.coverage, point.risk) for point in found.points)
    risks = share_axis([0.0, *(risk for _, risk in points)])
    svg = curve_chart(
        title, [Curve(name="", points=points)], x_label=text("coverage_axis", language), x=SHARES, y=risks
    )
    nearest = dict.fromkeys(min(found.points, key=lambda point: abs(point.coverage - wanted)) for wanted in COVERAGES)
    table = Table(
        columns=tuple(text(key, language) for key in ("answered", "risk", "threshold")),
        figures=(0, 1, 2),
        rows=tuple((f"{p.coverage:.0%}", f"{p.risk:.2%}", probability(p.threshold)) for p in nearest),
    )
    blocks: list[Block] = [Chart(title=title, svg=svg), table]
    blocks.append(Words(words=text("area", language, area=f"{found.area:.2%}"), is_quiet=True))
    if "unknown_below" in card.calibration:
        blocks.append(Words(words=_unknown(answers, card, language)))
    return Section(name="coverage", title=text("coverage", language), blocks=tuple(blocks))


def _unknown(answers: Answers, card: Card, language: Language) -> str:
    threshold = card.calibration["unknown_below"]
    sure, right = confidence(answers, answers.probabilities(card.calibration.get("temperature", 1.0)))
    given = sure >= threshold
    if not given.any():
        return text("unknown_all", language, threshold=probability(threshold))
    wrong = 1 - float(np.mean(right[given]))
    return text(
        "unknown", language, threshold=probability(threshold), answered=f"{given.mean():.1%}", wrong=f"{wrong:.2%}"
    )


def _slices(found: tuple[Slice, ...], language: Language, *, several: bool) -> Section:
    number = text("all_right" if several else "top1", language)
    low, high = min(one.top1.low for one in found), max(one.top1.high for one in found)
    columns = (*(text(key, language) for key in ("value", "pictures")), number, text("at_95", language))
    blocks: list[Block] = []
    for column in dict.fromkeys(one.column for one in found):
        rows: list[tuple[Cell, ...]] = [
            (
                one.value,
                f"{one.pictures:,}",
                _within(one.top1, low, high),
                f"{one.top1.low:.1%} – {one.top1.high:.1%}",
            )
            for one in found
            if one.column == column
        ]
        blocks.append(Table(columns=columns, rows=tuple(rows[:SHOWN_VALUES]), figures=(1, 2, 3), title=column))
        if rows[SHOWN_VALUES:]:
            fold = f"{column}: {text('more', language, count=len(rows) - SHOWN_VALUES)}"
            blocks.append(Table(columns=columns, rows=tuple(rows[SHOWN_VALUES:]), figures=(1, 2, 3), fold=fold))
    blocks.append(Words(words=text("slices_caption", language, low=f"{low:.1%}", high=f"{high:.1%}"), is_quiet=True))
    return Section(name="slices", title=text("slices", language), blocks=tuple(blocks))


def _within(found: Interval, low: float, high: float) -> Share:
    """A share drawn on a line from `low` to `high`, so that small differences are seen."""
    room = high - low or 1.0
    value, *ends = ((number - low) / room for number in (found.value, found.low, found.high))
    return Share(words=f"{found.value:.1%}", value=value, ends=(ends[0], ends[1]))
