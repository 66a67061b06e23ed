"""Classes: how those of a data set become those of a model, by their names and never by their numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from resnets.data.natural import class_sorted
from resnets.data.reading import ClassOrder

How = Literal["exact", "common"] | Mapping[str, str | None]
"""exact: both have the same classes. common: only those that both have are looked at. Or for each class of the data
that is called otherwise in the model what it is called there; None leaves it out."""

SHOWN = 8
"""Names in a sentence, before it says how many more there are."""

ORDERS: Mapping[ClassOrder, str] = MappingProxyType(
    {"natural": "natural order (1, 2, 10)", "string": "string order (1, 10, 2)"}
)
"""How class lists are sorted, as it is said."""


@dataclass(frozen=True, eq=False, slots=True)
class Matching:
    """The place of each class of the data among the model's, -1 where it is left out, and what to say.

    `judged` are the places, in order, of the model's classes that can be right or wrong. Where a picture has one class
    they are all: whatever the model answers, it is right or wrong. Where it may have several they are those of which
    the data says whether they are there.
    """

    places: npt.NDArray[np.int64]
    judged: npt.NDArray[np.int64]
    notes: tuple[str, ...] = ()


def match_classes(
    mine: tuple[str, ...], theirs: tuple[str, ...], how: How = "exact", *, several: bool = False
) -> Matching:
    """Match the data's classes, `theirs`, with the model's, `mine`; raise `ValueError` where they do not fit.

    Another order is mapped and said, and where it comes from sorting 1, 2, 10 as numbers here and as texts (1, 10, 2)
    there, that is named. What one has and the other lacks is refused, or with another `how` left out or mapped, and
    said. `several` says that a picture may have several classes.
    """
    place = {name: index for index, name in enumerate(mine)}
    if isinstance(how, Mapping):
        called, notes = _called(mine, theirs, how)
    elif how in ("exact", "common"):
        called, notes = tuple(name if name in place or how == "exact" else None for name in theirs), []
    else:
        raise ValueError(
            f"classes={how!r} is not possible; allowed: exact, common, or a name for each class of the data"
        )
    missing = [name for name in mine if name not in called]
    extra = [name for name in called if name is not None and name not in place]
    if extra or (missing and how == "exact"):
        raise ValueError(_refusal(mine, theirs, missing, extra))
    if all(name is None for name in called):
        raise ValueError(f"data and model have no class in common: {some(theirs)}; and {some(mine)}")
    left_out = [name for name, its in zip(theirs, called, strict=True) if its is None]
    told = SEVERAL if several else ONE
    if left_out:
        why = "the model does not know them" if how == "common" else "as the map says"
        notes.append(told.left_out.format(names=some(left_out), why=why))
    if missing:
        notes.append(told.missing.format(names=some(missing)))
    places = np.array([-1 if name is None else place[name] for name in called], dtype=np.int64)
    kept = places[places >= 0]
    if (np.diff(kept) < 0).any():
        notes.append(_order(tuple(name for name in mine if name in called), tuple(dict.fromkeys(filter(None, called)))))
    return Matching(places, np.unique(kept) if several else np.arange(len(mine)), tuple(notes))


@dataclass(frozen=True, slots=True)
class _Told:
    left_out: str
    missing: str


ONE = _Told(
    left_out="pictures of {names} are left out: {why}",
    missing="the data lacks {names}, which the model may still answer, and is then wrong",
)
SEVERAL = _Told(
    left_out="{names} in the data are not looked at: {why}",
    missing="{names} in the model are not judged: the data does not say where they are",
)
"""What is said where a picture has one class, and where it may have several."""


def _called(
    mine: tuple[str, ...], theirs: tuple[str, ...], given: Mapping[str, Any]
) -> tuple[tuple[str | None, ...], list[str]]:
    """What each class of the data is called in the model, as somebody says; and what to say of that."""
    unknown = [name for name in given if name not in theirs]
    wrong = [str(its) for its in given.values() if its is not None and its not in mine]
    if unknown or wrong:
        parts = [f"the data has no class {some(unknown)}"] * bool(unknown) + [
            f"the model has no class {some(wrong)}"
        ] * bool(wrong)
        raise ValueError(
            f"these classes cannot be mapped: {'; '.join(parts)}. The data has {some(theirs)}; the model {some(mine)}"
        )
    renamed = [f"{name} is {its}" for name, its in given.items() if its is not None and its != name]
    notes = [f"classes of the data, as they are called in the model: {some(renamed)}"] if renamed else []
    return tuple(given.get(name, name) for name in theirs), notes


def _refusal(mine: tuple[str, ...], theirs: tuple[str, ...], missing: list[str], extra: list[str]) -> str:
    said = (("the data lacks", missing), ("the model does not know", extra))
    parts = "; ".join(f"{what} {some(names)}" for what, names in said if names)
    advice = (
        "--map common looks only at the classes that both have, and --map FILE.json says what a class of the data "
        'is called in the model: {"data\'s name": "model\'s name", "another": null}'
    )
    if mine == tuple(map(str, range(len(mine)))) and set(mine).isdisjoint(theirs):
        advice = (
            "The model calls its classes by numbers; where its file had no names for them, `resnets convert MODEL OUT "
            f"--names LIST` gives it some. Else {advice}"
        )
    return f"the classes of data and model differ: {parts}. {advice}"


def _order(mine: tuple[str, ...], theirs: tuple[str, ...]) -> str:
    there, here = (
        next((said for order, said in ORDERS.items() if list(names) == class_sorted(names, order)), None)
        for names in (theirs, mine)
    )
    sorting = f": there in {there}, here in {here}" if there and here else ""
    return f"the data's classes stand in another order than the model's{sorting}; they are matched by name"


def some(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are."""
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else "")
