"""Identify: what a checkpoint is, every fact read, implied or unknown; without torch, and without its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from resnets.spec.architecture import Architecture, check_field_names, tuples
from resnets.spec.card import Card
from resnets.spec.preprocess import Preprocess
from resnets.weights.containers.contents import Contents, Stored
from resnets.weights.containers.open import open_weights
from resnets.weights.dialects import keras_names
from resnets.weights.dialects.configs import config_classes, config_facts, config_preprocess
from resnets.weights.dialects.deduce import Deduction, Fact, deduce, is_folded
from resnets.weights.dialects.match import Match, matches, without_head
from resnets.weights.dialects.origins import Origin, origin_of
from resnets.weights.dialects.preprocessing import PREPROCESSES, from_mean_file
from resnets.weights.hub.known import local, published
from resnets.weights.hub.row import Row


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """What a file of weights is.

    `facts` are the architecture's, those that do something in it. `preprocess`, `classes` and `licence` are facts
    too; the value of `classes` is a tuple of names, the name of a known list, or None. `problems` say why the file
    cannot be loaded as it is; `parts` are the wrappers of the networks it holds, where it holds several.
    """

    path: Path
    contents: Contents
    tensors: Mapping[str, Stored]  # under the names that the dialect knows
    match: Match
    origin: Origin | None
    row: Row | None  # of the catalogue, where it is a published file
    deduction: Deduction
    preprocess: Fact
    classes: Fact
    licence: Fact
    parts: tuple[str, ...]
    problems: tuple[str, ...]

    @property
    def architecture(self) -> Architecture | None:
        """The network, its unknown facts at their likely values."""
        return self.deduction.architecture

    @property
    def facts(self) -> Mapping[str, Fact]:
        """The architecture's facts."""
        return self.deduction.facts

    @property
    def unknown(self) -> dict[str, Fact]:
        """What is open and changes the numbers: facts of the architecture, and the preprocessing."""
        open_ = self.deduction.unknown
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
    named = named_tensors(contents)
    row = published(path)
    candidates = _candidates(named, path, part)
    if arch_told.get("head") == "none":
        candidates = [without_head(match) for match in candidates]
    try:
        found = [(match, _deduced(match, contents, arch_told)) for match in candidates]
    except ValueError as error:
        raise ValueError(f"{path} {error}") from None
    match, (origin, deduction) = min(found, key=lambda pair: _badness(pair[0], pair[1][1], contents))
    rivals = _rivals(match, [other for other, (_, other_deduced) in found if not other_deduced.problems])
    problems = list(deduction.problems)
    if match.left:
        some = ", ".join(match.left[:4])
        problems.append(f"{len(match.left)} tensors under {match.prefix!r} have no place in it: {some}")
    if len(rivals) > 1:
        choices = " or ".join(f"--part {name or repr('')}" for name in rivals)
        problems.append(f"it holds {len(rivals)} networks; choose one: {choices}")
    return Identity(
        path=path,
        contents=contents,
        tensors=named,
        match=match,
        origin=origin,
        deduction=deduction,
        row=row,
        preprocess=_preprocess(match, origin, row, contents, told.get("preprocess")),
        classes=_classes(match, origin, deduction, contents, told.get("classes")),
        licence=_licence(match, origin, row, contents),
        parts=tuple(rivals),
        problems=tuple(problems),
    )


def card_of(path: str | Path) -> Card | None:
    """Return the card of a model file of ours, None for any other file; raise `ValueError` for a damaged one."""
    path = Path(path)
    if not path.is_file() or path.suffix != ".safetensors":
        return None
    contents = open_weights(path)
    text = contents.facts.get("resnets")
    return Card.from_json(text) if isinstance(text, str) else None


def named_tensors(contents: Contents) -> Mapping[str, Stored]:
    """Return a file's tensors under the names that dialects are written in."""
    if contents.container in ("hdf5", "keras"):
        return keras_names.by_layer(contents.tensors, contents.facts)
    return contents.tensors


def _candidates(named: Mapping[str, Stored], path: Path, part: str | None) -> list[Match]:
    found = matches(named)
    if not found:
        some = ", ".join(list(named)[:4]) + (", ..." if len(named) > 4 else "")
        raise ValueError(
            f"{path} holds {len(named)} tensors{f' ({some})' if named else ''} and no network of the ResNet family "
            "under any name that is known; docs/checkpoints.md lists the dialects"
        )
    if part is None:
        return found
    chosen = [match for match in found if match.prefix.rstrip("./").startswith(part.rstrip("./"))]
    if not chosen:
        there = ", ".join(sorted({repr(match.prefix) for match in found}))
        raise ValueError(f"{path} holds no network under {part!r}; it has one under {there}")
    return chosen


def _deduced(match: Match, contents: Contents, told: Mapping[str, Any]) -> tuple[Origin | None, Deduction]:
    origin = origin_of(match, contents.facts)
    config = config_facts(contents.facts) if match.dialect.family in ("transformers", "caffe") else {}
    return origin, deduce(match, origin, told, config)


def _badness(match: Match, deduction: Deduction, contents: Contents) -> tuple[int, ...]:
    """Order of preference: what holds, explains most, and is the family that the configuration names."""
    is_timm = isinstance(contents.facts.get("config"), dict) and "pretrained_cfg" in contents.facts["config"]
    return (
        deduction.architecture is None,
        len(deduction.problems) + bool(match.left),
        len(match.left),
        -len(match.keys),
        is_timm and match.dialect.family != "timm",
    )


def _rivals(match: Match, whole: list[Match]) -> list[str]:
    """Prefixes of the networks in a file that share no tensor with each other."""
    apart = [other for other in whole if not other.left and not set(other.keys.values()) & set(match.keys.values())]
    return sorted({other.prefix for other in apart} | {match.prefix})


def _preprocess(match: Match, origin: Origin | None, row: Row | None, contents: Contents, told: Any) -> Fact:
    rows = match.dialect.preprocess
    if told is not None:
        return Fact(_row(told), "told", "by you")
    stated = config_preprocess(contents.facts)
    if stated:
        return Fact(stated[0], "read", stated[1])
    if row:
        return Fact(row.preprocess, "implied", f"it is {row.name}")
    if origin and origin.preprocess:
        return Fact(_row(origin.preprocess), "implied", f"{origin.name}: {PREPROCESSES[origin.preprocess].source}")
    if not rows:
        return Fact(_row("imagenet"), "unknown", f"{match.dialect.title} states none", tuple(PREPROCESSES))
    first = _row(rows[0])
    if all(_colours(_row(row)) == _colours(first) for row in rows):
        return Fact(first, "implied", PREPROCESSES[rows[0]].source)
    return Fact(first, "unknown", f"{match.dialect.title} has several", rows)


def _row(given: Any) -> Preprocess:
    if isinstance(given, Preprocess):
        return given
    if str(given).endswith(".binaryproto"):
        return from_mean_file(Path(given))
    if given not in PREPROCESSES:
        raise ValueError(
            f"no preprocessing is called {given!r}; allowed: {', '.join(PREPROCESSES)}, or a mean file of Caffe "
            "(.binaryproto)"
        )
    return PREPROCESSES[given].preprocess


def _colours(preprocess: Preprocess) -> tuple[Any, ...]:
    return preprocess.colour, preprocess.mean, preprocess.std


KNOWN_LISTS = {"imagenet": 1000, "cifar10": 10}
"""Class lists that a rule can imply, and their lengths."""


def _classes(match: Match, origin: Origin | None, deduction: Deduction, contents: Contents, told: Any) -> Fact:
    count = deduction.architecture.classes_out if deduction.architecture else None
    if told is not None:
        return Fact(told if isinstance(told, str) else tuple(told), "told", "by you")
    if count is None:
        return Fact(None, "read", "it has no head")
    labels = config_classes(contents.facts)
    if labels and len(labels) == count:
        return Fact(labels, "read", "config.json")
    implied = origin.classes if origin and origin.classes else match.dialect.classes
    if implied and KNOWN_LISTS[implied] == count:
        return Fact(implied, "implied", f"{count} logits in {origin.name if origin else match.dialect.title}")
    return Fact(None, "unknown", f"{count} logits without names")


def _licence(match: Match, origin: Origin | None, row: Row | None, contents: Contents) -> Fact:
    config = contents.facts.get("config")
    cfg = config.get("pretrained_cfg") if isinstance(config, dict) else None
    if isinstance(cfg, dict) and isinstance(cfg.get("license"), str):
        return Fact(cfg["license"], "read", "config.json, pretrained_cfg")
    if row:
        return Fact(row.licence, "implied", f"it is {row.name}")
    if origin and origin.licence:
        return Fact(origin.licence, "implied", origin.name)
    if match.dialect.licence:
        why = f"the file states none; what {match.dialect.title} itself publishes is {match.dialect.licence}"
        return Fact(None, "unknown", why)
    return Fact(None, "unknown", "the file states none")


def folded(identity: Identity) -> bool:
    """Say whether the file's norms were folded into its convolutions."""
    return is_folded(identity.match)
