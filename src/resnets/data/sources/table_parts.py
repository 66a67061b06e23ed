"""Table parts: which pictures of a table are to train on and which to test on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from resnets.data.errors import DataError
from resnets.data.reading import Reading
from resnets.data.source import Source
from resnets.data.sources.table_labels import Coded, Labelled
from resnets.data.splits.split import describe_split, split

SIDES = {
    "train": ("train", "training"),
    "test": ("test", "testing"),
    "validation": ("validation", "valid", "val", "dev"),
}
"""What a split may be called, in any case. Pictures for validation are tested on where there are none for testing."""


ON_VALIDATION = "Tested on are the pictures for validation, as there are no others to test on."


@dataclass(frozen=True, eq=False, slots=True)
class Parts:
    """A table's pictures in two parts, and how they came to be."""

    train: Source | None
    test: Source | None
    split: str
    notes: tuple[str, ...]


def divide(source: Source, labelled: Labelled, sides: Coded | None, grouped: str | None, reading: Reading) -> Parts:
    """Return the parts that the column `sides` gives, or makes them; `grouped` is what the groups are.

    Raises `DataError` for a word that is no side, and where the parts do not go together.
    """
    if sides is None:
        return _made(source, labelled, grouped, reading, "it says nothing of a split")
    masks = side_masks(sides)
    notes: tuple[str, ...] = ()
    validation = masks.pop("validation")
    if not masks["test"].any():
        masks["test"] = validation
        if validation.any():
            notes = (ON_VALIDATION,)
    elif validation.any():
        notes = (f"Not used: {int(validation.sum()):,} pictures for validation, as there are others to test on.",)
    if not masks["test"].any():
        return _made(source, labelled, grouped, reading, "all its pictures are to train on")
    train, test = (
        source.take(np.flatnonzero(masks[side])) if masks[side].any() else None for side in ("train", "test")
    )
    if train is not None and test is not None:
        notes += _compare(train, test, labelled.classes, grouped)
    return Parts(train, test, "given", notes)


def side_masks(sides: Coded) -> dict[str, npt.NDArray[np.bool_]]:
    """Return side -> which pictures are on it: (N,) bool; raise `DataError` for a word that is no side."""
    known = {word: side for side, words in SIDES.items() for word in words}
    found = []
    for code, text in enumerate(sides.texts()):
        if text.lower() not in known:
            allowed = ", ".join(words[0] for words in SIDES.values())
            shown = repr(text[:40]) if text else "empty"
            raise sides.wrong(code, f"is {shown}; allowed: {allowed}, or name another column (--read split=NAME)")
        found.append(known[text.lower()])
    names = np.array(found)[sides.codes]
    return {side: names == side for side in SIDES}


def _made(source: Source, labelled: Labelled, grouped: str | None, reading: Reading, why: str) -> Parts:
    share = reading.test_share
    if share is None:
        note = f"Not split, nothing is held back for testing: {why}."
        return Parts(source, None, describe_split(None, 0), (note,))
    try:
        train, test = split(source, share, reading.split_seed)
    except DataError as error:
        raise DataError(_with_names(str(error), labelled.classes)) from None
    notes = [f"Split {100 - share * 100:.3g}/{share * 100:.3g}: {why}."]
    if grouped is not None and abs(len(test) / len(source) - share) > share / 10:
        notes = [f"{notes[0][:-1]}; {len(test) / len(source):.1%} are to test on, as each {grouped} stays together."]
    notes += _compare(train, test, labelled.classes, None)
    return Parts(train, test, describe_split(share, reading.split_seed, grouped), tuple(notes))


def _with_names(sentence: str, classes: Sequence[str]) -> str:
    """Return a sentence about "class 3" with what class 3 is called."""
    words = sentence.split(" ")
    for place, word in enumerate(words[:-1]):
        if word == "class" and words[place + 1].isdecimal():
            words[place + 1] = repr(classes[int(words[place + 1])])
    return " ".join(words)


def _compare(train: Source, test: Source, classes: Sequence[str], grouped: str | None) -> tuple[str, ...]:
    """Return what is odd of two parts; raise `DataError` for a class that is only to test on."""
    notes: tuple[str, ...] = ()
    learnt, asked = _present(train, len(classes)), _present(test, len(classes))
    if learnt is not None and asked is not None:
        only = [classes[number] for number in np.flatnonzero(asked & ~learnt).tolist()]
        if only and train.labels.ndim == 1:
            raise DataError(f"no picture to train on is {_listed(only)}, and some to test on are; mend the split")
        notes += (f"No picture to train on has {_listed(only)}.",) if only else ()
        unasked = [classes[number] for number in np.flatnonzero(learnt & ~asked).tolist()]
        notes += (f"No picture to test on has {_listed(unasked)}.",) if unasked else ()
    if grouped is not None and train.groups is not None and test.groups is not None:
        both = len(np.intersect1d(train.groups, test.groups))
        notes += (f"{both:,} of {grouped} have pictures both to train and to test on.",) if both else ()
    return notes


def _present(source: Source, classes: int) -> npt.NDArray[np.bool_] | None:
    """Return which classes a source has pictures of; None where it has numbers."""
    if source.labels.dtype == np.float32:
        return None
    if source.labels.dtype == np.bool_:
        return np.asarray(source.labels.any(axis=0))
    return np.bincount(source.labels, minlength=classes) > 0


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:10]) + (f" and {len(names) - 10:,} more" if len(names) > 10 else "")
