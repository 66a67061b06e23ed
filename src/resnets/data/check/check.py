"""Check: look at every picture of a data set once, and say what would spoil a run before it starts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from resnets.data.check.cache import Cache, cache_file
from resnets.data.check.classes import counts, find_classes, find_groups, find_names
from resnets.data.check.duplicates import find_duplicates
from resnets.data.check.facts import policy_for_facts
from resnets.data.check.findings import SPLITS, TRAIN, Finding, Found, Pictures
from resnets.data.check.rules import RULES, verdicts
from resnets.data.check.scan import Progress, scan
from resnets.data.check.single import Network, find_single
from resnets.data.check.surroundings import find_surroundings, open_for_check
from resnets.data.dataset import DataSet
from resnets.data.errors import DataError
from resnets.data.manifest import LeftOut, Manifest, name_in_manifest
from resnets.data.reading import Reading
from resnets.data.source import ArraySource
from resnets.files.machine import processors
from resnets.spec.preprocess import IMAGENET, Preprocess

SCHEMA = 1
"""Of `Checked.to_dict`."""

STRIDE = 32
"""Pixels that a cell of the last map stands for, in a ResNet for ImageNet."""

_EXPLAINED = ("empty-class", "single-picture", "missing-class")  # by which a refusal is explained


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """What a check found, and what it leaves out: `verdicts` says for each rule of pictures whether it does."""

    dataset: DataSet
    reading: Reading
    network: Network
    pictures: Pictures
    findings: tuple[Finding, ...]  # in the order of the rules
    information: tuple[str, ...]  # what is worth knowing and no fault
    verdicts: dict[str, bool]
    refusal: str | None  # why train would refuse the data, or None

    def of_rule(self, name: str) -> list[Finding]:
        """Return the findings of one rule."""
        return [finding for finding in self.findings if finding.rule == name]

    def manifest(self) -> Manifest:
        """Return which pictures are left out, each by the first rule that says so, and what is kept all the same."""
        chosen: dict[int, Finding] = {}
        for finding in self.findings:
            if self.verdicts.get(finding.rule):
                for number in finding.out:
                    chosen.setdefault(number, finding)
        left_out = tuple(
            LeftOut(
                name=name_in_manifest(*self.pictures.place(number)),
                split=SPLITS[self.pictures.split(number)],
                rule=finding.rule,
                reason=self._why(number, finding),
            )
            for number, finding in sorted(chosen.items())
        )
        kept = Counter(
            finding.rule for finding in self.findings if not (self.verdicts.get(finding.rule) and finding.out)
        )
        return Manifest(
            name=self.dataset.name,
            fingerprint=self.dataset.fingerprint,
            counts={split: _length(part) for split, part in zip(SPLITS, _parts(self.dataset), strict=True)},
            settings={
                "formats": list(self.reading.formats),
                "class_order": self.reading.class_order,
                "test_share": self.reading.test_share,
                "split_seed": self.reading.split_seed,
            },
            left_out=left_out,
            kept=dict(sorted(kept.items())),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values."""
        manifest = self.manifest()
        return {
            "schema": SCHEMA,
            "data": {"name": self.dataset.name, "fingerprint": self.dataset.fingerprint, **manifest.counts},
            "classes": {
                name: dict(zip(SPLITS, numbers, strict=True))
                for name, numbers in zip(self.dataset.classes, self._class_counts(), strict=True)
            },
            "findings": [self._finding_dict(finding) for finding in self.findings],
            "counts": dict(Counter(finding.rule for finding in self.findings)),
            "verdicts": {name: "leave out" if out else "keep" for name, out in self.verdicts.items()},
            "left_out": [entry.to_dict() for entry in manifest.left_out],
            "information": list(self.information),
            "refusal": self.refusal,
        }

    def _class_counts(self) -> list[list[int]]:
        tables = [counts(part, len(self.dataset.classes)).tolist() for part in _parts(self.dataset)]
        return [list(pair) for pair in zip(*tables, strict=True)]

    def _finding_dict(self, finding: Finding) -> dict[str, Any]:
        pictures = self.pictures
        return {
            "rule": finding.rule,
            "severity": RULES[finding.rule].severity,
            "reason": finding.reason,
            "places": list(finding.places),
            "pictures": [
                {
                    "name": name_in_manifest(*pictures.place(number)),
                    "split": SPLITS[pictures.split(number)],
                    "class": pictures.classes(number),
                }
                for number in finding.pictures
            ],
        }

    def _why(self, number: int, finding: Finding) -> str:
        others = [other for other in finding.pictures if other != number]
        if not others:
            return finding.reason
        # Where a training picture goes for one in test, that one is named.
        other = next((o for o in others if self.pictures.split(o) != TRAIN), others[0])
        return f"{finding.reason}: {name_in_manifest(*self.pictures.place(other))}"


def check(
    data: str | Path,
    *,
    reading: Reading | None = None,
    preprocess: Preprocess | None = None,
    stride: int | None = None,
    workers: int | None = None,
    use_cache: bool = True,
    keep: Iterable[str] = (),
    leave_out: Iterable[str] = (),
    progress: Callable[[int], Progress] | None = None,
) -> Checked:
    """Return what is wrong with a data set: every picture is decoded once, by `workers` threads.

    `preprocess` and `stride` are those of the network that the data are for; without them, ImageNet's for
    files, and the pictures' own size for arrays. Facts of files are kept in the user's cache unless
    `use_cache` is False. `progress` is told the number of pictures and returns what to call as they are done.

    Raises `DataError` where there is nothing to look at, or for a rule that does not exist; faults in the data
    are findings.
    """
    reading = reading or Reading()
    decided = verdicts(keep, leave_out)
    dataset, around, refusal = open_for_check(data, reading)
    network = _network(dataset, reading, preprocess, stride)
    policy = policy_for_facts(network.preprocess)
    workers = workers or processors()
    parts = _parts(dataset)
    total = sum(map(_length, parts))
    if not total:
        raise DataError(f"{dataset.name} holds no pictures; there is nothing to check")
    tell = progress(total) if progress is not None else None
    in_files = any(part is not None and not isinstance(part, ArraySource) for part in parts)
    cache = Cache(cache_file() if use_cache and in_files else None, policy)
    try:
        scanned = [
            None if part is None else scan(part, policy, workers=workers, cache=cache, progress=tell) for part in parts
        ]
    finally:
        cache.close()
    pictures = Pictures.of(dataset, scanned)
    found = Found()
    found.add(find_single(pictures, network))
    found.add(find_duplicates(pictures, policy, workers))
    found.add(find_groups(pictures))
    empty: frozenset[str] = frozenset()
    if around is not None:
        found.add(find_surroundings(around))
        found.add(find_names(dataset.classes))
        empty = frozenset(Path(place).name for place in around.empty)
    found.add(find_classes(dataset, empty))
    if refusal is not None and not any(finding.rule in _EXPLAINED for finding in found.findings):
        found.findings.append(Finding("refused", refusal))
    order = list(RULES)
    return Checked(
        dataset=dataset,
        reading=reading,
        network=network,
        pictures=pictures,
        findings=tuple(sorted(found.findings, key=lambda finding: (order.index(finding.rule), finding.pictures))),
        information=(*_known(scanned, total), *dataset.notes, *found.information, *cache.notes),
        verdicts=decided,
        refusal=refusal,
    )


def _parts(dataset: DataSet) -> tuple[Any, Any]:
    return dataset.train, dataset.test


def _length(part: Any) -> int:
    return 0 if part is None else len(part)


def _known(scanned: list[Any], total: int) -> list[str]:
    known = sum(part.from_cache for part in scanned if part is not None)
    return [f"{known:,} of {total:,} pictures were known from an earlier check."] if known else []


def _network(dataset: DataSet, reading: Reading, preprocess: Preprocess | None, stride: int | None) -> Network:
    if preprocess is not None:
        return Network(preprocess, stride or STRIDE)
    sizes = {part.size for part in _parts(dataset) if part is not None}
    size = next(iter(sizes)) if len(sizes) == 1 else None
    if size is None:
        return Network(replace(IMAGENET, profile="srgb", formats=reading.formats), stride or STRIDE)
    channels = next(part.channels for part in _parts(dataset) if part is not None)
    fit = "crop" if size[0] == size[1] else "squash"
    made = Preprocess(size=size, fit=fit, formats=reading.formats)  # type: ignore[arg-type]
    if channels not in (1, 3):
        made = replace(made, colour="bands", mean=(0.0,) * channels, std=(1.0,) * channels)
    return Network(made, stride or 1)
