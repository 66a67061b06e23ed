"""Identify: what a checkpoint is, every fact read, implied or unknown; without torch, and without its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from resnets.spec.architecture import Architecture, check_field_names, tuples
from resnets.spec.card import Card
from resnets.weights.containers.contents import Contents
from resnets.weights.containers.open import open_weights
from resnets.weights.dialects.deduce import Fact
from resnets.weights.dialects.match import Match
from resnets.weights.dialects.origins import Origin
from resnets.weights.find import Found, find
from resnets.weights.hub.known import local, published
from resnets.weights.hub.row import Row
from resnets.weights.provenance import classes_of, licence_of, preprocess_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """What a file of weights is.

    `facts` are the architecture's, those that do something in it. `preprocess`, `classes` and `licence` are facts
    too; the value of `classes` is a tuple of names, the name of a known list, or None.
    """

    path: Path
    contents: Contents
    found: Found
    row: Row | None  # of the catalogue, where it is a published file
    preprocess: Fact
    classes: Fact
    licence: Fact

    @property
    def match(self) -> Match:
        """Which tensor of the file is which of ours."""
        return self.found.match

    @property
    def origin(self) -> Origin | None:
        """Who made the file, where it bears a mark."""
        return self.found.origin

    @property
    def parts(self) -> tuple[str, ...]:
        """Wrappers of all networks in the file."""
        return self.found.parts

    @property
    def problems(self) -> tuple[str, ...]:
        """Why it cannot be loaded as it is; nothing, where it can."""
        return self.found.problems

    @property
    def architecture(self) -> Architecture | None:
        """The network, its unknown facts at their likely values."""
        return self.found.deduction.architecture

    @property
    def facts(self) -> Mapping[str, Fact]:
        """The architecture's facts."""
        return self.found.deduction.facts

    @property
    def unknown(self) -> dict[str, Fact]:
        """What is open and changes the numbers: facts of the architecture, and the preprocessing."""
        open_ = self.found.deduction.unknown
        return open_ | ({"preprocess": self.preprocess} if self.preprocess.how == "unknown" else {})

    @property
    def parameters(self) -> int:
        """Numbers in the network's tensors, batch counts and running statistics left out."""
        return sum(prod(s) for n, s in self.match.shapes.items() if n.endswith((".weight", ".bias")))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values."""
        return {
            "path": str(self.path),
            "container": self.contents.container,
            "dialect": self.match.dialect.name,
            "prefix": self.match.prefix,
            "origin": self.origin.name if self.origin else None,
            "published": self.row.name if self.row else None,
            "network": self.architecture.name if self.architecture else None,
            "parameters": self.parameters,
            "facts": {name: fact.to_dict() for name, fact in self.facts.items()},
            "preprocess": self.preprocess.to_dict(),
            "classes": self.classes.to_dict(),
            "licence": self.licence.to_dict(),
            "set_aside": dict(self.match.aside),
            "unexpected": list(self.match.left),
            "parts": list(self.parts),
            "notes": list(self.found.notes),
            "not_run": list(self.contents.not_run),
            "problems": list(self.problems),
        }


def identify(path: str | Path, *, part: str | None = None, told: Mapping[str, Any] | None = None) -> Identity:
    """Return what a file of weights is.

    `part` chooses among several networks in one file by their wrapper ("ema", "state_dict.module."). `told` are facts
    of the architecture that the file does not state, `preprocess` (a row of `PREPROCESSES`) and `classes` (names).

    `path` may also be a reference of the hub that was fetched before.

    Raises `FileNotFoundError`, or `ValueError` for a file that holds no network of this family, or where what was
    told contradicts it.
    """
    path, told = local(path), tuples(dict(told or {}))
    arch_told = {name: value for name, value in told.items() if name not in ("preprocess", "classes")}
    check_field_names(arch_told)
    contents = open_weights(path)
    found = find(contents, path, part, arch_told)
    row = published(path)
    return Identity(
        path=path,
        contents=contents,
        found=found,
        row=row,
        preprocess=preprocess_of(found, row, contents, told.get("preprocess")),
        classes=classes_of(found, contents, told.get("classes")),
        licence=licence_of(found, row, contents),
    )


def card_of(path: str | Path) -> Card | None:
    """Return the card of a model file of ours, None for any other file; raise `ValueError` for a damaged one."""
    path = Path(path)
    if not path.is_file() or path.suffix != ".safetensors":
        return None
    contents = open_weights(path)
    text = contents.facts.get("resnets")
    return Card.from_json(text) if isinstance(text, str) else None
