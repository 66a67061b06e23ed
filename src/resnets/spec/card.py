"""Card: what a model file says of itself, as one canonical JSON with no clock, host or path in it."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, get_args

from resnets.spec.architecture import Architecture
from resnets.spec.preprocess import Preprocess

SCHEMA = 3
"""Version of the card's layout. A reader of schema n reads every schema up to n."""

CARD_KEY = "resnets"
"""The metadata key under which a file carries its card."""

MAX_CARD = 16 << 20
"""Characters of a card: a hundred thousand class names fit, and reading it stays below a gigabyte of memory."""

FIELDS = ("schema", "architecture", "task", "classes", "classes_sha256", "preprocess", "calibration", "origin")

Task = Literal["class", "classes"]
"""What a picture is: of one class, so that probabilities add up to one; or of any number of them, each by itself."""

BEFORE_3: Mapping[str, Any] = MappingProxyType({"task": "class"})
"""What was meant when a card of schema 1 or 2, which does not say, was written."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """Everything a command needs to use a model as it was trained.

    `classes` are the class names in the order of the logits, `task` says how many of them a picture has: one (softmax)
    or any number (a sigmoid for each). `calibration` holds what turns logits into
    honest probabilities ("temperature"), `origin` where the numbers came from (recipe, data, metrics,
    licence).
    Fields that a later version wrote are kept in `unknown` and written back.

    Raises `ValueError` if architecture, classes and preprocessing do not fit each other.
    """

    architecture: Architecture
    classes: tuple[str, ...]
    preprocess: Preprocess
    task: Task = "class"
    calibration: dict[str, float] = field(default_factory=dict)
    origin: dict[str, Any] = field(default_factory=dict)
    unknown: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        wanted = self.architecture.classes_out
        if wanted is not None and len(self.classes) != wanted:
            raise ValueError(f"{len(self.classes)} class names for {wanted} logits; give one name for each logit")
        if len(set(self.classes)) != len(self.classes):
            twice = sorted({name for name in self.classes if self.classes.count(name) > 1})
            raise ValueError(f"class names must differ; these stand more than once: {', '.join(twice[:5])}")
        if self.task not in get_args(Task):
            raise ValueError(f"task={self.task!r} is not possible; allowed: {', '.join(get_args(Task))}")
        unwritable = [name for name in self.classes if not _is_unicode(name)]
        if unwritable:
            raise ValueError(f"class names must be Unicode texts, and {unwritable[0]!r} is none; rename it")
        for name, number in self.calibration.items():
            given: object = number  # what a file says may be anything
            if not isinstance(given, int | float) or not 0 < given <= sys.float_info.max:
                raise ValueError(f"calibration's {name}={number!r} is not possible; allowed: above 0")
        if self.preprocess.channels != self.architecture.in_channels:
            raise ValueError(
                f"the preprocessing gives {self.preprocess.channels} channels and the network takes "
                f"{self.architecture.in_channels}; build it with in_channels={self.preprocess.channels}"
            )

    def to_json(self) -> str:
        """Return the canonical text: sorted keys, no spaces, so that equal cards are equal bytes."""
        facts = {
            **self.unknown,
            "schema": SCHEMA,
            "architecture": self.architecture.to_dict(),
            "task": self.task,
            "classes": list(self.classes),
            "classes_sha256": classes_sha256(self.classes),
            "preprocess": self.preprocess.to_dict(),
            "calibration": {name: float(number) for name, number in self.calibration.items()},
            "origin": self.origin,
        }
        return json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Card:
        """Read a card; raise `ValueError` saying which part is missing, too new, or changed."""
        try:
            facts = json.loads(text, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"the card is not JSON: {error}") from None
        if not isinstance(facts, dict):
            raise ValueError(f"the card must be a JSON object, not {type(facts).__name__}")
        if facts.get("schema") in (1, 2):
            facts |= BEFORE_3
        missing = [name for name in FIELDS if name not in facts]
        if missing:
            raise ValueError(f"the card lacks {', '.join(missing)}")
        for name, kind in FIELD_TYPES.items():
            if type(facts[name]) is not kind:  # True is an int to isinstance
                raise ValueError(f"the card's {name} must be {kind.__name__}, not {type(facts[name]).__name__}")
        if not 1 <= facts["schema"] <= SCHEMA:
            raise ValueError(
                f"the card has schema {facts['schema']} and this version of resnets reads up to {SCHEMA}; "
                "install a newer resnets"
            )
        classes = tuple(facts["classes"])
        if not all(isinstance(name, str) for name in classes):
            raise ValueError("the card's classes must be texts")
        if facts["classes_sha256"] != classes_sha256(classes):
            raise ValueError("the card's class names do not match their hash; the file was changed after it was made")
        return cls(
            architecture=_read("architecture", _hashable, facts),
            classes=classes,
            preprocess=_read("preprocess", Preprocess.from_dict, facts),
            task=facts["task"],
            calibration=facts["calibration"],
            origin=facts["origin"],
            unknown={name: value for name, value in facts.items() if name not in FIELDS},
        )


FIELD_TYPES: Mapping[str, type] = MappingProxyType(
    {
        "schema": int,
        "architecture": dict,
        "task": str,
        "classes": list,
        "classes_sha256": str,
        "preprocess": dict,
        "calibration": dict,
        "origin": dict,
    }
)


def classes_sha256(classes: tuple[str, ...]) -> str:
    """Return the hash of class names in order, so that two lists can be told apart at a glance."""
    return hashlib.sha256(json.dumps(list(classes), ensure_ascii=False).encode()).hexdigest()


def _is_unicode(name: str) -> bool:
    """Half a surrogate pair, as a folder's name may hold, has no bytes in UTF-8."""
    return not any("\ud800" <= character <= "\udfff" for character in name)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _hashable(facts: dict[str, Any]) -> Architecture:
    """Read an architecture, all of whose values are texts and numbers; plans are kept by them."""
    arch = Architecture.from_dict(facts)
    hash(arch)
    return arch


def _read(name: str, reader: Any, facts: dict[str, Any]) -> Any:
    try:
        return reader(facts[name])
    except (TypeError, ValueError) as error:
        raise ValueError(f"the card's {name} cannot be read: {error}") from None
