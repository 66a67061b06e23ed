"""What `resnets evaluate` prints: a report as lines for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resnets.evaluation.calibration import Calibration
    from resnets.evaluation.intervals import Interval
    from resnets.evaluation.judge import AnyReport
    from resnets.evaluation.report import Report
    from resnets.evaluation.several import SeveralReport
    from resnets.evaluation.slices import Slice


def report_text(report: AnyReport) -> str:
    """Return a report in lines, the number to go by first."""
    from resnets.evaluation.several import SeveralReport

    return _several(report) if isinstance(report, SeveralReport) else _one(report)


def _one(report: Report) -> str:
    lines = [f"top-1     {_weighed(report.intervals['top1'])}; {report.right:,} of {report.pictures:,}"]
    if len(report.classes) > 5:
        lines.append(f"top-5     {_weighed(report.intervals['top5'])}")
    lines += [f"F1        {_weighed(report.intervals['f1'])}, mean of the classes", f"loss      {report.loss:.4f}"]
    lines += _calibrated(report.calibration)
    width = max(map(len, report.classes))
    lines.append(f"  {'':{width}}  {_cells('precision', 'recall', 'F1')}")
    for one in report.per_class:
        cells = _cells(*_shares(one.precision, one.recall, one.f1))
        lines.append(f"  {one.name:{width}}  {cells}  of {one.pictures:,}")
    return "\n".join([*lines, *_slices(report.slices)])


def _several(report: SeveralReport) -> str:
    width = max(map(len, report.classes))
    weighed = _weighed(report.intervals["map"])
    lines = [
        f"mAP       {weighed}; mean of the classes that occur, {report.pictures:,} pictures",
        f"loss      {report.loss:.4f}",
        *_calibrated(report.calibration),
        f"  {'':{width}}  {_cells('AP', 'precision', 'recall', 'F1')}  where above 50 %",
    ]
    for one in report.per_class:
        cells = _cells(*_shares(one.average_precision, one.precision, one.recall, one.f1))
        lines.append(f"  {one.name:{width}}  {cells}  in {one.pictures:,}")
    return "\n".join([*lines, *_slices(report.slices)])


def _weighed(interval: Interval) -> str:
    return f"{interval.value:.2%}  ({interval.low:.2%} to {interval.high:.2%} at 95 %)"


def _calibrated(found: Calibration | None) -> list[str]:
    if found is None:
        return []
    before, after = found.before, found.after
    return [f"ECE       {before.ece:.2%}, and {after.ece:.2%} at temperature {found.temperature:.4g} ({found.source})"]


def _slices(found: Sequence[Slice]) -> list[str]:
    width = max((len(one.value) for one in found), default=0)
    return [f"{one.column} {one.value:{width}}  {_weighed(one.top1)} of {one.pictures:,}" for one in found]


def _shares(*numbers: float | None) -> list[str]:
    return ["-" if share is None else f"{share:.2%}" for share in numbers]


def _cells(*texts: str) -> str:
    return "  ".join(f"{text:>9}" for text in texts)
