"""A probe as text: what the pictures say of each fact, what to type, and how every hypothesis did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from resnets.inference.probe import GOOD_DISTANCE, LEAST_PICTURES, Probe, Row, Verdict
from resnets.spec.preprocess import Preprocess

MEASURES = {
    "statistics": "ranked by how near the input of {norms} norms is to what they remember of training",
    "confidence": "its norms were folded and remember nothing; ranked by how far the first answer stands out",
    None: "its norms were folded and it has no head, so nothing in it speaks: not ranked",
}


def lines(probe: Probe, *, most: int = 8) -> Iterator[str]:
    """Yield a probe as lines of text, with the best `most` hypotheses."""
    yield f"{probe.path}: {len(probe.rows)} hypotheses on {probe.pictures} pictures"
    yield MEASURES[probe.measure].format(norms=probe.norms)
    if probe.unread:
        yield f"{len(probe.unread)} pictures could not be read: {probe.unread[0]}"
    width = max((len(verdict.fact) for verdict in probe.verdicts), default=0)
    for verdict in probe.verdicts:
        yield f"  {verdict.fact:{width}}  {verdict.value!s:14}  {_said(probe, verdict)}"
    if (probe.rows[0].distance or 0.0) > GOOD_DISTANCE:
        yield (
            f"Even the best is far from its training ({probe.rows[0].distance:.3f}; 0.001 is usual): the pictures are "
            "of another kind, or it is something that was not tried."
        )
    yield "decided: " + flags(probe.told) if probe.decided else "undecided: " + _missing(probe)
    yield f"{'distance':>9}  {'confidence':>10}  {'first answer':>12}  {'pictures':>8}"
    for row in probe.rows[:most]:
        yield f"{_row(row)}{'  (tied)' if row.tied and row is not probe.rows[0] else ''}"
    if len(probe.rows) > most:
        yield f"and {len(probe.rows) - most} that did worse"


def flags(told: Mapping[str, Any]) -> str:
    """Return what to type for facts that are told: "--set stride_on=1x1 --preprocess caffe".

    A preprocess without a name can be told in Python alone, and is written out.
    """
    if not told:
        return "it is what its names imply; nothing needs to be told"
    return " ".join(_flag(name, value) for name, value in told.items() if name != "classes")


def _flag(name: str, value: Any) -> str:
    if name != "preprocess":
        return f"--set {name}={value}"
    if isinstance(value, str):
        return f"--preprocess {value}"
    assert isinstance(value, Preprocess)
    return f"preprocess=Preprocess(colour={value.colour!r}, mean={_short(value.mean)}, std={_short(value.std)}, ...)"


def _short(values: tuple[float, ...]) -> str:
    return f"({', '.join(f'{value:.4g}' for value in values)})"


def _said(probe: Probe, verdict: Verdict) -> str:
    how_far = (
        f"{verdict.lead:.3g} times as far" if probe.measure == "statistics" else f"less sure by {verdict.lead:.2g}"
    )
    if verdict.settled:
        word = "found" if verdict.how == "unknown" or verdict.fact == "colour" else "confirmed"
        if verdict.fact in probe.rows[0].against:
            word = "not what its names imply"
        return f"{word}: {verdict.rival} is {how_far}"
    if probe.measure is None:
        return f"not tested against {verdict.rival}"
    against = verdict.fact in probe.rows[0].against
    kept = (
        "open" if verdict.how == "unknown" else "likely, against its names" if against else "kept, as its names imply"
    )
    return f"{kept}: {verdict.rival} cannot be told from it here (worse with a probability of {verdict.sure:.0%})"


def _missing(probe: Probe) -> str:
    if probe.measure is None:
        return "say where the file came from, and give its facts by hand"
    if probe.pictures < LEAST_PICTURES:
        return f"{probe.pictures} pictures are too few; give {LEAST_PICTURES} or more, 64 if there are"
    against = probe.rows[0].against
    names = [v.fact for v in probe.verdicts if not v.settled and (v.how == "unknown" or v.fact in against)]
    return (
        f"more pictures, in colour and of the kind it was trained on, may tell {' and '.join(names)}; "
        f"likely: {flags(probe.told)}"
    )


def _row(row: Row) -> str:
    numbers = (
        f"{row.distance:9.5f}" if row.distance is not None else f"{'-':>9}",
        f"{row.confidence:10.2f}" if row.confidence is not None else f"{'-':>10}",
        f"{row.probability:12.1%}" if row.probability is not None else f"{'-':>12}",
        f"{row.pictures:8}",
    )
    facts = " ".join(f"{name}={value}" for name, value in row.facts.items() if name != "colour")
    return "  ".join((*numbers, facts))
