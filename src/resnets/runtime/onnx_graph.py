"""The ONNX graph while it is made: nodes named after the network's layers, and the constants that they take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Constant:
    """Numbers known before any picture."""

    numbers: Tensor
    name: str


@dataclass(frozen=True, slots=True)
class Affine:
    """`value * scale + shift`, in float64, that no node does yet: the steps of normalisation become one."""

    value: str
    scale: Tensor
    shift: Tensor


Value = str | Constant | Affine
"""The name of what a node gives, or what no node has been needed for."""


class Graph:
    """Nodes in the order in which they run, and constants by name."""

    def __init__(self, *inputs: str) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[str, np.ndarray[Any, Any]] = {}
        self._names = set(inputs)
        self._inputs = inputs

    def add(self, kind: str, layer: str, *inputs: Value, **attributes: Any) -> str:
        """Add a node that does a layer; return its name, which is its output's too."""
        from onnx.helper import make_node

        names = [self.name(each) for each in inputs]
        name = self._unique(layer)
        self.nodes.append(make_node(kind, names, [name], name=name, **attributes))
        return name

    def name(self, value: Value) -> str:
        """Return the name of a value, after adding the nodes that it still needs."""
        if isinstance(value, Constant):
            self.constants.setdefault(value.name, np.ascontiguousarray(value.numbers.detach().cpu().numpy()))
            return value.name
        if isinstance(value, str):
            return value
        name = value.value
        for kind, numbers, nothing in (("Mul", value.scale, 1.0), ("Add", value.shift, 0.0)):
            if bool((numbers != nothing).any()):
                layer = f"{value.value}.{kind.lower()}"
                name = self.add(kind, layer, name, Constant(numbers.float(), self._unique(f"{layer}.by")))
        return name

    def name_outputs(self, last: Mapping[str, str]) -> None:
        """Give what comes out its names, in order; what comes out twice, or is an input, is copied."""
        renamed: dict[str, str] = {}
        copies: list[tuple[str, str]] = []
        for name, value in last.items():
            if value in renamed or value in self._inputs:
                copies.append((name, value))
            else:
                renamed[value] = name
        for node in self.nodes:
            for ends in (node.input, node.output):
                ends[:] = [renamed.get(each, each) for each in ends]
        for name, value in copies:
            self.add("Identity", name, renamed.get(value, value))

    def _unique(self, name: str) -> str:
        new, count = name, 1
        while new in self._names:
            count += 1
            new = f"{name}.{count}"
        self._names.add(new)
        return new
