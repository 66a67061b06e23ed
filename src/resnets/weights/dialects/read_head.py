"""Heads: what comes after the last unit, pooled or flattened, with one linear layer or two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from resnets.files.errors import FileError
from resnets.spec.architecture import HeadPooling
from resnets.weights.dialects.graph import Graph, Node
from resnets.weights.dialects.simplify import NO_PADS, Size
from resnets.weights.dialects.units import Nodes, unexpected

ENDS = ("softmax", "sigmoid")
"""What may follow the logits; a network here gives the logits themselves."""


@dataclass(frozen=True, slots=True)
class HeadFound:
    """The linear layers of a head, the last of them giving the logits; `path` is every node of it.

    `rates` are the dropouts before each linear layer, 0 where there is none; `end` is the softmax or sigmoid.
    """

    pooling: HeadPooling
    linears: Nodes
    rates: tuple[float, ...]
    end: str | None
    path: Nodes


def read_head(graph: Graph, last: Node, sizes: Mapping[str, Size]) -> HeadFound | None:
    """Return the head that begins at the last map, or None where none does.

    Raises `FileError` for a head that begins as one and goes on as no head of this family.
    """
    consumers = graph.consumers()
    starts = [node for node in consumers[last.name] if node.kind in ("global_pool", "flatten", "dropout")]
    starts += [node for node in consumers[last.name] if node.kind == "pool_average"]
    starts = [node for node in starts if any(step.kind == "linear" for step in _path(graph, node, consumers))]
    if not starts:
        return None
    if len(starts) > 1:
        raise FileError(f"two heads begin after {last.title}: {starts[0].title} and {starts[1].title}")
    path = _path(graph, starts[0], consumers)
    pooling: HeadPooling = "flatten"
    linears: list[Node] = []
    rates = [0.0]
    end = None
    activated = False
    for node in path:
        if end:
            raise unexpected(node, f"nothing after its {end}")
        if node.kind == "global_pool" or (node.kind == "pool_average" and _whole_map(node, sizes)):
            pooling = "average"
        elif node.kind == "dropout":
            rates[-1] = node.rate
        elif node.kind == "linear":
            if linears and not activated:
                raise unexpected(node, "a ReLU between two linear layers")
            activated = False
            linears.append(node)
            rates.append(0.0)
        elif node.kind in ENDS:
            end = node.kind
        elif node.kind == "relu" and linears:
            activated = True
        elif node.kind != "flatten":
            raise unexpected(node, "a mean over the whole map, and one or two linear layers")
    if activated:
        raise unexpected(path[-1], "logits without a ReLU")
    if len(linears) > 2:
        raise FileError(
            f"its head has {len(linears)} linear layers; heads of one, or of two with a ReLU between, are known"
        )
    return HeadFound(pooling, tuple(linears), tuple(rates[: len(linears)]), end, tuple(path))


def _path(graph: Graph, start: Node, consumers: Mapping[str, list[Node]]) -> list[Node]:
    """The nodes from the start on, as long as each has one consumer."""
    path = [start]
    while len(following := consumers[path[-1].name]) == 1 and len(path) < 20:
        path.append(following[0])
    pooled = path[0].kind == "global_pool"
    return [_as_linear(node) if pooled else node for node in path]


def _as_linear(node: Node) -> Node:
    """A 1x1 convolution of a pooled map is a linear layer."""
    weight = node.numbers.get("weight")
    if node.kind != "conv" or not weight or weight.shape[2:] != (1, 1) or node.groups != 1:
        return node
    return replace(node, kind="linear", numbers={**node.numbers, "weight": replace(weight, shape=weight.shape[:2])})


def _whole_map(node: Node, sizes: Mapping[str, Size]) -> bool:
    size = sizes[node.inputs[0]]
    if size == node.kernel and node.pads in (NO_PADS, "same"):
        return True
    found = "x".join(str(side or "?") for side in size)
    raise FileError(
        f"{node.title} averages {node.kernel[0]}x{node.kernel[1]} pixels of a map of {found}; a head of this family "
        "takes the mean of the whole map"
    )
