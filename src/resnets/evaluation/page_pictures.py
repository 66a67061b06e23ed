"""The pictures on a judgement's page: the worst mistakes, and those that the model is least certain of."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image

from resnets.data.check.facts import grey_image, pixels_of, policy_for_facts
from resnets.data.errors import BadImage
from resnets.data.source import FileSource
from resnets.data.sources.members import MemberSource
from resnets.evaluation.answers import Answers, Probabilities
from resnets.evaluation.judge import all_right
from resnets.evaluation.thumbnail import is_tiny, thumbnail
from resnets.page.judgement import Block, Gallery, Line, Picture, Section, Words
from resnets.page.texts import Language, probability, text
from resnets.spec.card import Card
from resnets.spec.preprocess import Preprocess

SHOWN = 24
"""Pictures of each kind."""

CLASSES_SHOWN = 3
"""Lines about one picture, where it may have several classes."""

LONGEST_NAME = 80
"""Letters of a picture's name, of which the end says most."""

Rows = npt.NDArray[np.int64]


def picture_sections(answers: Answers, card: Card, language: Language) -> Iterator[Section]:
    """Yield the most confident wrong answers, and the least certain of all, at the model's own temperature."""
    probabilities = answers.probabilities(card.calibration.get("temperature", 1.0))
    several = answers.task == "classes"
    wrong, unsure = worst(answers, probabilities), least_certain(answers, probabilities)
    lead = "uncertain_several" if several else "uncertain_lead"
    for name, said, rows in (("worst", "worst_lead", wrong), ("uncertain", lead, unsure)):
        if not len(rows):
            blocks: tuple[Block, ...] = (Words(words=text("no_mistakes", language)),)
        else:
            shown = tuple(
                _picture(answers, int(row), _lines(answers, probabilities, int(row), name, language), card.preprocess)
                for row in rows
            )
            blocks = (Words(words=text(said, language), is_quiet=True), Gallery(pictures=shown))
        yield Section(name=name, title=text(name, language), blocks=blocks)


def worst(answers: Answers, probabilities: Probabilities) -> Rows:
    """Return the rows of the most confident wrong answers, the worst first.

    Where a picture may have several classes, how wrong it is is its worst class: how probable one that is not there
    was said to be, or how improbable one that is.
    """
    several = answers.task == "classes"
    badness = np.abs(probabilities - answers.labels).max(1) if several else probabilities.max(1)
    rows = np.flatnonzero(~all_right(answers))
    return rows[np.argsort(-badness[rows], kind="stable")][:SHOWN]


def least_certain(answers: Answers, probabilities: Probabilities) -> Rows:
    """Return the rows of the least certain answers: of the lowest probability, or with a class closest to one half."""
    several = answers.task == "classes"
    certainty = np.abs(probabilities - 0.5).min(1) if several else probabilities.max(1)
    return np.argsort(certainty, kind="stable")[:SHOWN]


def _lines(answers: Answers, probabilities: Probabilities, row: int, kind: str, language: Language) -> tuple[Line, ...]:
    own = probabilities[row]
    if answers.task == "classes":
        return _lines_of_several(answers, own, row, kind, language)
    said, true = int(own.argmax()), int(answers.labels[row])
    tone = "right" if said == true else "wrong"
    lines = (Line(label=text("said", language), words=answers.classes[said], figure=probability(own[said]), tone=tone),)  # type: ignore[arg-type]
    if said == true:
        return lines
    return (*lines, Line(label=text("is", language), words=answers.classes[true], figure=probability(own[true])))


def _lines_of_several(
    answers: Answers, own: npt.NDArray[np.float64], row: int, kind: str, language: Language
) -> tuple[Line, ...]:
    has = answers.labels[row].astype(np.bool_)
    if kind == "worst":
        order = np.argsort(-np.abs(own - has), kind="stable")
        places = [int(place) for place in order if (own[place] > 0.5) != has[place]][:CLASSES_SHOWN]
        lines = [
            Line(
                label=text("missed" if has[place] else "not_there", language),
                words=answers.classes[place],
                figure=probability(own[place]),
                tone="wrong",
            )
            for place in places
        ]
    else:
        place = int(np.abs(own - 0.5).argmin())
        lines = [Line(label=text("near_half", language), words=answers.classes[place], figure=probability(own[place]))]
    there = ", ".join(answers.classes[place] for place in np.flatnonzero(has)) or text("none", language)
    return (*lines, Line(label=text("is", language), words=there))


def _picture(answers: Answers, row: int, lines: tuple[Line, ...], preprocess: Preprocess) -> Picture:
    name = _below_its_folder(answers, row)
    name = name if len(name) <= LONGEST_NAME else f"…{name[-LONGEST_NAME:]}"
    image = _seen(answers, row, preprocess)
    if image is None:
        return Picture(uri="", name=name, lines=lines)
    return Picture(uri=thumbnail(image), name=name, lines=lines, is_tiny=is_tiny(image))


def _below_its_folder(answers: Answers, row: int) -> str:
    source = answers.source
    return (
        source.names[int(answers.indices[row])] if isinstance(source, FileSource | MemberSource) else answers.name(row)
    )


def _seen(answers: Answers, row: int, preprocess: Preprocess) -> Image.Image | None:
    """The picture in its own colours, as the pre-flight shows it; bands as their mean."""
    try:
        pixels = pixels_of(answers.source.raw(int(answers.indices[row])), policy_for_facts(preprocess))
    except BadImage:  # it was changed since it was answered
        return None
    return pixels if isinstance(pixels, Image.Image) else grey_image(pixels)
