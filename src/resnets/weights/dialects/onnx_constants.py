"""Constants that an ONNX file computes: the amounts of a padding, which PyTorch's exporters put together from parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import TYPE_CHECKING, Any

from resnets.weights.containers.contents import Stored, array

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

MOST_BYTES = 4096
"""Of a constant that is fetched: amounts and places, never weights."""

MOST_NUMBERS = 65_536
"""Of a constant that is computed: a bias of zeros has as many as a layer has channels."""


class Constants:
    """Small constants of a file by name, and what its nodes compute of them."""

    def __init__(self, held: Mapping[str, Stored]) -> None:
        self.held = held
        self.made: dict[str, Array] = {}

    def get(self, name: str) -> Array | None:
        """Return a small constant, or None for weights and for what depends on the picture."""
        if name in self.made:
            return self.made[name]
        found = self.held.get(name)
        if found and ((found.dtype in ("I32", "I64") and found.size <= MOST_BYTES) or prod(found.shape) == 1):
            return array(found)
        return None

    def compute(self, word: str, inputs: list[str], output: str, attributes: Mapping[str, Any]) -> bool:
        """Compute a node if all that it takes is constant, and say whether it was."""
        import numpy as np

        if word == "Constant":
            value = next((attributes[key] for key in _PLAIN if attributes.get(key) is not None), None)
            if value is not None:
                self.made[output] = np.array(value)
            return True
        if word == "Shape":
            shape = self._shape(inputs[0]) if inputs else None
            if shape is None:
                return False
            self.made[output] = np.array(shape[attributes.get("start", 0) : attributes.get("end")], np.int64)
            return True
        names = inputs[:1] if word == "CastLike" else [name for name in inputs if name]
        values = [self.get(name) for name in names] if word in OPERATIONS else []
        known = [value for value in values if value is not None]
        if not values or len(known) < len(values):
            return False
        made = OPERATIONS[word](known, attributes)
        if made is None or made.size > MOST_NUMBERS:
            return False
        self.made[output] = made
        return True

    def _shape(self, name: str) -> tuple[int, ...] | None:
        if name in self.held:
            return self.held[name].shape
        return self.made[name].shape if name in self.made else None


_PLAIN = ("value_ints", "value_int", "value_floats", "value_float")

Attributes = Mapping[str, Any]


def _zeros(values: list[Array], attributes: Attributes) -> Array | None:
    """Make zeros, which is all that PyTorch's exporters fill with.

    Other numbers would pad the batch or the channels, and what comes after would not fit.
    """
    import numpy as np

    count = int(values[0].reshape(-1)[0]) if values[0].size == 1 else -1
    return np.zeros(count, np.int64) if 0 <= count <= 16 else None


def _concat(values: list[Array], attributes: Attributes) -> Array:
    import numpy as np

    return np.concatenate(values, axis=attributes.get("axis", 0))


def _expand(values: list[Array], attributes: Attributes) -> Array | None:
    import numpy as np

    shape = [int(side) for side in values[1].reshape(-1)]
    return np.broadcast_to(values[0], shape) if 0 <= prod(shape) <= MOST_NUMBERS else None


def _slice(values: list[Array], attributes: Attributes) -> Array:
    """Cut as ONNX cuts: starts, ends, axes, steps; an end far before the beginning means all, backwards."""
    value, *arguments = values
    given = [[int(each) for each in argument.reshape(-1)] for argument in arguments]
    starts, ends = given[:2]
    axes = given[2] if len(given) > 2 else list(range(len(starts)))
    steps = given[3] if len(given) > 3 else [1] * len(starts)
    cuts = [slice(None)] * value.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        cuts[axis] = slice(start, None if end < -value.shape[axis] or end >= value.shape[axis] else end, step)
    return value[tuple(cuts)]


def _unsqueeze(values: list[Array], attributes: Attributes) -> Array:
    import numpy as np

    axes = attributes.get("axes") or [int(axis) for axis in values[1].reshape(-1)]
    return np.expand_dims(values[0], tuple(axes))


OPERATIONS: Mapping[str, Callable[[list[Array], Attributes], Array | None]] = {
    "ConstantOfShape": _zeros,
    "Concat": _concat,
    "Expand": _expand,
    "Slice": _slice,
    "Unsqueeze": _unsqueeze,
    "Reshape": lambda values, attributes: values[0].reshape([int(side) for side in values[1].reshape(-1)]),
    "Transpose": lambda values, attributes: values[0].transpose(attributes.get("perm")),
    "Gather": lambda values, attributes: values[0].take(values[1].astype(int), axis=attributes.get("axis", 0)),
    "Mul": lambda values, attributes: values[0] * values[1],
    "Sub": lambda values, attributes: values[0] - values[1],
    "Add": lambda values, attributes: values[0] + values[1],
    "Cast": lambda values, attributes: values[0],
    "CastLike": lambda values, attributes: values[0],
}
"""What stands between the parts and the amounts."""
