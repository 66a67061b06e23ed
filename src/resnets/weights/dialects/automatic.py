"""Automatic: networks whose names say nothing, found by their graph, or by the order of their layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from resnets.files.errors import FileError
from resnets.weights.containers.contents import Contents
from resnets.weights.dialects.dialect import Dialect
from resnets.weights.dialects.follow import Followed, follow
from resnets.weights.dialects.in_order import InOrder, in_order
from resnets.weights.dialects.keras_config import keras_graph
from resnets.weights.dialects.match import Match
from resnets.weights.dialects.onnx_nodes import onnx_graph
from resnets.weights.dialects.slots import KERAS

KERAS_CONTAINERS = ("hdf5", "keras")

GRAPH = Dialect(
    name="graph",
    family="graph",
    title="the file's own graph",
    source="the file itself",
    layers={},
    slots=KERAS,
)
ORDER = Dialect(
    name="keras-order",
    family="keras-order",
    title="a Keras file of weights alone, in the order of its layers",
    source="Keras's automatic layer names",
    layers={},
    slots=KERAS,
)
"""Dialects without names: every tensor is known by its place."""


@dataclass(frozen=True, slots=True)
class Graphed:
    """What a file's graph says: its network, or the sentence for which it is none of this family's."""

    followed: Followed | None
    reason: str = ""


def graph_of(contents: Contents) -> Graphed | None:
    """Follow the graph that a file holds, if it holds one."""
    config = contents.facts.get("model_config")
    try:
        if contents.container in KERAS_CONTAINERS and config:
            shapes = {name: tensor.shape for name, tensor in contents.tensors.items()}
            return Graphed(follow(keras_graph(config, shapes)))
        if contents.container == "onnx":
            return Graphed(follow(onnx_graph(contents)))
    except FileError as error:
        return Graphed(None, str(error))
    return None


def match_of(graphed: Followed | InOrder, dialect: Dialect) -> Match:
    """Return a network that was found by its place in the words of a match."""
    return Match(
        dialect=dialect,
        prefix="",
        keys={ours: held.tensor for ours, held in graphed.tensors.items()},
        shapes={ours: held.shape for ours, held in graphed.tensors.items()},
        aside={"other layers of the graph": len(graphed.set_aside)}
        if isinstance(graphed, Followed) and graphed.set_aside
        else {},
        turns=graphed.tensors,
        filled=graphed.filled,
    )


def ordered_match(contents: Contents, told: Mapping[str, Any]) -> tuple[Match, dict[str, Any]]:
    """Return the network of a Keras file of weights alone, and the facts that its order tells.

    What the order leaves open is open in the match's dialect. Raises `FileError` where no network, or more than one
    assignment, fits.
    """
    found = in_order(contents, told)
    choices = {
        fact: tuple(dict.fromkeys((found.facts.get(fact), *values)))
        for fact, values in found.unknown.items()
        if values and fact not in told
    }
    match = match_of(found, replace(ORDER, allows=choices))
    known = {fact: value for fact, value in found.facts.items() if fact not in found.unknown and fact not in told}
    return match, known
