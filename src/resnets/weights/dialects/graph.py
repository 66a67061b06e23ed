"""Graph: a network as its file draws it, nodes and the edges between them, whatever framework wrote it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np

NodeKind = Literal[
    "input",
    "conv",
    "norm",
    "relu",
    "add",
    "multiply",
    "sigmoid",
    "pool_max",
    "pool_average",
    "global_pool",
    "pad",
    "subsample",
    "pad_channels",
    "flatten",
    "dropout",
    "linear",
    "softmax",
    "nothing",
    "preprocess",
    "gate",
    "other",
]
"""What a node does. `nothing` passes its input on; `other` is all that this family has no word for."""

Amounts = tuple[tuple[int, int], tuple[int, int]]
"""Pixels added (above, below), (left, right)."""

Slot = Literal["weight", "bias", "running_mean", "running_var"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Numbers:
    """One tensor of a file as ours wants it: `stored.transpose(axes).reshape(shape)`; `axes` None leaves them."""

    tensor: str
    shape: tuple[int, ...]
    axes: tuple[int, ...] | None = None

    def turned(self, stored: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Return the tensor as it is stored in our axes and shape."""
        return (stored if self.axes is None else stored.transpose(self.axes)).reshape(self.shape)


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """One operation. `layer` is what its file calls it, `word` what its framework calls its kind.

    `pads` is what a convolution or a pool adds around its input: amounts, "same" for TensorFlow's rule (the odd
    pixel after), "same_lower" (before), or "ceil" for Caffe's. `numbers` are its parameters, by our slot.
    """

    name: str
    kind: NodeKind
    layer: str
    word: str
    inputs: tuple[str, ...] = ()
    kernel: tuple[int, int] = (1, 1)
    strides: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    pads: Amounts | Literal["same", "same_lower", "ceil"] = ((0, 0), (0, 0))
    fill: float = float("-inf")  # what a pool sees in its padding
    eps: float = 0.0
    rate: float = 0.0  # of a dropout
    size: tuple[int | None, int | None] = (None, None)  # height and width, of an input
    channels: tuple[int, int] = (0, 0)  # added before and after, of `pad_channels`
    why: str = ""  # what an `other` does that this family does not
    says: str = ""  # what a `preprocess` does, in its file's words
    numbers: Mapping[Slot, Numbers] = field(default_factory=dict)
    inner: tuple[Node, ...] = ()  # of a gate: squeeze and excite

    @property
    def title(self) -> str:
        """ "Conv2D 'conv2d_17'"."""
        return f"{self.word} {self.layer!r}" if self.word else repr(self.layer)


@dataclass(frozen=True, kw_only=True, slots=True)
class Graph:
    """Nodes by name, each after the nodes that it takes from."""

    nodes: Mapping[str, Node]
    outputs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for name, node in self.nodes.items():
            for source in node.inputs:
                if source not in seen:
                    raise ValueError(f"{node.title} takes from {source!r}, which does not come before it")
            seen.add(name)
        for name in self.outputs:
            if name not in seen:
                raise ValueError(f"the graph gives {name!r}, which is not in it")

    def consumers(self) -> dict[str, list[Node]]:
        """Return which nodes take from each node."""
        found: dict[str, list[Node]] = {name: [] for name in self.nodes}
        for node in self.nodes.values():
            for source in dict.fromkeys(node.inputs):
                found[source].append(node)
        return found


def ordered(nodes: Mapping[str, Node]) -> dict[str, Node]:
    """Return the nodes so that each comes after those it takes from; raise `ValueError` for a circle or a gap."""
    done: dict[str, Node] = {}
    for name in nodes:
        for ready in _before(nodes, name, done):
            done[ready] = nodes[ready]
    return done


def _before(nodes: Mapping[str, Node], name: str, done: Mapping[str, Node]) -> Iterator[str]:
    """A node and all it needs that is not yet there, deepest first; a stack, for ResNet-1202 is 3,600 nodes deep."""
    stack, open_ = [(name, False)], set[str]()
    yielded: set[str] = set()
    while stack:
        current, leaving = stack.pop()
        if leaving:
            open_.discard(current)
            if current not in yielded and current not in done:
                yielded.add(current)
                yield current
            continue
        if current in done or current in yielded:
            continue
        if current in open_:
            raise ValueError(f"the graph goes round in a circle at {current!r}")
        if current not in nodes:
            raise ValueError(f"the graph speaks of {current!r}, which is not in it")
        open_.add(current)
        stack.append((current, True))
        stack += [(source, False) for source in reversed(nodes[current].inputs)]
