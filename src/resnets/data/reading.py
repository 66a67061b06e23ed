"""Reading: what a user may say about how a data set is read, the same for every kind of source."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from resnets.data.errors import DataError
from resnets.spec.preprocess import FORMATS, Preprocess

ClassOrder = Literal["natural", "string"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Columns:
    """Which columns of a table say what; None: the one that has a name such columns usually have, "": none."""

    path: str | None = None
    label: str | None = None  # one class, several (a list, or parted by | or ;), or with `numbers` a number
    numbers: tuple[str, ...] = ()  # columns to be predicted as numbers, in place of classes
    split: str | None = None
    group: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """How to read a data set. Raises `DataError` on construction for a value that cannot be."""

    formats: tuple[str, ...] = Preprocess().formats  # which files are pictures
    class_order: ClassOrder = "natural"  # 1, 2, 10, or as strings: 1, 10, 2
    empty_classes: tuple[str, ...] = ()  # classes that may have no pictures
    test_share: float | None = 0.2  # held back for testing where no split is given; None: nothing
    split_seed: int = 0
    columns: Columns = field(default_factory=Columns)

    def __post_init__(self) -> None:
        unknown = [name for name in self.formats if name not in FORMATS]
        if unknown or not self.formats:
            given = ", ".join(unknown) or "nothing"
            raise DataError(f"formats={given} is not possible; allowed: one or more of {', '.join(FORMATS)}")
        if self.class_order not in get_args(ClassOrder):
            raise DataError(f"class_order={self.class_order!r} is not possible; allowed: natural, string")
        if self.test_share is not None and not 0 < self.test_share < 1:
            raise DataError(f"test_share={self.test_share} is not possible; allowed: None, or a share between 0 and 1")
        if self.split_seed < 0:
            raise DataError(f"split_seed={self.split_seed} is not possible; allowed: 0 or more")

    @property
    def endings(self) -> tuple[str, ...]:
        """Endings of the files that are pictures, in lower case."""
        return tuple(ending for name in self.formats for ending in FORMATS[name])

    def to_dict(self) -> dict[str, Any]:
        """Return every field as JSON-able values, as a run writes them down."""
        facts: dict[str, Any] = json_able(dataclasses.asdict(self))
        return facts

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> Reading:
        """Return the reading that `to_dict` wrote; raise `DataError` for facts that are none."""
        try:
            given, columns = _tuples(facts), _tuples(facts.get("columns", {}))
            made = cls(**{**given, "columns": Columns(**columns)})
            hash(made)
        except (AttributeError, TypeError) as error:
            raise DataError(f"these are not the facts of a reading: {error}") from None
        return made


def _tuples(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in facts.items()}


def json_able(value: Any) -> Any:
    """Return nested dicts and tuples as JSON has them."""
    if isinstance(value, dict):
        return {key: json_able(one) for key, one in value.items()}
    return [json_able(one) for one in value] if isinstance(value, tuple | list) else value
