"""What an artefact says of itself beside its graph, as texts; and whether graph and card fit each other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, get_args

from resnets.files import strict_json
from resnets.files.errors import FileError
from resnets.runtime.engine import LOGITS, Precision
from resnets.runtime.program import PICTURES
from resnets.spec.card import CARD_KEY, MAX_CARD, Card
from resnets.spec.levels import level_sizes, levels
from resnets.spec.resolve import plan

REPORT_KEY, PRECISION_KEY = "resnets_report", "resnets_precision"
KEYS = (CARD_KEY, REPORT_KEY, PRECISION_KEY)

MAX_REPORT = 16 << 20
"""Bytes of a report; one with every answer that an export changed has some hundred thousand."""

Size = tuple[int, ...]
"""Sides of one picture or map, without the number of pictures."""


@dataclass(frozen=True, slots=True)
class Facts:
    """The card, the report of the export, and the precision that the graph is meant to be run in."""

    card: Card
    report: Mapping[str, Any]
    precision: Precision

    def texts(self) -> dict[str, str]:
        """Return the text of each key; equal facts give equal texts."""
        report = json.dumps(
            dict(self.report), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        )
        return dict(zip(KEYS, (self.card.to_json(), report, self.precision), strict=True))


@dataclass(frozen=True, slots=True)
class Ends:
    """What a graph takes and gives: name -> sides, where the number of pictures is free; and how many layers it has.

    An end of another type than uint8 in and float32 out, or with a fixed number of pictures, has no sides.
    """

    inputs: Mapping[str, Size | None]
    outputs: Mapping[str, Size | None]
    layers: int


def read_facts(texts: Mapping[str, str]) -> Facts:
    """Return the facts that texts hold; raise `FileError` where one is missing, too long or not to be read."""
    missing = [key for key in KEYS if key not in texts]
    if missing:
        raise FileError(
            f"it is no artefact of resnets: it carries no {', no '.join(missing)}; `resnets export` writes it"
        )
    if len(texts[CARD_KEY]) > MAX_CARD:
        raise FileError(f"its card has {len(texts[CARD_KEY]):,} characters; at most {MAX_CARD:,} are read")
    try:
        card = Card.from_json(texts[CARD_KEY])
    except ValueError as error:
        raise FileError(str(error)) from None
    report = strict_json.loads(texts[REPORT_KEY].encode("utf-8", "surrogatepass"), MAX_REPORT)
    if not isinstance(report, dict):
        raise FileError(f"its report must be a JSON object, not {type(report).__name__}")
    if texts[PRECISION_KEY] not in get_args(Precision):
        allowed = ", ".join(get_args(Precision))
        raise FileError(f"its precision is {texts[PRECISION_KEY][:100]!r}; these are known: {allowed}")
    return Facts(card, MappingProxyType(report), texts[PRECISION_KEY])  # type: ignore[arg-type]


def check_ends(card: Card, ends: Ends) -> None:
    """Raise `FileError` where a graph takes or gives anything else than its card says."""
    size = (card.preprocess.channels, *card.preprocess.size)
    if dict(ends.inputs) != {PICTURES: size}:
        raise FileError(
            f"its graph takes {_said(ends.inputs)}, and its card speaks of {_said({PICTURES: size})}, of uint8 and in "
            "any number"
        )
    # Before the plan is made: a card may claim any number of blocks, a graph pays for each.
    row = card.architecture
    if sum(row.blocks) > ends.layers:
        raise FileError(f"its card speaks of {sum(row.blocks)} blocks, for {ends.layers} layers in its graph")
    network = plan(row)
    try:
        sizes = level_sizes(network, card.preprocess.size)
    except ValueError as error:
        raise FileError(str(error)) from None
    known: dict[str, Size] = {name: (level.channels, *sizes[name]) for name, level in levels(network).items()}
    if row.classes_out is not None:
        known[LOGITS] = (row.classes_out,)
        if LOGITS not in ends.outputs:
            raise FileError(f"its graph gives {_said(ends.outputs)} and no {LOGITS}, for a network with a head")
    wrong = {name: sides for name, sides in ends.outputs.items() if known.get(name) != sides}
    if wrong or not ends.outputs:
        raise FileError(
            f"its graph gives {_said(wrong) or 'nothing'}, in float32 for each picture, where its card allows "
            f"{_said(known)}"
        )


def _said(ends: Mapping[str, Size | None]) -> str:
    return ", ".join(
        f"{name[:100]} {'x'.join(map(str, sides)) if sides else 'of another type or number'}"
        for name, sides in ends.items()
    )
