"""Pre-flight: what is wrong with photographs is found, said and left out before it costs a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from resnets.data.dataset import DataSet
from resnets.data.errors import TooManyBadImages
from resnets.data.manifest import Manifest
from resnets.data.reading import Reading
from resnets.data.source import ArraySource
from resnets.weights.wanted import wanted

MOST = 20_000
"""Pictures that are looked at unasked: a minute or two. A larger set is for `resnets check`, once."""

Say = Callable[[str], None]


BAD_LIMIT = 0.01
"""Share of the pictures that may be unreadable, as in the loader; of more, somebody has to know."""


@dataclass(frozen=True, slots=True)
class Preflight:
    """What is left out, and which of it cannot be read: (picture, reason)."""

    manifest: Manifest | None = None
    unreadable: tuple[tuple[str, str], ...] = ()


def preflight(
    data: object, dataset: DataSet, reading: Reading, model: str, size: tuple[int, int] | None, say: Say
) -> Preflight:
    """Check a data set of files as `resnets check` does, say what was found, and return what is to be left out.

    Pictures in memory, and more of them than `MOST`, are not looked at. Raises `TooManyBadImages` where more than
    `BAD_LIMIT` cannot be read.
    """
    from resnets.data.check.check import check
    from resnets.data.check.rules import RULES

    parts = [part for part in (dataset.train, dataset.test) if part is not None]
    if not isinstance(data, str | Path) or any(isinstance(part, ArraySource) for part in parts):
        return Preflight()
    count = sum(map(len, parts))
    if count > MOST:
        say(
            f"pre-flight: {count:,} pictures are more than the {MOST:,} that are looked at unasked; "
            f"`resnets check {data} --manifest left-out.json` looks at all, and --manifest obeys it"
        )
        return Preflight()
    preprocess, stride = wanted(model, size)
    checked = check(data, reading=reading, preprocess=preprocess, stride=stride)
    found = Counter(finding.rule for finding in checked.findings)
    if not found:
        say(f"pre-flight: nothing is wrong with the {count:,} pictures")
        return Preflight()
    unreadable: list[tuple[str, str]] = []
    for part in (checked.dataset.train, checked.dataset.test):  # each may have some, as in the loader
        if part is None:
            continue
        bad = [
            (source.name(index), finding.reason)
            for finding in checked.of_rule("unreadable")
            for source, index in map(checked.pictures.place, finding.pictures)
            if source is part
        ]
        if len(bad) > (tolerated := max(1, int(BAD_LIMIT * len(part)))):
            raise TooManyBadImages(bad, tolerated, len(part))
        unreadable += bad
    manifest = checked.manifest()
    for rule in (rule for rule in RULES if found[rule]):
        out = manifest.by_rule.get(rule, 0)
        done = f"; {out:,} left out" if out else ""
        say(f"pre-flight: {found[rule]:,} {rule}{done}. {RULES[rule].sentence}")
    say(f"`resnets check {data} --report check.html` shows each; --no-check trains on all of them")
    return Preflight(manifest if manifest.left_out else None, tuple(unreadable))
