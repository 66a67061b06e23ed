"""Sides: which pictures of a data set a model is asked about, and whether it was trained on them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

from resnets.data.dataset import DataSet
from resnets.data.gather import gather
from resnets.data.joined import JoinedSource
from resnets.data.reading import Reading
from resnets.data.source import Source
from resnets.spec.card import Card

Split = Literal["test", "train", "all"]
"""The pictures to test on, those to train on, or every one."""


def gather_for(
    card: Card, data: object, split: Split, reading: Reading | None = None, manifest: str | Path | None = None
) -> DataSet:
    """Return the data set that a model is asked about, read as for its training unless a `reading` says otherwise.

    Where every picture is meant, none is held back. Raises as `gather` does.
    """
    reading = reading or reading_of(card)
    if split == "all" and manifest is None:  # a manifest says of each picture which side it is on
        reading = replace(reading, test_share=None)
    return gather(data, reading, manifest)


def reading_of(card: Card) -> Reading:
    """Return how a model's training pictures were read, as its card says; else by the formats that it decodes."""
    said = card.origin.get("data")
    if isinstance(said, dict) and isinstance(said.get("reading"), dict):
        return Reading.from_dict(said["reading"])
    return Reading(formats=card.preprocess.formats)


def side(dataset: DataSet, split: Split) -> Source:
    """Return the pictures that are meant; raise `ValueError` where there are none."""
    if split == "all":
        parts = [part for part in (dataset.test, dataset.train) if part is not None]
        return parts[0] if len(parts) == 1 else JoinedSource.of(parts)
    source = dataset.test if split == "test" else dataset.train
    if source is None:
        raise ValueError(f"{dataset.name} has no {split} pictures; give --split all")
    return source


def seen(card: Card, dataset: DataSet, split: Split) -> tuple[str, ...]:
    """Return what is to be said where a model was, or may have been, trained on the pictures that are meant.

    Raises `ValueError` where they are those it was trained on, split otherwise than then.
    """
    said = card.origin.get("data")
    if not isinstance(said, dict):
        return ()
    then, now = said.get("split"), dataset.split
    if said.get("sha256") == dataset.fingerprint:
        if split != "test":
            some = "some of " if split == "all" else ""
            return (f"The model was trained on {some}these very pictures: it says little of how it does on others.",)
        if then is not None and then != now:
            raise ValueError(
                f"the model was trained on another split of these very pictures (then {then}; now {now}), so it has "
                "seen some of these test pictures; leave out --read, which its card answers"
            )
        return ()
    if said.get("name") == dataset.name and "given" not in (then, now):
        return (
            f"The model was trained on pictures that were called {dataset.name} too, and these are others, or more: if "
            "some are the same, it has been trained on some that are tested on now. Keep new pictures in a folder of "
            "their own, and give --split all.",
        )
    return ()
