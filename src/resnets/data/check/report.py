"""Report: what a check found, with thumbnails, as a page to be looked at."""

from __future__ import annotations

import base64
import io
from collections import Counter
from dataclasses import dataclass

import numpy as np
from PIL import Image

from resnets.data.check.check import Checked
from resnets.data.check.classes import counts
from resnets.data.check.facts import grey_image, pixels_of, policy_for_facts
from resnets.data.check.findings import SPLITS, Finding
from resnets.data.check.rules import RULES
from resnets.data.check.single import thrown_away
from resnets.data.decoding.geometry import geometry
from resnets.data.errors import BadImage
from resnets.data.manifest import name_in_manifest
from resnets.page.bars import Bar, bars
from resnets.page.html import Group, Report, Section, Shot, render

SHOWN_OF_RULE = 24
SHOWN_OF_GROUP = 4
SAMPLES = 8
MOST_BYTES = 3_500_000
"""Of thumbnails in one report, as text; the pictures after it are named and not shown."""

THUMBNAIL = 300
"""Pixels of the longer side: twice what the page shows, for fine screens."""

_SMALLEST_SHOWN = 96  # a picture of 32 pixels is enlarged to this
_CROP_RULES = ("crop", "proportions")
_CLASSES_SHOWN = 24


def report_html(checked: Checked) -> str:
    """Return a check as one HTML file of at most some megabytes, for any number of pictures."""
    gallery = _Gallery(checked)
    left_out = checked.manifest().by_rule
    found = Counter(finding.rule for finding in checked.findings)
    sections = tuple(_section(checked, name, gallery) for name in RULES if found[name])
    refused = [f"As they are, train and evaluate refuse these data: {checked.refusal}"] if checked.refusal else []
    total = len(checked.findings)
    verdict = f"{total:,} finding{'' if total == 1 else 's'}." if total else "Nothing was found."
    return render(
        Report(
            title=f"Check of {checked.dataset.name}",
            subtitle=f"Every picture was looked at. Fingerprint {checked.dataset.fingerprint[:12]}.",
            verdict=verdict,
            is_clean=not total,
            tiles=_tiles(checked, sum(left_out.values())),
            table=tuple((name, left_out[name]) for name in RULES if name in left_out),
            information=(*refused, *checked.information),
            charts=_charts(checked),
            samples=_samples(checked, gallery),
            sections=sections,
        )
    )


@dataclass(slots=True)
class _Gallery:
    """The thumbnails of a report, as far as their bytes allow."""

    checked: Checked
    used: int = 0

    def shot(self, number: int, *, window: bool = False) -> Shot:
        """Return one picture with its name, split and class."""
        pictures = self.checked.pictures
        uri = "" if number in pictures.reasons or self.used > MOST_BYTES else self._thumbnail(number)
        self.used += len(uri)
        return Shot(
            uri=uri,
            name=name_in_manifest(*pictures.place(number)),
            tags=(SPLITS[pictures.split(number)], pictures.classes(number)[:60]),
            window=self._window(number) if window and uri else None,
        )

    def _thumbnail(self, number: int) -> str:
        source, index = self.checked.pictures.place(number)
        try:
            picture = pixels_of(source.raw(index), policy_for_facts(self.checked.network.preprocess))
        except BadImage:  # it was changed since it was looked at
            return ""
        image = picture if isinstance(picture, Image.Image) else grey_image(picture)
        scale = min(THUMBNAIL / max(image.size), max(1.0, _SMALLEST_SHOWN / max(image.size)))
        size = tuple(max(1, round(side * scale)) for side in image.size)
        way = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS
        stream = io.BytesIO()
        image.convert("RGB").resize((size[0], size[1]), way).save(stream, "JPEG", quality=78)
        return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"

    def _window(self, number: int) -> tuple[float, float, float, float] | None:
        preprocess = self.checked.network.preprocess
        row = self.checked.pictures.rows[number]
        if preprocess.fit != "crop":
            return None
        laid = geometry((int(row["width"]), int(row["height"])), preprocess)
        wide, high = laid.resized
        return (
            max(0.0, laid.left / wide),
            max(0.0, laid.top / high),
            min(1.0, preprocess.size[1] / wide),
            min(1.0, preprocess.size[0] / high),
        )


def _section(checked: Checked, name: str, gallery: _Gallery) -> Section:
    rule, findings = RULES[name], checked.of_rule(name)
    words = {True: "left out", False: "kept", None: ""}
    groups = tuple(_group(finding, gallery) for finding in findings[:SHOWN_OF_RULE])
    return Section(
        name=name,
        severity=rule.severity,
        count=len(findings),
        sentence=rule.sentence,
        advice=rule.advice,
        verdict=words[checked.verdicts.get(name)],
        groups=groups,
    )


def _group(finding: Finding, gallery: _Gallery) -> Group:
    # Of many copies the last is shown too: it is in the other split where there is one.
    chosen = finding.pictures[:SHOWN_OF_GROUP]
    if len(finding.pictures) > SHOWN_OF_GROUP:
        chosen = (*chosen[:-1], finding.pictures[-1])
    return Group(
        reason=finding.reason,
        shots=tuple(gallery.shot(number, window=finding.rule in _CROP_RULES) for number in chosen),
        places=finding.places,
        more=len(finding.pictures) - len(chosen),
    )


def _tiles(checked: Checked, left_out: int) -> tuple[tuple[str, str], ...]:
    train, test = (0 if part is None else len(part) for part in (checked.dataset.train, checked.dataset.test))
    return (
        (f"{train:,}", "pictures in training"),
        (f"{test:,}", "pictures in test"),
        (f"{len(checked.dataset.classes):,}", "numbers" if checked.dataset.task == "numbers" else "classes"),
        (f"{len(checked.findings):,}", "findings"),
        (f"{left_out:,}", "pictures left out"),
    )


def _samples(checked: Checked, gallery: _Gallery) -> tuple[Shot, ...]:
    if checked.network.preprocess.fit != "crop":
        return ()
    readable = np.nonzero(checked.pictures.readable)[0]
    lost = thrown_away(checked.pictures.rows[readable], checked.network.preprocess)
    if not len(readable) or lost.max() <= 0:
        return ()
    places = np.unique(np.linspace(0, len(readable) - 1, min(SAMPLES, len(readable))).round().astype(int))
    return tuple(gallery.shot(int(readable[place]), window=True) for place in places)


def _charts(checked: Checked) -> tuple[tuple[str, str], ...]:
    made = []
    if checked.dataset.task != "numbers":
        made.append(("Pictures of each class", _class_bars(checked)))
    rows = checked.pictures.rows[checked.pictures.readable]
    sides = np.minimum(rows["width"], rows["height"])
    if len(sides) and sides.min() != sides.max():
        made.append(("Shorter side in pixels", _side_bars(sides)))
    return tuple(made)


def _class_bars(checked: Checked) -> str:
    names = checked.dataset.classes
    parts = [part for part in (checked.dataset.train, checked.dataset.test) if part is not None]
    table = np.stack([counts(part, len(names)) for part in parts])
    order = range(len(names))
    chosen = list(order)
    if len(names) > _CLASSES_SHOWN:  # the largest and the smallest
        ranked = sorted(order, key=lambda place: -int(table[:, place].sum()))
        chosen = [*ranked[: _CLASSES_SHOWN // 2], *ranked[-_CLASSES_SHOWN // 2 :]]
    lines = [Bar(names[place], tuple(int(number) for number in table[:, place])) for place in chosen]
    title = "Pictures of each class" if len(chosen) == len(names) else "The largest and the smallest classes"
    return bars(title, lines, SPLITS if len(parts) == 2 else ())


def _side_bars(sides: np.ndarray) -> str:
    edges = [0, 16, 32, 64, 128, 224, 256, 384, 512, 768, 1024, 2048, 4096]
    counted = np.bincount(np.digitize(sides, edges), minlength=len(edges) + 1)[1:]
    used = np.nonzero(counted)[0]
    lines = []
    for place in range(used[0], used[-1] + 1):
        end = f"{edges[place]} to {edges[place + 1] - 1}" if place + 1 < len(edges) else f"{edges[place]} and more"
        lines.append(Bar(end, (int(counted[place]),)))
    return bars("Pictures by their shorter side", lines)
