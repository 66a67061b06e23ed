"""Find: the network in an opened file, by its names, its graph or the order of its layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from resnets.files.errors import FileError
from resnets.weights.containers.contents import Contents, Stored
from resnets.weights.dialects import automatic, keras_names
from resnets.weights.dialects.configs import config_facts
from resnets.weights.dialects.deduce import FROM_GRAPH, Deduction, deduce
from resnets.weights.dialects.match import Match, matches, without_head
from resnets.weights.dialects.origins import Origin, origin_of
from resnets.weights.dialects.stated import contradictions, frozen_eps_open, stated_eps, strides_in_doubt

Tensors = Mapping[str, Stored]
Facts = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A network in a file: where its tensors are, who made it, what it is, and what stands against loading it.

    `parts` are the wrappers of all networks in the file; `notes` are sentences about what the graph says.
    """

    tensors: Tensors
    match: Match
    origin: Origin | None
    deduction: Deduction
    parts: tuple[str, ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()


def find(contents: Contents, path: Path, part: str | None, told: Facts) -> Found:
    """Return the network that explains most of a file.

    A graph in the file states every fact, so it goes before names, and names before the mere order of layers. Raises
    `ValueError` for a file that holds no network of this family, or where what was told contradicts it.
    """
    try:
        graphed = automatic.graph_of(contents)
        tensors = _named(contents)
        by_name = _chosen(matches(tensors), part, path)
        if graphed and graphed.followed:
            return _by_graph(contents, graphed.followed, by_name, told)
        reasons = (f"its graph was not followed: {graphed.reason}",) if graphed else ()
        if by_name:
            named = _by_name(contents, tensors, by_name, told)
            # What the graph says is the better reason where the names do not fit either.
            return replace(named, notes=reasons, problems=(*named.problems, *reasons) if named.problems else ())
        if graphed:
            raise FileError(f"holds a network that is none of the ResNet family here: {graphed.reason}")
        if contents.container in automatic.KERAS_CONTAINERS:
            match, known = automatic.ordered_match(contents, told)
            return _alone(contents, match, known, "from the order of its layers", told)
    except _Pathed:
        raise
    except ValueError as error:
        raise ValueError(f"{path} {error}") from None
    some = ", ".join(list(tensors)[:4]) + (", ..." if len(tensors) > 4 else "")
    raise ValueError(
        f"{path} holds {len(tensors)} tensors{f' ({some})' if tensors else ''} and no network of the ResNet family "
        "under any name that is known; docs/checkpoints.md lists the dialects"
    )


class _Pathed(ValueError):
    """A sentence that names the file already."""


def _named(contents: Contents) -> Tensors:
    if contents.container in automatic.KERAS_CONTAINERS:
        return keras_names.by_layer(contents.tensors, contents.facts)
    return contents.tensors


def _chosen(found: list[Match], part: str | None, path: Path) -> list[Match]:
    """The networks under the wrapper that was asked for."""
    if part is None or not found:
        return found
    words = f".{part.strip('./')}."
    chosen = [m for m in found if words in f".{m.prefix.replace('/', '.')}" or m.prefix == part]
    if not chosen:
        there = ", ".join(sorted({repr(match.prefix) for match in found}))
        raise _Pathed(f"{path} holds no network under {part!r}; it has one under {there}")
    return chosen


def _by_graph(contents: Contents, followed: Any, by_name: list[Match], told: Facts) -> Found:
    """A network whose graph says all; its names, where they are known, say whose it is."""
    owner = by_name[0].dialect if by_name else automatic.GRAPH
    match = automatic.match_of(followed, replace(owner, allows={}))
    found = _alone(contents, match, followed.facts, FROM_GRAPH, told)
    seen = tuple(f"the graph itself begins with {node.title}: {node.says}" for node in followed.preprocessing)
    return replace(found, notes=followed.notes + seen)


def _alone(contents: Contents, match: Match, known: Facts, why: str, told: Facts) -> Found:
    if told.get("head") == "none":
        match = without_head(match)
        known = {fact: value for fact, value in known.items() if fact not in ("head", "num_classes")}
    origin = origin_of(match, contents.facts)
    deduction = deduce(match, origin, told, known, why)
    return Found(
        tensors=contents.tensors,
        match=match,
        origin=origin,
        deduction=deduction,
        parts=(match.prefix,),
        problems=deduction.problems,
    )


def _by_name(contents: Contents, tensors: Tensors, candidates: list[Match], told: Facts) -> Found:
    if told.get("head") == "none":
        candidates = [without_head(match) for match in candidates]
    deduced: list[tuple[Match, Origin | None, Deduction]] = []
    for match in candidates:
        origin = origin_of(match, contents.facts)
        stated = match.dialect.family in ("transformers", "caffe", "timm", "torchvision")
        config = (config_facts(contents.facts) if stated else {}) | stated_eps(match, contents.facts)
        match = frozen_eps_open(match)
        doubt = strides_in_doubt(match, contents.facts)
        deduced.append((match, origin, deduce(match, origin, told, config, doubt=doubt)))
    match, origin, deduction = min(deduced, key=lambda each: _badness(each[0], each[2], contents))
    parts = _parts(match, [other for other, _, other_deduction in deduced if not other_deduction.problems])
    problems = list(deduction.problems)
    if deduction.architecture:
        problems += contradictions(match, deduction.architecture, contents.facts, contents.not_run)
    if match.left:
        some = ", ".join(match.left[:4])
        problems.append(f"{len(match.left)} tensors under {match.prefix!r} have no place in it: {some}")
    if len(parts) > 1:
        choices = " or ".join(f"--part {name.rstrip('./') or repr('')}" for name in parts)
        problems.append(f"it holds {len(parts)} networks; choose one: {choices}")
    return Found(
        tensors=tensors,
        match=match,
        origin=origin,
        deduction=deduction,
        parts=parts,
        problems=tuple(problems),
    )


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


def _parts(match: Match, whole: list[Match]) -> tuple[str, ...]:
    """Wrappers of the networks in a file that share no tensor with each other."""
    apart = [other for other in whole if not other.left and not set(other.keys.values()) & set(match.keys.values())]
    return tuple(sorted({other.prefix for other in apart} | {match.prefix}))
