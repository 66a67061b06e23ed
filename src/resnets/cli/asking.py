"""Asking: what the verbs that ask a model about labelled pictures have in common on the command line."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resnets.cli.options import check_choice, parse_reading
from resnets.files import bounded, strict_json
from resnets.files.errors import FileError

if TYPE_CHECKING:
    from resnets.data.reading import Reading
    from resnets.evaluation.classes import How
    from resnets.spec.card import Card

MOST_BYTES = 16 << 20
"""Of a file that maps classes."""


def parse_asking(
    split: str, batch_size: int, device: str, workers: int | None, views: str | None = None, map_: str | None = None
) -> dict[str, Any]:
    """Return what `answer` takes, of these options; raise `ValueError` for what none of them can be."""
    check_choice("--split", split, ("test", "train", "all"))
    how: dict[str, Any] = {"split": split, "batch_size": batch_size, "device": device, "workers": workers}
    if views is not None:
        check_choice("--views", views, ("one", "flips", "ten-crop"))
        how["views"] = views
    return {**how, "classes": parse_map(map_)}


def parse_reading_for(card: Card, read: list[str] | None) -> Reading | None:
    """Return how data are read, where --read says so: then in the formats that the model decodes, if it names none."""
    return parse_reading(read, card.preprocess.formats) if read else None


def parse_map(text: str | None) -> How:
    """Return how classes are matched, from "common" or the name of a JSON file; raise `ValueError` for any other."""
    if text is None:
        return "exact"
    if text == "common":
        return "common"
    meant = 'give common, or a file with one JSON object: {"data\'s name": "model\'s name", "another": null}'
    if not Path(text).is_file():
        raise ValueError(f"--map {text}: there is no such file; {meant}")
    try:
        found = strict_json.loads(bounded.read(text, MOST_BYTES), MOST_BYTES)
    except FileError as error:
        raise ValueError(f"--map {text} cannot be read ({error}); {meant}") from None
    if not isinstance(found, dict) or not all(value is None or isinstance(value, str) for value in found.values()):
        raise ValueError(f"--map {text} holds something else; {meant}")
    return found


def say(notes: Iterable[str], *, as_json: bool) -> None:
    """Print what was decided on the way; where JSON is asked for, it stands alone on stdout."""
    for note in notes:
        print(note, file=sys.stderr if as_json else sys.stdout)


def show(facts: dict[str, Any], text: str, *, as_json: bool) -> None:
    """Print what was found, as JSON or as a text."""
    print(json.dumps(facts, indent=2, ensure_ascii=False) if as_json else text)


def skipped_lines(skipped: Iterable[tuple[str, str]]) -> list[str]:
    """Return a line for each picture that could not be read."""
    return [f"skipped {path}: {reason}" for path, reason in skipped]
